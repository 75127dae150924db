//! The responses of a row: its success, and the errors that it can have.

use http::{Method, StatusCode};
use portway_domain::access::Permission;
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::error::ErrorBody;
use crate::rate::RateClass;
use crate::row::Row;

/// Every error response: status, name of the component, and when it comes.
const ERRORS: [(StatusCode, &str, &str); 10] = [
    (StatusCode::BAD_REQUEST, "BadRequest", "The request cannot be read, or a field has a value that cannot be used."),
    (StatusCode::UNAUTHORIZED, "Unauthorized", "No valid token was presented."),
    (StatusCode::FORBIDDEN, "Forbidden", "The caller may not do this."),
    (StatusCode::NOT_FOUND, "NotFound", "There is no such thing, or the caller may not know of it."),
    (StatusCode::CONFLICT, "Conflict", "The state of things does not allow it now."),
    (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLarge", "The body is too large."),
    (StatusCode::UPGRADE_REQUIRED, "UpgradeRequired", "The request does not ask for a WebSocket."),
    (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many at once: try again after the time in Retry-After."),
    (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "A fault of the gateway."),
    (StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "Not at the moment: try again after the time in Retry-After."),
];

/// The components that rows refer to.
pub(super) fn shared(schemas: &mut Schemas) -> Value {
    let schema = schemas.output.subschema_for::<ErrorBody<'static>>();
    let mut components = Map::new();
    for (status, name, description) in ERRORS {
        let mut response = json!({
            "description": description,
            "content": { "application/json": { "schema": schema } },
        });
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response["headers"] = json!({
                "Retry-After": {
                    "description": "Seconds to wait.",
                    "schema": { "type": "integer", "minimum": 0 },
                },
            });
        }
        components.insert(name.to_owned(), response);
    }
    Value::Object(components)
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/responses/{name}") })
}

/// The responses of one row; `content` is what success carries.
pub(super) fn of(row: &Row, success: StatusCode, content: Option<(&'static str, Value)>, takes_body: bool) -> Value {
    let mut answer = json!({ "description": success.canonical_reason().unwrap_or("Success") });
    if let Some((media_type, schema)) = content {
        let media = if schema == json!({}) { schema } else { json!({ "schema": schema }) };
        answer["content"] = json!({ media_type: media });
    }
    let mut responses = json!({ success.as_str(): answer });
    for (status, name, _) in ERRORS {
        if can_fail_with(row, status, takes_body) {
            responses[status.as_str()] = reference(name);
        }
    }
    responses
}

fn can_fail_with(row: &Row, status: StatusCode, takes_body: bool) -> bool {
    let changes = !matches!(row.method, Method::GET | Method::HEAD);
    let names_something = row.path.contains('{');
    match status {
        StatusCode::UNAUTHORIZED => row.permission != Permission::Public,
        StatusCode::FORBIDDEN => matches!(row.permission, Permission::Admin | Permission::Session(_)) || changes,
        StatusCode::NOT_FOUND => names_something,
        StatusCode::CONFLICT => changes,
        StatusCode::PAYLOAD_TOO_LARGE => takes_body,
        StatusCode::UPGRADE_REQUIRED => false,
        StatusCode::TOO_MANY_REQUESTS => row.rate != RateClass::Unlimited,
        _ => true,
    }
}
