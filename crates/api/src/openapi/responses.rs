//! The responses of a row: its success, and the errors that it can have.

use http::{Method, StatusCode};
use portway_domain::access::Permission;
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::error::ErrorBody;
use crate::rate::RateClass;
use crate::row::Row;

/// Every error response: status, name of the component, and when it comes.
const ERRORS: [(StatusCode, &str, &str); 14] = [
    (StatusCode::BAD_REQUEST, "BadRequest", "The request cannot be read, or a field has a value that cannot be used."),
    (StatusCode::UNAUTHORIZED, "Unauthorized", "No valid token was presented."),
    (StatusCode::FORBIDDEN, "Forbidden", "The caller may not do this."),
    (StatusCode::NOT_FOUND, "NotFound", "There is no such thing, or the caller may not know of it."),
    (StatusCode::REQUEST_TIMEOUT, "RequestTimeout", "The body did not arrive in time."),
    (StatusCode::CONFLICT, "Conflict", "The state of things does not allow it now."),
    (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", "The body is too large."),
    (StatusCode::URI_TOO_LONG, "UriTooLong", "Path and query are too long together."),
    (StatusCode::MISDIRECTED_REQUEST, "Misdirected", "The gateway does not answer under this host name."),
    (StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", "The request does not ask for a WebSocket."),
    (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many at once: try again after the time in Retry-After."),
    (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "A fault of the gateway."),
    (StatusCode::NOT_IMPLEMENTED, "NotAvailable", "This installation does not offer it."),
    (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "Not at the moment: try again after the time in Retry-After."),
];

/// What needs a sandbox that can be reached from outside, which not every installation has.
const NEED_A_FRONT_DOOR: [&str; 2] = ["sessions.sandbox_token", "sessions.close_tunnel"];

/// What may be had already: a request that says which version it has is told that this is still the one.
const REVALIDATED: [&str; 1] = ["attachments.get"];

/// The components that rows refer to.
pub(super) fn shared(schemas: &mut Schemas) -> Value {
    let schema = schemas.output.subschema_for::<ErrorBody<'static>>();
    let mut components = Map::new();
    for (status, name, description) in ERRORS {
        let mut response = json!({
            "description": description,
            "content": { "application/json": { "schema": schema } },
        });
        let number = |text: &str| json!({ "description": text, "schema": { "type": "integer", "minimum": 0 } });
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response["headers"] = json!({ "Retry-After": number("Seconds to wait.") });
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            // Not where it is a queue that is full, or there are too many sessions.
            response["headers"]["X-RateLimit-Limit"] = number("Most calls at once, where calls are limited.");
            response["headers"]["X-RateLimit-Remaining"] = number("Calls that are left.");
            response["headers"]["X-RateLimit-Reset"] = number("When all calls are back, in seconds since 1970.");
        }
        components.insert(name.to_owned(), response);
    }
    Value::Object(components)
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/responses/{name}") })
}

/// What decides about the responses of a row.
pub(super) struct Asked<'a> {
    pub(super) row: &'a Row,
    /// Whether it reads a body.
    pub(super) has_body: bool,
    /// Whether its input names something that may not be there.
    pub(super) names_something: bool,
    pub(super) is_socket: bool,
}

/// The responses of one row; `content` is what success carries.
pub(super) fn of(asked: &Asked<'_>, success: StatusCode, content: Option<(&'static str, Value)>) -> Value {
    let mut answer = json!({ "description": success.canonical_reason().unwrap_or("Success") });
    if let Some((media_type, schema)) = content {
        let media = if schema == json!({}) { schema } else { json!({ "schema": schema }) };
        answer["content"] = json!({ media_type: media });
    }
    let mut responses = json!({ success.as_str(): answer });
    if REVALIDATED.contains(&asked.row.name) {
        responses["304"] = json!({ "description": "The caller has it already, as `If-None-Match` says." });
    }
    for (status, name, _) in ERRORS {
        if asked.can_fail_with(status) {
            responses[status.as_str()] = reference(name);
        }
    }
    responses
}

impl Asked<'_> {
    fn can_fail_with(&self, status: StatusCode) -> bool {
        let row = self.row;
        let changes = !matches!(row.method, Method::GET | Method::HEAD);
        match status {
            StatusCode::UNAUTHORIZED => row.permission != Permission::Public,
            StatusCode::FORBIDDEN => {
                matches!(row.permission, Permission::Admin | Permission::Session(_)) || changes || self.is_socket
            }
            StatusCode::NOT_FOUND => self.names_something,
            StatusCode::CONFLICT => changes,
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => self.has_body,
            StatusCode::MISDIRECTED_REQUEST => !row.any_host,
            StatusCode::UPGRADE_REQUIRED => self.is_socket,
            StatusCode::TOO_MANY_REQUESTS => row.rate != RateClass::Unlimited,
            StatusCode::NOT_IMPLEMENTED => NEED_A_FRONT_DOOR.contains(&row.name),
            _ => true,
        }
    }
}
