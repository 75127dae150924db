//! Has a Durable Object answer a request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::UPGRADE;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri};
use portway_adapters_cloudflare::{ObjectName, Objects, WorkerClock, WorkerEntropy};
use portway_api::{ApiError, Elsewhere, ErrorCode, RATE_HEADERS, Uncounted};
use portway_ports::system::{Clock, Entropy};
use worker::send::IntoSendFuture;
use worker::{Env, Error, Request, Response, Result};

use crate::gateway::objects;
use crate::routing::Destination;
use crate::web;

/// Where calls are sent.
const CALLS: &str = "/rpc";

/// Where calls are sent that were counted already. No request of a caller with this path reaches an object.
const COUNTED: &str = "/counted";

/// How long an object may be at work on a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// The object that a request is for, if it is for one.
pub(crate) fn object_for(request: &Parts) -> Option<ObjectName> {
    if cfg!(feature = "mcp-conformance") && request.uri.path() == "/mcp" {
        return Some(ObjectName::Users);
    }
    let asked = request.headers.get(UPGRADE);
    let is_upgrade = asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    object_of(Destination::of(request.method.as_str(), request.uri.path(), is_upgrade))
}

fn object_of(destination: Destination) -> Option<ObjectName> {
    match destination {
        Destination::Here => None,
        Destination::Session(id) => Some(ObjectName::Session(id)),
        Destination::Users => Some(ObjectName::Users),
    }
}

/// The request as it was meant that another instance sends for a call that it has counted already.
pub(crate) fn restored(mut request: http::Request<Body>) -> http::Request<Body> {
    if request.uri().path() == COUNTED {
        *request.uri_mut() = with_path(std::mem::take(request.uri_mut()), CALLS);
        request.extensions_mut().insert(Uncounted);
    }
    request
}

fn with_path(uri: Uri, path: &'static str) -> Uri {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(path));
    // Scheme and host are those of a URI that was one.
    Uri::from_parts(parts).unwrap_or(uri)
}

/// Sends calls that come by other surfaces than REST to the objects that answer them.
pub(crate) fn elsewhere(objects: Objects) -> Elsewhere {
    Arc::new(move |method, path| {
        let object = object_of(Destination::of(method.as_str(), path, false))?;
        let objects = objects.clone();
        Some(Box::new(move |request| Box::pin(call(objects, object, request).into_send())))
    })
}

/// The answer of an object with the status 200, if it gives one.
async fn call(objects: Objects, object: ObjectName, request: http::Request<String>) -> Option<http::Response<Bytes>> {
    let answer = async {
        let (mut parts, body) = request.into_parts();
        if parts.extensions.get::<Uncounted>().is_some() {
            parts.uri = with_path(parts.uri, COUNTED);
        }
        let request = web::request(&parts, body)?;
        let mut answer = objects.ask(&object, request, PATIENCE).await?;
        if answer.status_code() != StatusCode::OK {
            return Ok(None);
        }
        let mut whole = http::Response::new(Bytes::from(answer.bytes().await?));
        for name in RATE_HEADERS {
            if let Some(value) = answer.headers().get(name.as_str())?.and_then(|value| value.parse().ok()) {
                whole.headers_mut().insert(name, value);
            }
        }
        Ok::<_, Error>(Some(whole))
    };
    let answer = answer.await.inspect_err(|error| tracing::error!(?object, %error, "an object does not answer"));
    answer.ok().flatten()
}

/// Has an object answer.
pub(crate) async fn ask(env: &Env, object: &ObjectName, request: Request) -> Result<Response> {
    match objects(env)?.ask(object, request, PATIENCE).await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            tracing::error!(?object, %error, "an object does not answer");
            let request = WorkerEntropy.ids(WorkerClock::new().now()).draw_text();
            let message = "the session cannot be reached at the moment: try again";
            web::response(ApiError::new(ErrorCode::Unavailable, message).with_retry_after(1).into_response(&request))
        }
    }
}
