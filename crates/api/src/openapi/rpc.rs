//! What JSON-RPC is sent and answers, which no row's types say.

use serde_json::{Value, json};

/// Puts the schemas of calls and answers where `POST /rpc` is described, if it is.
pub(super) fn add(document: &mut Value) {
    if document["paths"].get("/rpc").is_none() {
        return;
    }
    let one = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let one_or_more = |name: &str| json!({ "oneOf": [one(name), { "type": "array", "items": one(name) }] });
    let entry = &mut document["paths"]["/rpc"]["post"];
    entry["requestBody"]["content"]["application/json"]["schema"] = one_or_more("RpcCall");
    entry["responses"]["200"]["content"]["application/json"]["schema"] = one_or_more("RpcAnswer");
    entry["responses"]["204"] = json!({ "description": "No call has an answer." });
    let schemas = &mut document["components"]["schemas"];
    schemas["RpcCall"] = json!({
        "type": "object",
        "required": ["jsonrpc", "method"],
        "properties": {
            "jsonrpc": { "const": "2.0", "examples": ["2.0"] },
            "id": { "type": ["string", "number", "null"], "description": "Stands in the answer.", "examples": [1] },
            "method": { "type": "string", "description": "The operation.", "examples": ["sessions.list"] },
            "params": {
                "type": "object",
                "description": "All of its input, by name.",
                "additionalProperties": true,
                "examples": [{ "limit": 5 }],
            },
            "idempotencyKey": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$" },
        },
    });
    schemas["RpcAnswer"] = json!({
        "type": "object",
        "description": "Either a result or an error.",
        "required": ["jsonrpc", "id"],
        "properties": {
            "jsonrpc": { "const": "2.0" },
            "id": { "type": ["string", "number", "null"] },
            "result": { "description": "What REST would answer." },
            "error": {
                "type": "object",
                "required": ["code", "message", "data"],
                "properties": {
                    "code": { "type": "integer", "examples": [-32602] },
                    "message": { "type": "string" },
                    "data": one("Error"),
                },
            },
        },
    });
}
