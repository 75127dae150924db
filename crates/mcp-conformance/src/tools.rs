//! Tools.

use std::time::Duration;

use portway_api::{McpClient, McpError};
use portway_domain::mcp::McpLogLevel;
use serde_json::{Map, Value, json};

use crate::Fixtures;
use crate::content;
use crate::dialogue::Turn;
use crate::dialogues;

/// How long a tool rests that does something for a while.
const REST: Duration = Duration::from_millis(50);

/// The tool that comes and goes.
const CHANGING: &str = "test_changing_tool";

/// All but the one that comes and goes, and what they do.
const TOOLS: [(&str, &str); 27] = [
    ("test_simple_text", "Says something"),
    ("test_image_content", "Shows a picture"),
    ("test_audio_content", "Plays a sound"),
    ("test_embedded_resource", "Has a resource in its answer"),
    ("test_multiple_content_types", "Has content of several types in its answer"),
    ("test_tool_with_logging", "Logs while it works"),
    ("test_tool_with_progress", "Tells its progress while it works"),
    ("test_error_handling", "Always fails"),
    ("test_sampling", "Has a model of the client's say something"),
    ("test_elicitation", "Has people fill in a form"),
    ("test_elicitation_sep1034_defaults", "Has people fill in a form that has defaults"),
    ("test_elicitation_sep1330_enums", "Has people choose in every way there is"),
    ("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features"),
    ("test_reconnection", "Takes a while"),
    ("test_missing_capability", "Needs a model of the client's"),
    ("test_streaming_elicitation", "Has people fill in a form while it works"),
    ("test_logging_tool", "Logs something"),
    ("test_trigger_tool_change", "Has a tool come or go"),
    ("test_trigger_prompt_change", "Has a prompt come or go"),
    ("test_input_required_result_elicitation", "Asks for a name"),
    ("test_input_required_result_sampling", "Asks a model for a capital"),
    ("test_input_required_result_list_roots", "Asks for roots"),
    ("test_input_required_result_request_state", "Asks, and has the client keep a state"),
    ("test_input_required_result_multiple_inputs", "Asks for several things at once"),
    ("test_input_required_result_multi_round", "Asks for one thing after the other"),
    ("test_input_required_result_tampered_state", "Refuses a state that was changed"),
    ("test_input_required_result_capabilities", "Asks for what the client can answer"),
];

impl Fixtures {
    /// All that are there at the moment.
    pub(crate) fn tools(&self) -> Vec<Value> {
        let changing = self.changes.has_tool().then_some((CHANGING, "Comes and goes"));
        let tool = |(name, description): (&str, &str)| json!({ "name": name, "description": description, "inputSchema": input(name) });
        TOOLS.into_iter().chain(changing).map(tool).collect()
    }

    /// The result of calling a tool, if it is one of these.
    pub(crate) async fn call(
        &self,
        params: &Map<String, Value>,
        client: &McpClient,
    ) -> Option<Result<Value, McpError>> {
        let name = params.get("name")?.as_str()?;
        if let Some(content) = content::of_tool(name) {
            return Some(Ok(json!({ "content": content })));
        }
        let arguments = params.get("arguments").unwrap_or(&Value::Null);
        if let Some(dialogue) = dialogues::of_tool(name, arguments, client) {
            let turn = dialogue.go_on(name, params, client, &self.states).await;
            return Some(turn.map(|turn| match turn {
                Turn::Over(text) => result(&text),
                Turn::Asking(result) => result,
            }));
        }
        self.work(name, client).await.map(Ok)
    }

    /// The result of a tool that does something.
    async fn work(&self, name: &str, client: &McpClient) -> Option<Value> {
        match name {
            "test_tool_with_logging" => self.log(client).await,
            "test_tool_with_progress" => self.tell_progress(client).await,
            "test_reconnection" => self.clock.sleep(2 * REST).await,
            "test_logging_tool" => client.log(McpLogLevel::Info, &json!("Something happened")),
            "test_trigger_tool_change" => self.changes.toggle_tool(),
            "test_trigger_prompt_change" => self.changes.toggle_prompt(),
            "test_error_handling" => {
                let content = content::text("This tool intentionally returns an error for testing");
                return Some(json!({ "isError": true, "content": [content] }));
            }
            CHANGING if self.changes.has_tool() => {}
            _ => return None,
        }
        Some(result("Done."))
    }

    async fn log(&self, client: &McpClient) {
        client.log(McpLogLevel::Info, &json!("Tool execution started"));
        for text in ["Tool processing data", "Tool execution completed"] {
            self.clock.sleep(REST).await;
            client.log(McpLogLevel::Info, &json!(text));
        }
    }

    async fn tell_progress(&self, client: &McpClient) {
        client.progress(0.0, Some(100.0));
        for progress in [50.0, 100.0] {
            self.clock.sleep(REST).await;
            client.progress(progress, Some(100.0));
        }
    }
}

fn result(text: &str) -> Value {
    json!({ "content": [content::text(text)] })
}

fn input(name: &str) -> Value {
    let text = |name: &str, description: &str| {
        let properties = json!({ name: { "type": "string", "description": description } });
        json!({ "type": "object", "properties": properties, "required": [name] })
    };
    match name {
        "test_sampling" => text("prompt", "What the model is told"),
        "test_elicitation" => text("message", "What people are told"),
        "json_schema_2020_12_tool" => every_keyword(),
        _ => json!({ "type": "object", "properties": {} }),
    }
}

/// A schema with the keywords that have to reach the client.
fn every_keyword() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}
