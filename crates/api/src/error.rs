//! The one error of all surfaces, its closed list of codes, and the single mapping from what services say.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use portway_services::error::Error;
use schemars::JsonSchema;
use serde::Serialize;

/// Seconds after which a caller with too many sessions may try again; sessions end on their own time.
const QUOTA_RETRY_SECONDS: u32 = 30;

/// Seconds after which a caller that met a full queue may try again.
const QUEUE_RETRY_SECONDS: u32 = 5;

/// What went wrong, for programs. The list is closed: a code is never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// There is no such thing or path, or the caller may not know of it.
    NotFound,
    /// The path exists, but not with this method.
    MethodNotAllowed,
    /// No valid token was presented.
    Unauthorized,
    /// The caller is known, and may not.
    Forbidden,
    /// A field is missing or has a value that cannot be used.
    ValidationError,
    /// The request cannot be read at all.
    InvalidRequest,
    /// The body is larger than the operation takes.
    PayloadTooLarge,
    /// The session has ended.
    SessionTerminated,
    /// Too many sessions are open.
    SessionQuotaExceeded,
    /// Too many requests, or a queue is full.
    RateLimitExceeded,
    /// The state of things does not allow it now.
    Conflict,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// It may work later.
    Unavailable,
    /// This installation does not offer it.
    NotAvailable,
    /// A fault of the gateway.
    InternalError,
}

impl ErrorCode {
    /// The status that goes with the code unless the error says otherwise.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::ValidationError | Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SessionTerminated | Self::Conflict | Self::IdempotencyKeyReused => StatusCode::CONFLICT,
            Self::SessionQuotaExceeded | Self::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotAvailable => StatusCode::NOT_IMPLEMENTED,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// One field that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// Path of the field as it is written on the wire, such as `config.timeout` or `items[0].name`.
    pub field: String,
    /// What is expected.
    pub message: String,
}

/// More about an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Details {
    /// Every field that was found wrong.
    Fields {
        /// The fields.
        fields: Vec<FieldError>,
    },
}

/// How many sessions are open and may be; stands beside `error` in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// How many are open.
    pub active_count: u32,
    /// How many may be.
    pub limit: u32,
}

/// The body of every response that is not a success.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Error")]
pub struct ErrorBody<'a> {
    /// What went wrong, for people.
    pub error: &'a str,
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<&'a Details>,
    /// Id of the request, to find it in the log.
    pub request_id: &'a str,
    /// How many sessions are open and may be; with `SESSION_QUOTA_EXCEEDED` only.
    #[serde(flatten)]
    pub quota: Option<Quota>,
    /// The session's status, where that is why; with `UNAVAILABLE` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
}

/// Why a request was not carried out, ready for every surface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The status of the response.
    pub status: StatusCode,
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong, for people.
    pub message: Cow<'static, str>,
    /// More about it.
    pub details: Option<Details>,
    /// When to try again, in seconds. Responses 429 and 503 always say it; without a value they say one second.
    pub retry_after: Option<u32>,
    /// How many sessions are open and may be.
    pub quota: Option<Quota>,
    /// The session's status, where that is why.
    pub session_status: Option<&'static str>,
    /// What only the log is told.
    internal: Option<String>,
}

