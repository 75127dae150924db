//! The published description: OpenAPI 3.1, made from both tables.

mod parameters;
mod responses;
mod schemas;

use http::Method;
use portway_domain::access::Permission;
use schemars::Schema;
use serde_json::{Map, Value, json};

use self::parameters::Parameters;
use self::schemas::Schemas;
use crate::description::sign;
use crate::endpoint::{Endpoint, EndpointTable};
use crate::operation::{Operation, OperationTable};
use crate::options::ApiOptions;
use crate::path::Template;
use crate::row::{Row, permission_name};
use crate::surfaces::Surfaces;

/// The description of both tables.
#[must_use]
pub fn document<S: Send + Sync + 'static>(
    operations: &OperationTable<S>,
    endpoints: &EndpointTable<S>,
    options: &ApiOptions,
) -> Value {
    let mut document = of_tables(operations, endpoints);
    sign(&mut document, options);
    document
}

/// The description of both tables, of no gateway in particular.
pub(crate) fn of_tables<S: Send + Sync + 'static>(
    operations: &OperationTable<S>,
    endpoints: &EndpointTable<S>,
) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    let mut tags: Vec<&'static str> = Vec::new();
    for operation in operations.iter().filter(|operation| operation.surfaces().contains(Surfaces::REST)) {
        let entry = describe_operation(operation, &mut schemas);
        add(&mut paths, &mut tags, operation.row(), entry);
    }
    for endpoint in endpoints.iter() {
        let entry = describe_endpoint(endpoint, &mut schemas);
        add(&mut paths, &mut tags, endpoint.row(), entry);
    }
    let responses = responses::shared(&mut schemas);
    let tags: Vec<Value> = tags.iter().map(|tag| json!({ "name": tag })).collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {},
        "tags": tags,
        "paths": paths,
        "components": {
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": false,
                    "description": "Does it at most once: a repeated request with the same key gets the first answer, for 24 \
                                    hours.",
                    "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
                },
            },
            "responses": responses,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "queryToken": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "token",
                    "description": "For clients that cannot set headers. Use the header where you can.",
                },
            },
        },
    });
    schemas.finish(&mut document);
    document
}

/// What is wrong with the rows that only their schemas can tell; for a test of the tables. Empty when all is well.
#[must_use]
pub fn problems<S: Send + Sync + 'static>(operations: &OperationTable<S>, endpoints: &EndpointTable<S>) -> Vec<String> {
    let mut schemas = Schemas::new();
    let mut found = Vec::new();
    let mut look = |row: &Row, input: &Schema| {
        let mut say = |text: String| found.push(format!("{}: {text}", row.name));
        if row.summary.is_empty() {
            say("it has no summary".to_owned());
        }
        let properties = parameters::properties(input);
        for name in Template::parse(row.path).map(|t| t.names).unwrap_or_default() {
            if !properties.is_some_and(|properties| properties.contains_key(name)) {
                say(format!("the path names {name}, which is no field of the input"));
            }
        }
        if row.is_bodyless()
            && !row.path.contains("{token}")
            && properties.is_some_and(|properties| properties.contains_key("token"))
        {
            say("the query parameter token is the credential, and never an input".to_owned());
        }
    };
    for operation in operations.iter() {
        look(operation.row(), &operation.input_schema(&mut schemas.input));
    }
    for endpoint in endpoints.iter() {
        look(endpoint.row(), &endpoint.input_schema(&mut schemas.input));
    }
    found
}

fn add(paths: &mut Map<String, Value>, tags: &mut Vec<&'static str>, row: &Row, entry: Value) {
    if !tags.contains(&row.tag) {
        tags.push(row.tag);
    }
    let path = row.path.replace("{*", "{");
    let item = paths.entry(path).or_insert_with(|| json!({}));
    item[row.method.as_str().to_ascii_lowercase()] = entry;
}

fn describe_operation<S: Send + Sync + 'static>(operation: &Operation<S>, schemas: &mut Schemas) -> Value {
    let row = operation.row();
    let input = operation.input_schema(&mut schemas.input);
    // A DELETE with a body is read, but hardly any client sends one.
    let in_query = row.is_bodyless() || row.method == Method::DELETE;
    let mut parameters = Parameters::split(row.path, &input, in_query);
    if operation.is_idempotent_by_key() {
        parameters.list.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    let content = operation.output_schema(&mut schemas.output).map(|schema| ("application/json", schema.to_value()));
    let mut entry = describe_row(row);
    let takes_body = parameters.body.is_some();
    if let Some(body) = parameters.body {
        entry["requestBody"] = json!({
            "required": body["required"].as_array().is_some_and(|names| !names.is_empty()),
            "content": { "application/json": { "schema": body } },
        });
    }
    entry["responses"] = responses::of(row, operation.status(), content, takes_body);
    entry["parameters"] = Value::Array(parameters.list);
    entry
}

fn describe_endpoint<S: Send + Sync + 'static>(endpoint: &Endpoint<S>, schemas: &mut Schemas) -> Value {
    let row = endpoint.row();
    let input = endpoint.input_schema(&mut schemas.input);
    let parameters = Parameters::split(row.path, &input, true);
    let mut entry = describe_row(row);
    if let Some(media_type) = endpoint.consumes() {
        entry["requestBody"] = json!({ "required": true, "content": { media_type: {} } });
    }
    let content = endpoint.produces().map(|media_type| (media_type, json!({})));
    let takes_body = endpoint.consumes().is_some();
    entry["responses"] = responses::of(row, endpoint.status(), content, takes_body);
    if endpoint.is_socket() {
        entry["x-websocket"] = json!(true);
        entry["responses"]["426"] = responses::reference("UpgradeRequired");
    }
    entry["parameters"] = Value::Array(parameters.list);
    entry
}

fn describe_row(row: &Row) -> Value {
    let mut entry = json!({
        "operationId": row.name,
        "tags": [row.tag],
        "summary": row.summary,
        "x-permission": permission_name(row.permission),
        "x-rate-class": row.rate.as_str(),
        "security": if row.permission == Permission::Public {
            json!([])
        } else {
            json!([{ "bearer": [] }, { "queryToken": [] }])
        },
    });
    if !row.description.is_empty() {
        entry["description"] = json!(row.description);
    }
    entry
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;

    use super::*;
    use crate::rest::own_rows;

    /// Hosts that cannot make it publish it from there.
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

    /// Set to write the file.
    const WRITE: &str = "PORTWAY_WRITE_OPENAPI";

    #[test]
    fn the_file_is_what_the_tables_say() {
        let mut endpoints = crate::endpoints().unwrap();
        own_rows().into_iter().for_each(|row| endpoints.push(row));
        let mut document = of_tables(&crate::operations().unwrap(), &endpoints);
        document["info"] = json!({ "title": "Portway", "version": env!("CARGO_PKG_VERSION") });
        let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
        if env::var_os(WRITE).is_some() {
            fs::write(FILE, &text).unwrap();
        }
        assert!(fs::read_to_string(FILE).is_ok_and(|file| file == text), "docs/openapi.json is old: set {WRITE}=1");
    }
}
