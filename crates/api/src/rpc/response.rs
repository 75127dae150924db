//! What is answered to one call.

use std::borrow::Cow;

use serde_json::json;

use crate::error::{ApiError, ErrorCode};

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL_ERROR: i32 = -32603;

/// Why a call has no result.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// The id of the call, as it was written; `null` if there is none to be told by.
    pub(crate) id: Cow<'static, str>,
    /// What went wrong, in numbers of JSON-RPC.
    pub(crate) code: i32,
    /// The same as REST would say it.
    pub(crate) error: Box<ApiError>,
}

impl Fault {
    /// Of an operation, or of the way to it. What JSON-RPC has no number of its own for has one that ends like the status:
    /// -32004 for 404, and -32053 for 503.
    pub(crate) fn of(error: ApiError) -> Self {
        let status = i32::from(error.status.as_u16());
        let code = match error.code {
            ErrorCode::ValidationError | ErrorCode::InvalidRequest => INVALID_PARAMS,
            ErrorCode::InternalError => INTERNAL_ERROR,
            _ if error.status.is_server_error() => -31_550 - status,
            _ => -31_600 - status,
        };
        Self { id: "null".into(), code, error: Box::new(error) }
    }

    /// The body cannot be read.
    pub(crate) fn unreadable(error: ApiError) -> Self {
        Self { id: "null".into(), code: PARSE_ERROR, error: Box::new(error) }
    }

    /// It is no call.
    pub(crate) fn no_call(message: impl Into<Cow<'static, str>>) -> Self {
        Self { id: "null".into(), code: INVALID_REQUEST, error: Box::new(ApiError::invalid_request(message)) }
    }

    /// There is no such method.
    pub(crate) fn no_method(name: &str) -> Self {
        let error = ApiError::new(ErrorCode::NotFound, format!("there is no method {name:?}: rpc.discover lists all"));
        Self { id: "null".into(), code: METHOD_NOT_FOUND, error: Box::new(error) }
    }

    /// The same about the call with that id.
    pub(crate) fn with_id(mut self, id: Option<&str>) -> Self {
        if let Some(id) = id {
            self.id = id.to_owned().into();
        }
        self
    }
}

/// The answer with a result, which is JSON already; nothing stands for `null`.
pub(crate) fn success(id: &str, result: &[u8]) -> Vec<u8> {
    let result = if result.is_empty() { b"null" } else { result };
    let mut text = Vec::with_capacity(id.len() + result.len() + 48);
    text.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    text.extend_from_slice(id.as_bytes());
    text.extend_from_slice(br#","result":"#);
    text.extend_from_slice(result);
    text.push(b'}');
    text
}

/// The answer without one. Its data is the body that REST would send, with the seconds of `Retry-After`.
pub(crate) fn failure(fault: &Fault, request_id: &str) -> Vec<u8> {
    let error = &fault.error;
    let mut data = serde_json::to_value(error.body(request_id)).unwrap_or_default();
    if let Some(seconds) = error.seconds_to_wait() {
        data["retryAfter"] = seconds.into();
    }
    let error = json!({ "code": fault.code, "message": error.message, "data": data });
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, fault.id).into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn numbers_end_like_the_status() {
        let number = |code| Fault::of(ApiError::new(code, "")).code;
        for (code, expected) in [
            (ErrorCode::ValidationError, -32602),
            (ErrorCode::InvalidRequest, -32602),
            (ErrorCode::InternalError, -32603),
            (ErrorCode::Unauthorized, -32001),
            (ErrorCode::Forbidden, -32003),
            (ErrorCode::NotFound, -32004),
            (ErrorCode::Conflict, -32009),
            (ErrorCode::IdempotencyKeyReused, -32009),
            (ErrorCode::PayloadTooLarge, -32013),
            (ErrorCode::RateLimitExceeded, -32029),
            (ErrorCode::NotAvailable, -32051),
            (ErrorCode::Unavailable, -32053),
        ] {
            assert_eq!(number(code), expected, "{code:?}");
        }
    }

    #[test]
    fn a_failure_tells_what_rest_would() {
        let error = ApiError::new(ErrorCode::RateLimitExceeded, "slower").with_retry_after(7);
        let fault = Fault::of(error).with_id(Some("\"a\""));
        let answer: Value = serde_json::from_slice(&failure(&fault, "r1")).unwrap();
        let data = json!({ "error": "slower", "code": "RATE_LIMIT_EXCEEDED", "requestId": "r1", "retryAfter": 7 });
        let error = json!({ "code": -32029, "message": "slower", "data": data });
        assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": "a", "error": error }));
    }

    #[test]
    fn nothing_is_null() {
        assert_eq!(success("1", b""), br#"{"jsonrpc":"2.0","id":1,"result":null}"#);
        assert_eq!(success("\"x\"", br#"{"a":1}"#), br#"{"jsonrpc":"2.0","id":"x","result":{"a":1}}"#);
    }
}
