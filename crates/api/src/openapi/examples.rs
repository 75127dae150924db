//! Values as a gateway writes them, for fields and parameters.

use serde_json::{Value, json};

const SESSION: &str = "01a22721-325b-7001-b15b-f07b91f26b10";
const USER: &str = "01a22721-2a89-7000-9a12-5410c1a15335";
const MESSAGE: &str = "01a22721-32b8-7001-a69d-671493e9837b";
const LINK: &str = "01a22721-3aa7-7001-beca-df054fc3e3f5";
const TOKEN: &str = "7a06f7c7b25ec3c8b462e626597f2e1ba81f07eedc02ed14";

/// The value of a parameter or a field that is sent, by its name.
fn of_input(name: &str) -> Option<Value> {
    Some(match name {
        "id" | "sessionId" => json!(SESSION),
        "userId" => json!(USER),
        "messageId" => json!(MESSAGE),
        "questionId" => json!(format!("{MESSAGE}.q1")),
        "attachmentId" => json!(format!("{MESSAGE}.1")),
        "linkId" => json!(LINK),
        "workspace" => json!("website"),
        "title" => json!("Login page"),
        "email" => json!("ada@example.com"),
        "content" => json!("Why does the login page flicker?"),
        "q" | "query" => json!("login"),
        _ => return None,
    })
}

/// The value of a field that only that row or schema has, or has in another way.
fn of_owner(owner: &str, name: &str) -> Option<Value> {
    Some(match (owner, name) {
        ("api_keys.create", "name") => json!("nightly build"),
        ("sessions.close_tunnel", "name") => json!("preview"),
        ("sessions.join", "token") => json!(TOKEN),
        ("sessions.bulk_delete", "sessionIds") => json!([SESSION]),
        ("sessions.socket", "role") => json!("client"),
        ("questions.answer", "answer") => json!("allow-once"),
        ("SessionView" | "DetailView", "status") => json!("running"),
        ("MessageView", "role") => json!("user"),
        ("Error", "error") => json!("Session not found"),
        _ => return None,
    })
}

/// Gives an example to every property of a body whose value is known.
pub(super) fn add_to_body(row: &str, body: &mut Value) {
    add(body, |name| of_owner(row, name).or_else(|| of_input(name)));
}

/// Gives an example to every property of that schema whose value is known.
pub(super) fn add_to_schema(name: &str, schema: &mut Value) {
    add(schema, |property| of_owner(name, property));
}

fn add(schema: &mut Value, example: impl Fn(&str) -> Option<Value>) {
    for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let (Some(example), Some(property)) = (example(name), property.as_object_mut()) {
            property.insert("examples".to_owned(), json!([example]));
        }
    }
}

/// Gives a parameter of that row an example, if its value is known.
pub(super) fn add_to_parameter(row: &str, parameter: &mut Value) {
    let name = parameter["name"].as_str();
    if let Some(example) = name.and_then(|name| of_owner(row, name).or_else(|| of_input(name))) {
        parameter["example"] = example;
    }
}
