//! Has a Durable Object answer a request.

use std::time::Duration;

use http::header::UPGRADE;
use http::request::Parts;
use portway_adapters_cloudflare::{ObjectName, WorkerClock, WorkerEntropy};
use portway_api::{ApiError, ErrorCode};
use portway_ports::system::{Clock, Entropy};
use worker::{Env, Request, Response, Result};

use crate::gateway::objects;
use crate::routing::Destination;
use crate::web;

/// How long an object may be at work on a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// The object that a request is for, if it is for one.
pub(crate) fn object_for(request: &Parts) -> Option<ObjectName> {
    let asked = request.headers.get(UPGRADE);
    let is_upgrade = asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    match Destination::of(request.method.as_str(), request.uri.path(), is_upgrade) {
        Destination::Here => None,
        Destination::Session(id) => Some(ObjectName::Session(id)),
        Destination::Users => Some(ObjectName::Users),
    }
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
