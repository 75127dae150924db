//! The `streamGenerateContent` method of Gemini.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{End, Format, Turn, data};

pub(super) struct GenerateContent;

impl Format for GenerateContent {
    fn serves(&self, path: &str) -> bool {
        path.ends_with(":streamGenerateContent") || path.ends_with(":generateContent")
    }

    fn credential(&self, key: &str) -> (&'static str, String) {
        ("x-goog-api-key", key.to_owned())
    }

    fn conversation(&self) -> &'static str {
        "contents"
    }

    fn tool_output(&self, messages: &[Value]) -> Option<String> {
        let parts = messages.iter().filter_map(|message| message["parts"].as_array()).flatten();
        let response = parts.map(|part| &part["functionResponse"]["response"]).rfind(|response| !response.is_null())?;
        Some(response.to_string())
    }

    fn events(&self, _: usize, turn: &Turn<'_>) -> Vec<String> {
        let said = turn.text.iter().map(|piece| chunk(json!({"text": piece}), None));
        let mut events: Vec<String> = said.collect();
        match turn.end {
            End::Never => {}
            End::Failure(code) => {
                events.push(data(&json!({"error": {"code": 500, "message": "this model gave up", "status": code}})))
            }
            End::Complete => {
                let part = match turn.call {
                    Some(call) => json!({"functionCall": {"name": call.name, "args": call.arguments}}),
                    None => json!({"text": ""}),
                };
                events.push(chunk(part, Some("STOP")));
            }
        }
        events
    }

    fn error(&self, status: StatusCode, message: &str) -> Value {
        json!({"error": {"code": status.as_u16(), "message": message, "status": "FAILED_PRECONDITION"}})
    }
}

fn chunk(part: Value, finish: Option<&str>) -> String {
    data(&json!({
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": finish}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
        "modelVersion": "fake-1",
    }))
}
