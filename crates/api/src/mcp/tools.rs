//! Operations as tools: what the published description says of them, in the words of the protocol.

use std::collections::BTreeSet;

use http::Method;
use portway_domain::access::Permission;
use serde_json::{Map, Value, json};

use crate::operation::Operation;
use crate::rate::RateClass;

/// Where the description has its schemas, and where a tool has them.
const SCHEMAS: &str = "#/components/schemas/";
const DEFS: &str = "#/$defs/";

/// An operation as a tool.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The name of the tool, which models of all vendors can call: that of the operation with `_` for its dots.
    pub(crate) name: String,
    /// The name of the operation.
    pub(crate) operation: &'static str,
    /// What the operation demands.
    pub(crate) permission: Permission,
    /// The tool as it is listed, as JSON.
    pub(crate) text: String,
}

/// The operations of a description that are offered as tools, in its order.
pub(crate) fn tools<'a, S: Send + Sync + 'static>(
    openapi: &Value,
    operations: impl Iterator<Item = &'a Operation<S>>,
) -> Vec<Tool> {
    let entries = openapi["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object);
    let entries: Vec<&Value> = entries.flat_map(Map::values).collect();
    let of = |operation: &Operation<S>| {
        let row = operation.row();
        let entry = entries.iter().find(|entry| entry["operationId"] == row.name)?;
        let name = row.name.replace('.', "_");
        let mut tool = json!({
            "name": name,
            "title": row.summary,
            "description": description(row.summary, row.description),
            "inputSchema": input(openapi, entry),
            "annotations": annotations(operation),
        });
        if let Some(output) = output(openapi, entry) {
            tool["outputSchema"] = output;
        }
        Some(Tool { name, operation: row.name, permission: row.permission, text: tool.to_string() })
    };
    operations.filter_map(of).collect()
}

fn description(summary: &str, more: &str) -> String {
    if more.is_empty() { format!("{summary}.") } else { format!("{summary}. {more}") }
}

fn annotations<S: Send + Sync + 'static>(operation: &Operation<S>) -> Value {
    let row = operation.row();
    if row.is_bodyless() {
        return json!({ "readOnlyHint": true, "openWorldHint": false });
    }
    json!({
        "readOnlyHint": false,
        "destructiveHint": operation.is_destructive(),
        // Everything else that is asked for twice is done twice.
        "idempotentHint": matches!(row.method, Method::PUT | Method::PATCH | Method::DELETE),
        // What an agent does reaches beyond the gateway.
        "openWorldHint": row.rate == RateClass::Agent,
    })
}

/// The parameters of path and query and the fields of the body, as one object.
fn input(openapi: &Value, entry: &Value) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<Value> = Vec::new();
    let parameters = entry["parameters"].as_array().into_iter().flatten();
    for parameter in parameters.filter(|parameter| parameter["in"] == "path" || parameter["in"] == "query") {
        let Some(name) = parameter["name"].as_str() else { continue };
        let mut schema = parameter["schema"].clone();
        if let Some(text) = parameter.get("description") {
            schema["description"] = text.clone();
        }
        properties.insert(name.to_owned(), schema);
        if parameter["required"] == true {
            required.push(name.into());
        }
    }
    let body = &entry["requestBody"]["content"]["application/json"]["schema"];
    properties.extend(
        body["properties"].as_object().into_iter().flatten().map(|(name, field)| (name.clone(), field.clone())),
    );
    required.extend(body["required"].as_array().into_iter().flatten().cloned());
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    complete(openapi, schema)
}

/// The schema of the answer, if it is an object.
fn output(openapi: &Value, entry: &Value) -> Option<Value> {
    let responses = entry["responses"].as_object()?;
    let (_, success) = responses.iter().find(|(status, _)| status.starts_with('2'))?;
    let schema = &success["content"]["application/json"]["schema"];
    let schema = match schema["$ref"].as_str().and_then(|path| path.strip_prefix(SCHEMAS)) {
        Some(name) => &openapi["components"]["schemas"][name],
        None => schema,
    };
    (schema["type"] == "object").then(|| complete(openapi, schema.clone()))
}

