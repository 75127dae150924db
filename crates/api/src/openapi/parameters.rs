//! Splits the input of a row by where its fields come from.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::examples;
use crate::path::Template;

/// Where the fields of an input come from.
pub(super) struct Parameters {
    /// The parameter objects of path and query.
    pub(super) list: Vec<Value>,
    /// Schema of the JSON body, if any field is left for it.
    pub(super) body: Option<Value>,
}

/// The fields of an input.
pub(super) fn properties(input: &Schema) -> Option<&Map<String, Value>> {
    input.get("properties")?.as_object()
}

impl Parameters {
    /// Fields that the path names come from the path; the rest from the query, or else from the body.
    pub(super) fn split(path: &'static str, input: &Schema, rest_in_query: bool) -> Self {
        let names = Template::parse(path).map(|t| t.names).unwrap_or_default();
        let required: Vec<&str> = input
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut fields = properties(input).cloned().unwrap_or_default();
        let mut list = Vec::new();
        for name in &names {
            let schema = fields.remove(*name);
            list.push(parameter(name, "path", true, schema.unwrap_or_else(|| json!({ "type": "string" }))));
        }
        if rest_in_query {
            for (name, schema) in fields {
                let needed = required.contains(&name.as_str());
                list.push(parameter(&name, "query", needed, schema));
            }
            return Self { list, body: None };
        }
        if fields.is_empty() && names.is_empty() && input.get("type").is_none() {
            return Self { list, body: Some(input.clone().to_value()) };
        }
        let body = (!fields.is_empty()).then(|| body(input, fields, &required));
        Self { list, body }
    }

    /// Gives examples to the parameters and fields of the row with that name.
    pub(super) fn add_examples(&mut self, row: &str) {
        for parameter in &mut self.list {
            examples::add_to_parameter(row, parameter);
        }
        if let Some(body) = &mut self.body {
            examples::add_to_body(row, body);
        }
    }
}

fn parameter(name: &str, place: &str, required: bool, mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut parameter = json!({
        "name": name,
        "in": place,
        "required": required,
        "schema": without_null(schema),
    });
    if let Some(description) = description {
        parameter["description"] = description;
    }
    parameter
}

/// A parameter is left out, never null.
fn without_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema["type"] = only;
        }
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| choice.get("type") != Some(&json!("null")));
        if let [only] = choices.as_slice() {
            return only.clone();
        }
    }
    schema
}

fn body(input: &Schema, fields: Map<String, Value>, required: &[&str]) -> Value {
    let needed: Vec<&&str> = required.iter().filter(|name| fields.contains_key(**name)).collect();
    let mut body = input.clone().to_value();
    if let Some(body) = body.as_object_mut() {
        body.remove("required");
        if !needed.is_empty() {
            body.insert("required".to_owned(), json!(needed));
        }
        body.insert("properties".to_owned(), Value::Object(fields));
    }
    body
}
