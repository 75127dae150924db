//! The Chat Completions API of OpenAI.

use serde_json::{Value, json};

use super::{End, Format, Turn, data, texts};

pub(super) struct ChatCompletions;

impl Format for ChatCompletions {
    fn serves(&self, path: &str) -> bool {
        path == "/v1/chat/completions"
    }

    fn credential(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    fn conversation(&self) -> &'static str {
        "messages"
    }

    fn tool_output(&self, messages: &[Value]) -> Option<String> {
        let result = messages.iter().rfind(|message| message["role"] == "tool")?;
        Some(texts(result).concat())
    }

    fn events(&self, number: usize, turn: &Turn<'_>) -> Vec<String> {
        if let End::Failure(code) = turn.end {
            return vec![data(&json!({"error": {"code": code, "message": "this model gave up"}}))];
        }
        let said = turn.text.iter().map(|piece| chunk(number, json!({"role": "assistant", "content": piece}), None));
        let mut events: Vec<String> = said.collect();
        if turn.end == End::Never {
            return events;
        }
        let reason = match turn.call {
            Some(call) => {
                let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
                let call =
                    json!({"index": 0, "id": format!("call-{number}"), "type": "function", "function": function});
                events.push(chunk(number, json!({"tool_calls": [call]}), None));
                "tool_calls"
            }
            None => "stop",
        };
        events.push(chunk(number, json!({}), Some(reason)));
        events.push("data: [DONE]\n\n".to_owned());
        events
    }
}

fn chunk(number: usize, delta: Value, finish: Option<&str>) -> String {
    data(&json!({
        "id": format!("completion-{number}"), "object": "chat.completion.chunk", "created": 1, "model": "fake-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }))
}
