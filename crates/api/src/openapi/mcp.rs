//! What the Model Context Protocol is sent and answers, which no row's types say.

use serde_json::{Value, json};

/// Puts schemas and responses where `/mcp` is described, if it is.
pub(super) fn add(document: &mut Value) {
    if document["paths"].get("/mcp").is_none() {
        return;
    }
    let one = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let no_session = json!({ "$ref": "#/components/responses/NotFound" });
    let session = |required: bool| {
        let mut header = json!({
            "name": "Mcp-Session-Id",
            "in": "header",
            "required": required,
            "description": "The session, as the answer to `initialize` names it.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]*$" },
        });
        if required {
            header["example"] = json!("01a22721-325b-7001-b15b-f07b91f26b10");
        }
        header
    };
    let item = &mut document["paths"]["/mcp"];
    let post = &mut item["post"];
    post["parameters"] = json!([session(false)]);
    post["requestBody"]["content"]["application/json"]["schema"] = one("McpMessage");
    post["responses"]["200"]["content"] = json!({
        "application/json": { "schema": one("McpAnswer") },
        "text/event-stream": {},
    });
    post["responses"]["202"] = json!({ "description": "The message has no answer." });
    post["responses"]["400"] = json!({
        "description": "What was sent is no message, or lacks what each has to bring.",
        "content": { "application/json": { "schema": { "oneOf": [one("McpAnswer"), one("Error")] } } },
    });
    post["responses"]["404"] = json!({
        "description": "There is no such session, or no such method.",
        "content": { "application/json": { "schema": { "oneOf": [one("McpAnswer"), one("Error")] } } },
    });
    for verb in ["get", "delete"] {
        item[verb]["parameters"] = json!([session(true)]);
        item[verb]["responses"]["404"] = no_session.clone();
    }
    item["get"]["responses"]["405"] = json!({
        "description": "There is nothing to listen to.",
        "content": { "application/json": { "schema": one("Error") } },
    });
    let schemas = &mut document["components"]["schemas"];
    schemas["McpMessage"] = json!({
        "type": "object",
        "description": "A request, a notification, or the answer to a request of the gateway's.",
        "required": ["jsonrpc"],
        "properties": {
            "jsonrpc": { "const": "2.0", "examples": ["2.0"] },
            "id": { "type": ["string", "number", "null"], "examples": [1] },
            "method": { "type": "string", "examples": ["tools/list"] },
            "params": { "type": "object", "additionalProperties": true },
            "result": { "type": "object", "additionalProperties": true },
            "error": { "type": "object", "additionalProperties": true },
        },
    });
    schemas["McpAnswer"] = json!({
        "type": "object",
        "description": "Either a result or an error.",
        "required": ["jsonrpc", "id"],
        "properties": {
            "jsonrpc": { "const": "2.0" },
            "id": { "type": ["string", "number", "null"] },
            "result": { "type": "object", "additionalProperties": true },
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": { "code": { "type": "integer" }, "message": { "type": "string" }, "data": {} },
            },
        },
    });
}
