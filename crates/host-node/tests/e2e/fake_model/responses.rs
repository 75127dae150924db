//! The Responses API of OpenAI.

use serde_json::{Value, json};

use super::{End, Format, ToolCall, Turn, event};

pub(super) struct Responses;

impl Format for Responses {
    fn serves(&self, path: &str) -> bool {
        path == "/v1/responses"
    }

    fn credential(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    fn conversation(&self) -> &'static str {
        "input"
    }

    fn tool_output(&self, messages: &[Value]) -> Option<String> {
        let output = messages.iter().rfind(|item| item["type"] == "function_call_output")?;
        output["output"].as_str().map(str::to_owned)
    }

    fn events(&self, number: usize, turn: &Turn<'_>) -> Vec<String> {
        let id = format!("response-{number}");
        let mut events = vec![event("response.created", json!({"response": {"id": id}}))];
        if let End::Failure(code) = turn.end {
            let error = json!({"code": code, "message": "this model gave up"});
            events.push(event("response.failed", json!({"response": {"id": id, "error": error}})));
            return events;
        }
        events.extend(begin_message(number, turn.text));
        if turn.end == End::Never {
            return events;
        }
        events.push(end_message(number, turn.text));
        events.extend(turn.call.map(|call| tool_call(number, call)));
        let usage = json!({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2});
        events.push(event("response.completed", json!({"response": {"id": id, "usage": usage}})));
        events
    }
}

fn begin_message(number: usize, pieces: &[&str]) -> Vec<String> {
    let mut events = vec![event("response.output_item.added", message(number, "in_progress", json!([])))];
    events.extend(pieces.iter().map(|piece| {
        let data =
            json!({"item_id": format!("message-{number}"), "output_index": 0, "content_index": 0, "delta": piece});
        event("response.output_text.delta", data)
    }));
    events
}

fn end_message(number: usize, pieces: &[&str]) -> String {
    let content = json!([{"type": "output_text", "text": pieces.concat(), "annotations": []}]);
    event("response.output_item.done", message(number, "completed", content))
}

fn message(number: usize, status: &str, content: Value) -> Value {
    json!({"output_index": 0, "item": {
        "type": "message", "id": format!("message-{number}"), "role": "assistant", "status": status, "content": content,
    }})
}

fn tool_call(number: usize, call: &ToolCall) -> String {
    let mut item = json!({
        "type": "function_call", "id": format!("item-{number}"), "call_id": format!("call-{number}"),
        "name": call.name, "arguments": call.arguments.to_string(),
    });
    // Tools of others come in groups.
    if let Some((group, name)) = call.name.split_once('.') {
        item["namespace"] = json!(group);
        item["name"] = json!(name);
    }
    event("response.output_item.done", json!({"output_index": 1, "item": item}))
}
