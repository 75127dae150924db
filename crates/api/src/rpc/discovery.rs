//! The methods, described as OpenRPC: what the published description says of their operations, in other words.

use serde_json::{Map, Value, json};

/// The method that answers with the description.
pub(crate) const DISCOVER: &str = "rpc.discover";

/// Describes the operations of an OpenAPI document that `is_method` says yes to.
pub(crate) fn describe(openapi: &Value, is_method: impl Fn(&str) -> bool) -> Value {
    let entries = openapi["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let methods: Vec<Value> = entries
        .flat_map(Map::values)
        .filter(|entry| entry["operationId"].as_str().is_some_and(&is_method))
        .map(method)
        .collect();
    let mut document = json!({
        "openrpc": "1.3.2",
        "info": openapi["info"],
        "methods": methods,
        "components": { "schemas": openapi["components"]["schemas"] },
    });
    if let Some(url) = openapi["servers"][0]["url"].as_str() {
        let url = format!("{}/rpc", url.trim_end_matches('/'));
        document["servers"] = json!([{ "name": "gateway", "url": url }]);
    }
    document
}

fn method(entry: &Value) -> Value {
    let mut params: Vec<Value> = Vec::new();
    let parameters = entry["parameters"].as_array().into_iter().flatten();
    let is_input = |parameter: &&Value| parameter["in"] == "path" || parameter["in"] == "query";
    params.extend(parameters.filter(is_input).map(|parameter| {
        let required = parameter["required"] == true;
        param(&parameter["name"], required, &parameter["description"], &parameter["schema"])
    }));
    let body = &entry["requestBody"]["content"]["application/json"]["schema"];
    for (name, schema) in body["properties"].as_object().into_iter().flatten() {
        let required = body["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
        params.push(param(&json!(name), required, &schema["description"], schema));
    }
    let mut method = json!({
        "name": entry["operationId"],
        "tags": entry["tags"].as_array().into_iter().flatten().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "paramStructure": "by-name",
        "params": params,
        "result": { "name": "result", "schema": result(&entry["responses"]) },
    });
    for name in ["summary", "description", "x-permission", "x-rate-class"] {
        if let Some(text) = entry.get(name) {
            method[name] = text.clone();
        }
    }
    method
}

fn param(name: &Value, required: bool, description: &Value, schema: &Value) -> Value {
    let mut param = json!({ "name": name, "required": required, "schema": schema });
    if description.is_string() {
        param["description"] = description.clone();
    }
    param
}

fn result(responses: &Value) -> Value {
    let success = responses.as_object().and_then(|all| all.iter().find(|(status, _)| status.starts_with('2')));
    match success.map(|(_, response)| &response["content"]["application/json"]["schema"]) {
        Some(schema) if schema.is_object() => schema.clone(),
        _ => json!({ "type": "null" }),
    }
}
