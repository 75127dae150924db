//! What sockets tell, as server-sent events.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, Request};
use portway_domain::access::{Permission, SessionRole};
use portway_domain::ids::SessionId;
use portway_services::error::Error;
use portway_services::{Context, Services};
use serde_json::json;

use super::stream::{EVENT_STREAM, stream};
use super::{MAX_SEQ, events, resuming};
use crate::endpoint::Endpoint;
use crate::error::ApiError;
use crate::input::NoInput;
use crate::operations::SessionPath;
use crate::rate::RateClass;
use crate::socket::ServeSocket;

pub(super) fn rows() -> [Endpoint<Services>; 2] {
    let viewer = Permission::Session(SessionRole::Viewer);
    [
        Endpoint::new("sessions.events", Method::GET, "/api/sessions/{id}/events", viewer)
            .summary("Everything that happens in a session, as server-sent events")
            .describe(
                "After `connected` come the frames that a client of protocol 2 gets over the session's socket: the event \
                 is the frame's type, and its id the frame's `seq`. With `Last-Event-ID` it goes on there. It ends with \
                 `close`, and code and reason of the socket.",
            )
            .rate(RateClass::Agent)
            .produces(EVENT_STREAM)
            .raw(session_events),
        Endpoint::new("events.stream", Method::GET, "/api/events", Permission::SignedIn)
            .summary("Everything that happens to one's sessions, as server-sent events")
            .describe("After `connected` the frames of `/api/events/ws`: the event is the frame's type.")
            .produces(EVENT_STREAM)
            .raw(user_events),
    ]
}

async fn session_events(
    services: Arc<Services>,
    context: Context,
    input: SessionPath,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let seq = last_event(request.headers())?;
    let id = SessionId::parse(input.id.as_str()).map_err(|_| Error::NotFound { resource: "Session", id: input.id })?;
    let connected = json!({"sessionId": id.as_str()});
    let serve = resuming::open(Arc::clone(&services), context, id, seq).await?;
    Ok(respond(&services, serve, &connected))
}

async fn user_events(
    services: Arc<Services>,
    context: Context,
    input: NoInput,
    _: Request<Body>,
) -> Result<Response, ApiError> {
    let serve = events::open(Arc::clone(&services), context, input).await?;
    Ok(respond(&services, serve, &json!({})))
}

/// A reader who reads nothing must not keep the other end from noticing, so that one is a task of its own.
fn respond(services: &Services, serve: ServeSocket, connected: &serde_json::Value) -> Response {
    let (socket, response) = stream(Arc::clone(services.clock()), connected);
    services.spawner().spawn(serve(Box::new(socket)));
    response
}

/// The `seq` that the reader has come to.
fn last_event(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(last) = headers.get("last-event-id").filter(|last| !last.is_empty()) else {
        return Ok(None);
    };
    let seq = last.to_str().ok().and_then(|text| text.parse().ok()).filter(|seq| *seq <= MAX_SEQ);
    seq.map(Some).ok_or_else(|| ApiError::field("Last-Event-ID", "expected the id of an event of this stream"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_last_event_is_a_counter() {
        let read = |text: &'static str| {
            last_event(&HeaderMap::from_iter([(
                http::HeaderName::from_static("last-event-id"),
                HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(last_event(&HeaderMap::new()).unwrap(), None);
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("61").unwrap(), Some(61));
        for text in ["x", "-1", "9007199254740993"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
