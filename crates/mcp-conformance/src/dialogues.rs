//! What features ask their clients for.

use portway_api::McpClient;
use serde_json::{Map, Value, json};

use crate::dialogue::Dialogue;
use crate::input::Input;

/// What a tool asks for, if it asks for anything.
pub(crate) fn of_tool(name: &str, arguments: &Value, client: &McpClient) -> Option<Dialogue> {
    let argument = |name: &str| arguments[name].as_str().unwrap_or_default();
    Some(match name {
        "test_missing_capability" => once(vec![Input::sampling("said", "Say something", 10)], said),
        "test_sampling" => once(vec![Input::sampling("said", argument("prompt"), 100)], said),
        "test_elicitation" => once(vec![Input::form("filled", argument("message"), person())], responded),
        "test_elicitation_sep1034_defaults" => once(vec![Input::form("filled", "Look it over", defaults())], completed),
        "test_elicitation_sep1330_enums" => once(vec![Input::form("filled", "Choose", choices())], completed),
        "test_streaming_elicitation" => once(vec![Input::field("filled", "Anything else?", "more")], completed),
        "test_input_required_result_elicitation" => once(vec![name_input()], greeted),
        "test_input_required_result_sampling" => {
            once(vec![Input::sampling("capital_question", "What is the capital of France?", 100)], told)
        }
        "test_input_required_result_list_roots" => once(vec![Input::roots("client_roots")], told),
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            with_state(vec![vec![confirmation()]], |_| "state-ok".to_owned())
        }
        "test_input_required_result_multiple_inputs" => {
            let greeting = Input::sampling("greeting", "Generate a greeting", 50);
            with_state(vec![vec![name_input(), greeting, Input::roots("client_roots")]], told)
        }
        "test_input_required_result_multi_round" => {
            let color = Input::field("step2", "Step 2: What is your favorite color?", "color");
            with_state(vec![vec![Input::field("step1", "Step 1: What is your name?", "name")], vec![color]], told)
        }
        "test_input_required_result_capabilities" => once(supported(client), told),
        _ => return None,
    })
}

/// What the prompt asks for that asks for anything.
pub(crate) fn of_prompt() -> Dialogue {
    once(vec![Input::field("user_context", "What context should the prompt use?", "context")], |answers| {
        format!("Use this context: {}", answers["user_context"]["content"]["context"].as_str().unwrap_or_default())
    })
}

fn once(inputs: Vec<Input>, ending: fn(&Map<String, Value>) -> String) -> Dialogue {
    Dialogue { rounds: vec![inputs], has_state: false, ending }
}

fn with_state(rounds: Vec<Vec<Input>>, ending: fn(&Map<String, Value>) -> String) -> Dialogue {
    Dialogue { rounds, has_state: true, ending }
}

/// As much as the client can answer; all if it can answer nothing, so that it learns what is missing.
fn supported(client: &McpClient) -> Vec<Input> {
    let all = vec![Input::sampling("greeting", "Generate a greeting", 50), name_input(), Input::roots("client_roots")];
    let can = |input: &&Input| client.supports(input.capability);
    let supported: Vec<Input> = all.iter().filter(can).cloned().collect();
    if supported.is_empty() { all } else { supported }
}

fn name_input() -> Input {
    Input::field("user_name", "What is your name?", "name")
}

fn confirmation() -> Input {
    let ok = json!({ "ok": { "type": "boolean" } });
    Input::form("confirm", "Please confirm", json!({ "type": "object", "properties": ok, "required": ["ok"] }))
}

fn person() -> Value {
    json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
        "required": ["username", "email"],
    })
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
    })
}

fn choices() -> Value {
    let titled = |titles: [&str; 3]| {
        let choice = |(at, title): (usize, &str)| json!({ "const": format!("value{}", at + 1), "title": title });
        titles.into_iter().enumerate().map(choice).collect::<Vec<_>>()
    };
    let plain = json!(["option1", "option2", "option3"]);
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": plain },
            "titledSingle": { "type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"]) },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
            "titledMulti": {
                "type": "array",
                "items": { "anyOf": titled(["First Choice", "Second Choice", "Third Choice"]) },
            },
        },
    })
}

fn said(answers: &Map<String, Value>) -> String {
    format!("LLM response: {}", answers["said"]["content"]["text"].as_str().unwrap_or_default())
}

fn responded(answers: &Map<String, Value>) -> String {
    let filled = &answers["filled"];
    format!("User response: action: {}, content: {}", action(filled), filled["content"])
}

fn completed(answers: &Map<String, Value>) -> String {
    let filled = &answers["filled"];
    format!("Elicitation completed: action={}, content={}", action(filled), filled["content"])
}

fn greeted(answers: &Map<String, Value>) -> String {
    match answers["user_name"]["content"]["name"].as_str() {
        Some(name) => format!("Hello, {name}!"),
        None => "Hello!".to_owned(),
    }
}

fn told(answers: &Map<String, Value>) -> String {
    format!("You told: {}", Value::Object(answers.clone()))
}

fn action(filled: &Value) -> &str {
    filled["action"].as_str().unwrap_or_default()
}
