//! One call over JSON-RPC, and what can become of it.

use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::client::error::{ApiError, refused, unreadable};
use crate::client::exit::Exit;
use crate::client::{ConnectError, Connection};

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// What was typed cannot be sent.
    #[error("{0}")]
    Usage(String),
    /// There is no way to the gateway.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The gateway answers, but not to the call.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The operation says no.
    #[error("{message} ({code})")]
    Refused {
        /// The gateway's words.
        message: String,
        /// The gateway's code.
        code: String,
    },
}

impl CallError {
    /// How the program ends with this error.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Connect(error) => error.exit(),
            Self::Api(error) => error.exit(),
            Self::Refused { code, .. } => match code.as_str() {
                "VALIDATION_ERROR" | "INVALID_REQUEST" | "PAYLOAD_TOO_LARGE" => Exit::Usage,
                "UNAVAILABLE" | "RATE_LIMIT_EXCEEDED" => Exit::Unreachable,
                "UNAUTHORIZED" => Exit::BadKey,
                "NOT_FOUND" => Exit::NotFound,
                _ => Exit::Failed,
            },
        }
    }
}

#[derive(Deserialize)]
struct Response {
    result: Option<Box<RawValue>>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    message: String,
    data: Option<FailureData>,
}

#[derive(Deserialize)]
struct FailureData {
    code: String,
}

/// Calls an operation; answers with its result as the gateway wrote it.
///
/// # Errors
/// [`CallError`] says what to do.
pub(super) async fn call(
    connection: &Connection,
    operation: &str,
    input: &Map<String, Value>,
    key: Option<&str>,
) -> Result<String, CallError> {
    let server = connection.server();
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": operation, "params": input });
    let mut request = connection.request(Method::POST, server.path(&["rpc"]))?.json(&message);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = connection.send(request).await?;
    let status = response.status();
    let body = connection.body(response, MAX_ANSWER).await?;
    if !status.is_success() {
        return Err(refused(server, status, &body).into());
    }
    match serde_json::from_slice(&body) {
        Ok(Response { error: Some(failure), .. }) => {
            let code = failure.data.map_or_else(|| "unknown".to_owned(), |data| data.code);
            if code == "UNAUTHORIZED" {
                return Err(ApiError::Unauthorized { server: server.to_string() }.into());
            }
            Err(CallError::Refused { message: failure.message, code })
        }
        Ok(Response { result, .. }) => Ok(result.map_or_else(|| "null".to_owned(), |result| result.get().to_owned())),
        Err(error) => Err(unreadable(server, &error.to_string()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_end_the_program_each_in_its_way() {
        let exit = |code: &str| CallError::Refused { message: String::new(), code: code.to_owned() }.exit().code();
        let codes = ["FORBIDDEN", "CONFLICT", "INTERNAL_ERROR"].map(exit);
        assert_eq!(codes, [1, 1, 1]);
        assert_eq!(["VALIDATION_ERROR", "UNAVAILABLE", "UNAUTHORIZED", "NOT_FOUND"].map(exit), [2, 3, 4, 5]);
    }
}
