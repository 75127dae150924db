//! What has to be known of a message to pass it on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// A message of the client.
#[derive(Debug)]
pub(super) struct Message {
    value: Value,
}

impl Message {
    /// Reads a line.
    ///
    /// # Errors
    /// The answer to a line that is no message.
    pub(super) fn read(line: &[u8]) -> Result<Self, Value> {
        let unreadable = |code: i32, message: &str| json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
        match serde_json::from_slice::<Value>(line) {
            Ok(value) if value.is_object() => Ok(Self { value }),
            Ok(_) => Err(unreadable(-32600, "expected a message: this protocol has no batches")),
            Err(error) => Err(unreadable(-32700, &format!("the line is not valid JSON: {error}"))),
        }
    }

    /// What its answer is known by; `None` of a message that has no answer.
    pub(super) fn id(&self) -> Option<&Value> {
        self.value.get("id").filter(|_| self.method().is_some())
    }

    pub(super) fn method(&self) -> Option<&str> {
        self.value["method"].as_str()
    }

    /// The request that the client does not want answered any more, if the message says so.
    pub(super) fn cancels(&self) -> Option<String> {
        let is_cancelled = self.method() == Some("notifications/cancelled");
        is_cancelled.then(|| self.value["params"]["requestId"].to_string())
    }

    /// The revision that the message says it is written in: that of a client without a session.
    pub(super) fn revision(&self) -> Option<&str> {
        self.value["params"]["_meta"][PROTOCOL_VERSION].as_str()
    }

    /// What it is about, where a header says that too.
    pub(super) fn name(&self) -> Option<&str> {
        match self.method()? {
            "tools/call" | "prompts/get" => self.value["params"]["name"].as_str(),
            "resources/read" => self.value["params"]["uri"].as_str(),
            _ => None,
        }
    }

    /// The message as it is sent.
    pub(super) fn text(&self) -> String {
        self.value.to_string()
    }

    /// The answer that it has none, if it should have one.
    pub(super) fn failure(&self, code: i32, message: &str) -> Option<Value> {
        let id = self.id()?;
        Some(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
    }
}

/// A text in a header: as it stands, or in Base64 where a header cannot say it.
pub(super) fn header(text: &str) -> Option<HeaderValue> {
    let is_plain =
        text.bytes().all(|b| matches!(b, 0x20..=0x7e)) && text.trim() == text && !text.starts_with("=?base64?");
    let text = if is_plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) };
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_message() {
        assert_eq!(Message::read(b"{").unwrap_err()["error"]["code"], -32700);
        assert_eq!(Message::read(b"[]").unwrap_err()["error"]["code"], -32600);
        let call = Message::read(br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#).unwrap();
        assert_eq!((call.id(), call.name()), (Some(&json!(1)), Some("a")));
        assert_eq!(call.failure(-1, "no").unwrap()["id"], 1);
        let answer = Message::read(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#).unwrap();
        assert!(answer.id().is_none() && answer.failure(-1, "no").is_none());
        let cancel = br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}"#;
        assert_eq!(Message::read(cancel).unwrap().cancels().as_deref(), Some("\"x\""));
    }

    #[test]
    fn headers_carry_any_text() {
        for (text, sent) in [
            ("a b", "a b"),
            ("ü", "=?base64?w7w=?="),
            (" a", "=?base64?IGE=?="),
            ("=?base64?x", "=?base64?PT9iYXNlNjQ/eA==?="),
        ] {
            assert_eq!(header(text).unwrap(), sent);
        }
    }
}
