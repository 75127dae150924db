//! Which requests are for a Durable Object: those that change a session, and sockets.

use std::time::Duration;

use portway_adapters_cloudflare::{ObjectName, WorkerClock, WorkerEntropy};
use portway_api::{ApiError, ErrorCode};
use portway_domain::ids::SessionId;
use portway_ports::system::{Clock, Entropy};
use worker::{Env, Method, Request, Response, Result};

use crate::entry::response;
use crate::gateway::objects;

/// How long an object may be at work on a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands in the place of a session's id in one path.
const JOIN: &str = "join";

/// The object that a request is for. All others are answered where they are: reading needs no object.
pub(crate) fn object_for(request: &Request) -> Option<ObjectName> {
    let path = request.path();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments[..] {
        ["api", "events", "ws"] if is_upgrade(request) => Some(ObjectName::Users),
        ["api", "sessions", id, ..] if id != JOIN && (is_upgrade(request) || changes(&request.method())) => {
            SessionId::parse(id).ok().map(ObjectName::Session)
        }
        _ => None,
    }
}

fn is_upgrade(request: &Request) -> bool {
    let asked = request.headers().get("upgrade").ok().flatten();
    asked.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

fn changes(method: &Method) -> bool {
    matches!(method, Method::Post | Method::Put | Method::Patch | Method::Delete)
}

/// Has an object answer.
pub(crate) async fn ask(env: &Env, object: &ObjectName, request: Request) -> Result<Response> {
    match objects(env)?.ask(object, request, PATIENCE).await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            tracing::error!(?object, %error, "an object does not answer");
            let request = WorkerEntropy.ids(WorkerClock::new().now()).draw_text();
            let message = "the session cannot be reached at the moment: try again";
            response(ApiError::new(ErrorCode::Unavailable, message).with_retry_after(1).into_response(&request))
        }
    }
}
