//! Why a call of the gateway came to nothing, and how the program ends with it.

use portway_domain::ids::SessionId;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::client::exit::Exit;
use crate::client::server::Server;

/// The code of a gateway that opens no more sessions for a user.
const QUOTA: &str = "SESSION_QUOTA_EXCEEDED";

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nothing answers, or not in time.
    #[error("No gateway answers at {server}. Start one with `portway serve`, or name another with --server ({detail})")]
    Unreachable {
        /// Who was asked.
        server: String,
        /// What happened.
        detail: String,
    },
    /// The gateway does not take the key.
    #[error(
        "The gateway at {server} does not know this key. Set PORTWAY_KEY to one of its keys, or --data to its data folder"
    )]
    Unauthorized {
        /// Who was asked.
        server: String,
    },
    /// There is no such session for this key.
    #[error("There is no session {0} that this key may use")]
    NoSession(String),
    /// The gateway said no.
    #[error("{message} ({code})")]
    Refused {
        /// Status of the response.
        status: u16,
        /// The gateway's code, or the status in words.
        code: String,
        /// The gateway's words.
        message: String,
    },
    /// The answer makes no sense.
    #[error("The answer of {server} cannot be read: {detail}. Is it a Portway gateway?")]
    Unreadable {
        /// Who was asked.
        server: String,
        /// Why.
        detail: String,
    },
    /// The address of the gateway is of no use.
    #[error("{0} is no address of a gateway: expected one like http://127.0.0.1:8787")]
    Address(String),
}

impl ApiError {
    /// How the program ends with this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Unauthorized { .. } => Exit::BadKey,
            Self::Address(_) => Exit::Usage,
            Self::Refused { status, .. } if is_passing(*status) => Exit::Unreachable,
            Self::NoSession(_) | Self::Refused { .. } | Self::Unreadable { .. } => Exit::Failed,
        }
    }

    /// Whether the same request may work in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => is_passing(*status),
            _ => false,
        }
    }

    /// Whether the user has as many sessions as the gateway allows.
    pub(crate) fn is_quota(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == QUOTA)
    }
}

/// Statuses of a gateway, or of a proxy before it, that will pass.
fn is_passing(status: u16) -> bool {
    matches!(status, 502..=504)
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    code: Option<String>,
}

/// Nothing answers; the deepest cause says why best.
pub(crate) fn unreachable(server: &Server, error: &reqwest::Error) -> ApiError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    ApiError::Unreachable { server: server.to_string(), detail: cause.to_string() }
}

/// The answer makes no sense.
pub(crate) fn unreadable(server: &Server, detail: &str) -> ApiError {
    ApiError::Unreadable { server: server.to_string(), detail: detail.to_owned() }
}

/// What a response that is no success means.
pub(crate) fn refused(server: &Server, status: StatusCode, body: &[u8]) -> ApiError {
    if status == StatusCode::UNAUTHORIZED {
        return ApiError::Unauthorized { server: server.to_string() };
    }
    let name = status.canonical_reason().unwrap_or("unknown status");
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => ApiError::Refused {
            status: status.as_u16(),
            code: refusal.code.unwrap_or_else(|| name.to_owned()),
            message: refusal.error,
        },
        Err(_) => ApiError::Refused {
            status: status.as_u16(),
            code: name.to_owned(),
            message: format!("{server} answered {}", status.as_u16()),
        },
    }
}

/// What a failure means where a session was asked for.
pub(crate) fn of_session(error: ApiError, id: &SessionId) -> ApiError {
    match error {
        ApiError::Refused { status: 404, .. } => ApiError::NoSession(id.to_string()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server::parse("http://127.0.0.1:8787/").unwrap()
    }

    fn status(code: u16, body: &str) -> ApiError {
        refused(&server(), StatusCode::from_u16(code).unwrap(), body.as_bytes())
    }

    #[test]
    fn each_refusal_ends_the_program_in_its_way() {
        let gone = r#"{"error":"Session not found","code":"NOT_FOUND","requestId":"r"}"#;
        let id = SessionId::parse("s1").unwrap();
        assert_eq!(of_session(status(404, gone), &id), ApiError::NoSession("s1".to_owned()));
        let key = status(401, r#"{"error":"no","code":"UNAUTHORIZED"}"#);
        assert_eq!(key.exit(), Exit::BadKey);
        assert!(key.to_string().contains("PORTWAY_KEY"), "{key}");
        let forbidden = status(403, r#"{"error":"Only on this machine","code":"FORBIDDEN"}"#);
        assert_eq!(forbidden.to_string(), "Only on this machine (FORBIDDEN)");
        assert_eq!(forbidden.exit(), Exit::Failed);
        assert!(!forbidden.is_passing());
        let quota = status(429, r#"{"error":"Too many","code":"SESSION_QUOTA_EXCEEDED","limit":10}"#);
        assert!(quota.is_quota() && !forbidden.is_quota());
        assert_eq!(status(500, "oops").to_string(), "http://127.0.0.1:8787 answered 500 (Internal Server Error)");
    }

    #[test]
    fn what_will_pass_is_tried_again() {
        for code in [502, 503, 504] {
            assert!(status(code, "").is_passing(), "{code}");
        }
        for code in [400, 401, 404, 409, 429, 500] {
            assert!(!status(code, "").is_passing(), "{code}");
        }
    }
}