/// The schema with all that it refers to.
fn complete(openapi: &Value, mut schema: Value) -> Value {
    let mut missing = BTreeSet::new();
    refer(&mut schema, &mut missing);
    let mut definitions = Map::new();
    while let Some(name) = missing.pop_first() {
        let mut definition = openapi["components"]["schemas"][&name].clone();
        refer(&mut definition, &mut missing);
        definitions.insert(name, definition);
        missing.retain(|name| !definitions.contains_key(name));
    }
    if !definitions.is_empty() {
        schema["$defs"] = definitions.into();
    }
    schema
}

/// Has a schema refer to definitions of its own, and tells to which.
fn refer(schema: &mut Value, referred: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(path)) = members.get_mut("$ref")
                && let Some(name) = path.strip_prefix(SCHEMAS).map(str::to_owned)
            {
                *path = format!("{DEFS}{name}");
                referred.insert(name);
            }
            members.values_mut().for_each(|member| refer(member, referred));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, referred)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::of_tables;
    use crate::surfaces::Surfaces;

    fn product() -> Vec<(Tool, Value)> {
        let (operations, endpoints) = (crate::operations().unwrap(), crate::endpoints().unwrap());
        let offered = operations.iter().filter(|operation| operation.surfaces().contains(Surfaces::MCP));
        let tools = tools(&of_tables(&operations, &endpoints), offered);
        let read = |tool: Tool| {
            let text = serde_json::from_str(&tool.text).unwrap();
            (tool, text)
        };
        tools.into_iter().map(read).collect()
    }

    fn unresolved(schema: &Value, root: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(path) = members.get("$ref").and_then(Value::as_str) {
                    let known = path.strip_prefix(DEFS).is_some_and(|name| root["$defs"].get(name).is_some());
                    found.extend((!known).then(|| path.to_owned()));
                }
                members.values().for_each(|member| unresolved(member, root, found));
            }
            Value::Array(items) => items.iter().for_each(|item| unresolved(item, root, found)),
            _ => {}
        }
    }

    #[test]
    fn every_offered_operation_is_a_tool_with_a_name_of_its_own() {
        let operations = crate::operations().unwrap();
        let offered = operations.iter().filter(|operation| operation.surfaces().contains(Surfaces::MCP)).count();
        let tools = product();
        assert_eq!(tools.len(), offered);
        let names: BTreeSet<&str> = tools.iter().map(|(tool, _)| tool.name.as_str()).collect();
        assert_eq!(names.len(), offered);
        let is_plain = |name: &&str| name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert_eq!(names.iter().find(|name| !is_plain(name)), None);
    }

    #[test]
    fn every_schema_is_an_object_and_complete() {
        for (tool, text) in product() {
            let schemas = [Some(&text["inputSchema"]), text.get("outputSchema")];
            for schema in schemas.into_iter().flatten() {
                assert_eq!(schema["type"], "object", "{}", tool.name);
                let mut found = Vec::new();
                unresolved(schema, schema, &mut found);
                assert_eq!(found, Vec::<String>::new(), "{}", tool.name);
            }
        }
    }

    #[test]
    fn a_tool_takes_what_its_operation_takes() {
        let tools = product();
        let find = |name: &str| &tools.iter().find(|(tool, _)| tool.name == name).unwrap().1;
        let say = find("messages_create");
        assert_eq!(say["inputSchema"]["required"], json!(["id"]));
        assert!(say["inputSchema"]["properties"].get("content").is_some());
        assert_eq!(
            (&say["annotations"]["readOnlyHint"], &say["annotations"]["openWorldHint"]),
            (&json!(false), &json!(true))
        );
        assert_eq!(find("sessions_list")["annotations"]["readOnlyHint"], true);
        assert_eq!(find("sessions_terminate")["annotations"]["destructiveHint"], true);
        assert_eq!(find("messages_list")["outputSchema"]["required"], json!(["messages"]));
    }
}
