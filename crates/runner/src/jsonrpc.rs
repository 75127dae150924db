//! JSON-RPC 2.0 messages, one per line.

use serde_json::{Map, Value, json};

/// The method is not known.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters are wrong.
pub(crate) const INVALID_PARAMS: i64 = -32602;
/// Something failed inside.
pub(crate) const INTERNAL_ERROR: i64 = -32603;
/// ACP: log in first.
pub(crate) const AUTH_REQUIRED: i64 = -32000;
/// ACP: there is no such file.
pub(crate) const RESOURCE_NOT_FOUND: i64 = -32002;

/// A message that arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Incoming {
    /// Wants an answer under exactly this id.
    Request { id: Value, method: String, params: Value },
    /// Wants none.
    Notification { method: String, params: Value },
    /// Answers the request of that number.
    Response { id: u64, outcome: Result<Value, RpcError> },
}

/// An error as JSON-RPC has it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message} ({code})")]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn method_not_found(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, format!("Unknown method: {method}"))
    }
}

/// The messages of a line (several if it is a batch), or `None` if it is no JSON at all. What is JSON but no
/// message is left out.
pub(crate) fn parse(line: &[u8]) -> Option<Vec<Incoming>> {
    // Broken characters inside a text are no reason to lose the message.
    let text = String::from_utf8_lossy(line);
    match serde_json::from_str(&text).ok()? {
        Value::Array(batch) => Some(batch.into_iter().filter_map(message).collect()),
        single @ Value::Object(_) => Some(message(single).into_iter().collect()),
        _ => None,
    }
}

fn message(value: Value) -> Option<Incoming> {
    let Value::Object(mut fields) = value else {
        return None;
    };
    let id = fields.remove("id").filter(|id| !id.is_null());
    let Some(Value::String(method)) = fields.remove("method") else {
        return response(id?, fields);
    };
    let params = fields.remove("params").unwrap_or(Value::Null);
    Some(match id {
        Some(id) => Incoming::Request { id, method, params },
        None => Incoming::Notification { method, params },
    })
}

fn response(id: Value, mut fields: Map<String, Value>) -> Option<Incoming> {
    let id = match id {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    let outcome = match fields.remove("error").filter(|error| !error.is_null()) {
        Some(error) => Err(rpc_error(&error)),
        None => Ok(fields.remove("result").unwrap_or(Value::Null)),
    };
    Some(Incoming::Response { id, outcome })
}

fn rpc_error(error: &Value) -> RpcError {
    let message = error["message"].as_str().unwrap_or("unknown error");
    // Many agents say "Internal error" and put what happened into the data.
    let details = error["data"]
        .as_str()
        .or_else(|| error["data"]["details"].as_str())
        .or_else(|| error["data"]["message"].as_str());
    RpcError::new(
        error["code"].as_i64().unwrap_or(INTERNAL_ERROR),
        match details {
            Some(details) if details != message => format!("{message}: {details}"),
            _ => message.to_owned(),
        },
    )
}

pub(crate) fn request(id: u64, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

pub(crate) fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

/// The answer to the request with that id.
pub(crate) fn answer(id: &Value, outcome: Result<Value, RpcError>) -> String {
    match outcome {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(RpcError { code, message }) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        }
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Incoming {
        let mut messages = parse(text.as_bytes()).unwrap();
        assert_eq!(messages.len(), 1, "{text}");
        messages.remove(0)
    }

    #[test]
    fn the_id_zero_and_text_ids_are_requests_and_are_echoed() {
        for id in [json!(0), json!("a-7"), json!(-3)] {
            let text = json!({"jsonrpc":"2.0","id":id,"method":"m"}).to_string();
            let Incoming::Request { id: got, .. } = one(&text) else {
                panic!("no request: {text}");
            };
            assert_eq!(got, id);
            let echoed: Value = serde_json::from_str(&answer(&got, Ok(json!({})))).unwrap();
            assert_eq!(echoed["id"], id);
        }
    }

    #[test]
    fn a_null_id_wants_no_answer() {
        assert!(matches!(
            one(r#"{"id":null,"method":"_vendor/hello","params":{"x":1}}"#),
            Incoming::Notification { .. }
        ));
    }

    #[test]
    fn responses_are_matched_by_number_even_as_text() {
        assert_eq!(one(r#"{"id":"4","result":null}"#), Incoming::Response { id: 4, outcome: Ok(Value::Null) });
        let Incoming::Response { outcome: Err(error), .. } =
            one(r#"{"id":4,"error":{"code":-32603,"message":"Internal error","data":{"details":"no key"}}}"#)
        else {
            panic!("no error");
        };
        assert_eq!(error.message, "Internal error: no key");
    }

    #[test]
    fn garbage_is_told_from_json_that_is_no_message() {
        assert_eq!(parse(b"Welcome to agent 1.0!"), None);
        assert_eq!(parse(b"42"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(br#"{"hello":1}"#), Some(vec![]));
        assert_eq!(parse(br#"[{"method":"a"},{"method":"b"}]"#).map(|all| all.len()), Some(2));
    }

    #[test]
    fn broken_characters_do_not_cost_the_message() {
        let line = b"{\"method\":\"m\",\"params\":\"a\xffb\"}";
        let messages = parse(line).unwrap();
        assert_eq!(messages, [Incoming::Notification { method: "m".into(), params: json!("a\u{fffd}b") }]);
    }
}