impl ApiError {
    /// An error with the status of its code.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: code.status(),
            code,
            message: message.into(),
            details: None,
            retry_after: None,
            quota: None,
            session_status: None,
            internal: None,
        }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with the time after which to try again, in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// One field has a value that cannot be used.
    #[must_use]
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// Several fields have values that cannot be used; the first one is named in the message.
    #[must_use]
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let message = match fields.first() {
            Some(FieldError { field, message }) if field.is_empty() => message.clone(),
            Some(FieldError { field, message }) => format!("{field}: {message}"),
            None => "the input cannot be used".to_owned(),
        };
        let mut error = Self::new(ErrorCode::ValidationError, message);
        error.details = Some(Details::Fields { fields });
        error
    }

    /// The request cannot be read.
    #[must_use]
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// The body is larger than `limit` bytes.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(ErrorCode::PayloadTooLarge, format!("the request body is larger than {limit} bytes"))
    }

    /// No valid token was presented.
    #[must_use]
    pub fn unauthorized() -> Self {
        Error::Unauthorized.into()
    }

    /// There is nothing under this path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "Not found")
    }

    /// A fault of ours: the caller learns nothing, the log gets `reason`.
    #[must_use]
    pub fn internal(reason: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorCode::InternalError, "Internal server error");
        error.internal = Some(reason.into());
        error
    }

    /// What only the log is told.
    #[must_use]
    pub fn internal_reason(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// The body to send, for any surface.
    #[must_use]
    pub fn body<'a>(&'a self, request_id: &'a str) -> ErrorBody<'a> {
        ErrorBody {
            error: &self.message,
            code: self.code,
            details: self.details.as_ref(),
            request_id,
            quota: self.quota,
            status: self.session_status,
        }
    }

    /// When to try again, in seconds, where a response says so.
    pub(crate) fn seconds_to_wait(&self) -> Option<u32> {
        let must_wait = matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        self.retry_after.or(must_wait.then_some(1))
    }

    /// Writes what only the log is told, if anything, together with the id of the request.
    pub fn log(&self, request_id: &str) {
        if let Some(reason) = &self.internal {
            tracing::error!(request_id, reason, "internal error");
        }
    }

    /// The response over HTTP. Writes the log first.
    #[must_use]
    pub fn into_response(self, request_id: &str) -> Response {
        self.log(request_id);
        let body = serde_json::to_vec(&self.body(request_id)).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.seconds_to_wait() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Unauthorized => ErrorCode::Unauthorized,
            Error::Forbidden(_) => ErrorCode::Forbidden,
            Error::NotFound { .. } => ErrorCode::NotFound,
            Error::Invalid { .. } => ErrorCode::ValidationError,
            Error::SessionEnded { .. } => ErrorCode::SessionTerminated,
            Error::Conflict(_) => ErrorCode::Conflict,
            Error::IdempotencyKeyReused => ErrorCode::IdempotencyKeyReused,
            Error::SessionQuota { .. } | Error::ChildQuota { .. } => ErrorCode::SessionQuotaExceeded,
            Error::TooMany(_) => ErrorCode::RateLimitExceeded,
            Error::NotAvailable(_) => ErrorCode::NotAvailable,
            Error::SandboxAway { .. } | Error::Unavailable { .. } => ErrorCode::Unavailable,
            Error::Internal(_) => ErrorCode::InternalError,
        };
        let text = error.to_string();
        match error {
            Error::Internal(reason) => Self::internal(reason),
            Error::Invalid { field, message } => Self::field(field, message),
            Error::Unavailable { retry_after, .. } => Self::new(code, text).with_retry_after(retry_after),
            Error::SandboxAway { status } => {
                let mut mapped = Self::new(code, text);
                mapped.session_status = Some(status);
                mapped
            }
            Error::TooMany(_) => Self::new(code, text).with_retry_after(QUEUE_RETRY_SECONDS),
            Error::SessionQuota { active, limit } | Error::ChildQuota { live: active, limit } => {
                let mut mapped = Self::new(code, text).with_retry_after(QUOTA_RETRY_SECONDS);
                mapped.quota = Some(Quota { active_count: active, limit });
                mapped
            }
            _ => Self::new(code, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_stands_beside_the_message() {
        let error = ApiError::from(Error::SessionQuota { active: 10, limit: 10 });
        let body = serde_json::to_value(error.body("r1")).unwrap();
        assert_eq!(error.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            body,
            serde_json::json!({
                "error": "Too many active sessions: 10 of 10. Terminate one first",
                "code": "SESSION_QUOTA_EXCEEDED",
                "requestId": "r1",
                "activeCount": 10,
                "limit": 10,
            })
        );
    }

    #[test]
    fn the_status_of_a_session_stands_beside_the_message() {
        let error = ApiError::from(Error::SandboxAway { status: "hibernated" });
        let body = serde_json::to_value(error.body("r1")).unwrap();
        assert_eq!((&body["status"], &body["code"]), (&"hibernated".into(), &"UNAVAILABLE".into()));
    }

    #[test]
    fn an_internal_reason_stays_inside() {
        let error = ApiError::from(Error::Internal("secret table broke".into()));
        assert_eq!(error.internal_reason(), Some("secret table broke"));
        let body = serde_json::to_string(&error.body("r1")).unwrap();
        assert_eq!(body, r#"{"error":"Internal server error","code":"INTERNAL_ERROR","requestId":"r1"}"#);
    }

    #[test]
    fn every_error_of_the_services_has_its_status() {
        let cases = [
            (Error::Unauthorized, 401),
            (Error::Forbidden("Admin access required"), 403),
            (Error::NotFound { resource: "Session", id: "s1".into() }, 404),
            (Error::Invalid { field: "title".into(), message: "too long".into() }, 400),
            (Error::SessionEnded { status: "archived" }, 409),
            (Error::Conflict("busy".into()), 409),
            (Error::IdempotencyKeyReused, 409),
            (Error::ChildQuota { live: 10, limit: 10 }, 429),
            (Error::TooMany("queue full"), 429),
            (Error::SandboxAway { status: "hibernated" }, 503),
            (Error::NotAvailable("nobody does that".into()), 501),
            (Error::Unavailable { message: "later".into(), retry_after: 7 }, 503),
            (Error::Internal("x".into()), 500),
        ];
        for (error, status) in cases {
            let message = error.to_string();
            let response = ApiError::from(error).into_response("r1");
            assert_eq!(response.status().as_u16(), status, "{message}");
            let waits = response.headers().contains_key(RETRY_AFTER);
            assert_eq!(waits, matches!(status, 429 | 503), "{message}");
        }
    }
}
