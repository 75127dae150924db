//! The Messages API of Anthropic.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{End, Format, ToolCall, Turn, event, texts};

pub(super) struct Messages;

impl Format for Messages {
    fn serves(&self, path: &str) -> bool {
        path == "/v1/messages"
    }

    fn credential(&self, key: &str) -> (&'static str, String) {
        ("x-api-key", key.to_owned())
    }

    fn conversation(&self) -> &'static str {
        "messages"
    }

    fn tool_output(&self, messages: &[Value]) -> Option<String> {
        let mut blocks = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
        let result = blocks.rfind(|block| block["type"] == "tool_result")?;
        Some(texts(result).concat())
    }

    fn events(&self, number: usize, turn: &Turn<'_>) -> Vec<String> {
        if let End::Failure(code) = turn.end {
            return vec![event("error", json!({"error": {"type": code, "message": "this model gave up"}}))];
        }
        let mut events = vec![event("message_start", json!({"message": start(number)}))];
        // Agents take an empty block for something that was said.
        let blocks = usize::from(!turn.text.is_empty());
        if blocks > 0 {
            events.push(begin_block(0, json!({"type": "text", "text": ""})));
            events.extend(turn.text.iter().map(|piece| delta(0, json!({"type": "text_delta", "text": piece}))));
            if turn.end == End::Never {
                return events;
            }
            events.push(end_block(0));
        }
        events.extend(turn.call.into_iter().flat_map(|call| tool_use(blocks, number, call)));
        let reason = if turn.call.is_some() { "tool_use" } else { "end_turn" };
        let end = json!({"stop_reason": reason, "stop_sequence": null});
        events.push(event("message_delta", json!({"delta": end, "usage": {"output_tokens": 1}})));
        events.push(event("message_stop", json!({})));
        events
    }

    fn error(&self, _: StatusCode, message: &str) -> Value {
        json!({"type": "error", "error": {"type": "api_error", "message": message}})
    }
}

fn start(number: usize) -> Value {
    json!({
        "id": format!("message-{number}"), "type": "message", "role": "assistant", "model": "fake-1", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    })
}

fn begin_block(index: usize, block: Value) -> String {
    event("content_block_start", json!({"index": index, "content_block": block}))
}

fn end_block(index: usize) -> String {
    event("content_block_stop", json!({"index": index}))
}

fn delta(index: usize, delta: Value) -> String {
    event("content_block_delta", json!({"index": index, "delta": delta}))
}

fn tool_use(index: usize, number: usize, call: &ToolCall) -> [String; 3] {
    let block = json!({"type": "tool_use", "id": format!("call-{number}"), "name": call.name, "input": {}});
    let arguments = json!({"type": "input_json_delta", "partial_json": call.arguments.to_string()});
    [begin_block(index, block), delta(index, arguments), end_block(index)]
}
