//! Schemas of the published description as tools have them: each by itself.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Where the description has its schemas, and where a tool has them.
const SCHEMAS: &str = "#/components/schemas/";
const DEFS: &str = "#/$defs/";

/// The parameters of path and query and the fields of the body, as one object. Those that may be left out need not be told to
/// be null as well: models of some vendors take no more than one type.
pub(super) fn input(openapi: &Value, entry: &Value) -> Value {
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
    let mut schema = complete(openapi, schema);
    leave_null_out(&mut schema);
    schema
}

/// The schema of the answer, if it is an object.
pub(super) fn output(openapi: &Value, entry: &Value) -> Option<Value> {
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

/// Has fields that are not required take what they take besides null, and goes without those that take nothing else.
fn leave_null_out(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let required = members.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            let is_required = |name: &str| required.iter().any(|required| required == name);
            if let Some(fields) = members.get_mut("properties").and_then(Value::as_object_mut) {
                fields.retain(|name, field| is_required(name) || field["type"] != "null");
                fields.iter_mut().filter(|(name, _)| !is_required(name)).for_each(|(_, field)| not_null(field));
            }
            members.values_mut().for_each(leave_null_out);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_null_out),
        _ => {}
    }
}

/// Takes null away where there is one other choice. What is said of the field itself counts more than what is said of that.
fn not_null(field: &mut Value) {
    let Value::Object(members) = field else { return };
    if let Some(types) = members.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = &**types {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    let Some(choices) = members.get_mut("anyOf").and_then(Value::as_array_mut) else { return };
    choices.retain(|choice| choice["type"] != "null");
    if let [Value::Object(only)] = &mut **choices {
        let only = std::mem::take(only);
        members.remove("anyOf");
        for (name, value) in only {
            members.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::of_tables;

    /// The schemas of all operations.
    fn product() -> Vec<(Value, Option<Value>)> {
        let openapi = of_tables(&crate::operations().unwrap(), &crate::endpoints().unwrap());
        let entries =
            openapi["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
        let entries = entries.filter(|entry| entry.get("operationId").is_some());
        let schemas: Vec<_> = entries.map(|entry| (input(&openapi, entry), output(&openapi, entry))).collect();
        assert!(schemas.len() > 50, "{}", schemas.len());
        schemas
    }

    /// Calls with every object in a schema.
    fn each_object(schema: &Value, found: &mut impl FnMut(&Map<String, Value>)) {
        match schema {
            Value::Object(members) => {
                found(members);
                members.values().for_each(|member| each_object(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| each_object(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_is_an_object_and_complete() {
        for schema in product().into_iter().flat_map(|(input, output)| [Some(input), output]).flatten() {
            assert_eq!(schema["type"], "object", "{schema}");
            each_object(&schema, &mut |members| {
                let Some(path) = members.get("$ref").and_then(Value::as_str) else { return };
                assert!(path.strip_prefix(DEFS).is_some_and(|name| schema["$defs"].get(name).is_some()), "{path}");
            });
        }
    }

    #[test]
    fn every_field_of_an_input_has_one_type() {
        for (input, _) in product() {
            each_object(&input, &mut |members| {
                assert!(!members.get("type").is_some_and(Value::is_array), "{input}");
                assert_ne!(members.get("type"), Some(&json!("null")), "{input}");
            });
        }
    }

    #[test]
    fn null_is_left_out_of_what_can_be_left_out() {
        let text = || json!({ "type": ["string", "null"], "maxLength": 3 });
        let choice = json!({ "description": "d", "anyOf": [{ "$ref": "#/$defs/A" }, { "type": "null" }] });
        let inline =
            json!({ "description": "d", "anyOf": [{ "type": "object", "description": "o" }, { "type": "null" }] });
        let several = json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }, { "type": "null" }] });
        let mut schema = json!({
            "properties": { "a": text(), "b": text(), "c": choice, "d": several, "e": { "type": "null" }, "f": inline },
            "required": ["b"],
            "$defs": { "A": { "properties": { "e": text() } } },
        });
        leave_null_out(&mut schema);
        let not_null = json!({ "type": "string", "maxLength": 3 });
        let several = json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] });
        let choice = json!({ "description": "d", "$ref": "#/$defs/A" });
        let inline = json!({ "description": "d", "type": "object" });
        let fields = json!({ "a": not_null, "b": text(), "c": choice, "d": several, "f": inline });
        assert_eq!(schema["properties"], fields);
        assert_eq!(schema["$defs"]["A"]["properties"]["e"], not_null);
    }
}
