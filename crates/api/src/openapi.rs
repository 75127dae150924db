//! The published description: OpenAPI 3.1, made from both tables.

mod examples;
mod links;
mod mcp;
mod parameters;
mod responses;
mod rpc;
mod schemas;
mod tags;

use http::Method;
use portway_domain::access::Permission;
use schemars::Schema;
use serde_json::{Map, Value, json};

use self::parameters::Parameters;
use self::responses::Asked;
use self::schemas::Schemas;
use crate::description::sign;
use crate::endpoint::{Endpoint, EndpointTable};
use crate::operation::{Operation, OperationTable};
use crate::options::ApiOptions;
use crate::path::Template;
use crate::row::{Row, permission_name};
use crate::surfaces::Surfaces;

const LICENSE: &str = env!("CARGO_PKG_LICENSE");

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
    let mut groups: Vec<&'static str> = Vec::new();
    for operation in operations.iter().filter(|operation| operation.surfaces().contains(Surfaces::REST)) {
        let entry = describe_operation(operation, &mut schemas);
        add(&mut paths, &mut groups, operation.row(), entry);
    }
    for endpoint in endpoints.iter() {
        let entry = describe_endpoint(endpoint, &mut schemas);
        add(&mut paths, &mut groups, endpoint.row(), entry);
    }
    links::add(&mut paths);
    let responses = responses::shared(&mut schemas);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "description": "A gateway for coding-agent sessions.",
            "license": { "name": LICENSE, "identifier": LICENSE },
            "contact": { "name": "Portway", "url": env!("CARGO_PKG_REPOSITORY") },
        },
        "servers": [{ "url": "/" }],
        "tags": groups.into_iter().map(tags::object).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": false,
                    "description": "Does it at most once: a repeated request with the same key gets the first answer, for 24 \
                                    hours.",
                    "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$" },
                },
            },
            "responses": responses,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key for programs, or the token of a login.",
                },
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
    rpc::add(&mut document);
    mcp::add(&mut document);
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

fn add(paths: &mut Map<String, Value>, groups: &mut Vec<&'static str>, row: &Row, entry: Value) {
    if !groups.contains(&row.tag) {
        groups.push(row.tag);
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
    let names_something = names_something(row, &input);
    let mut parameters = Parameters::split(row.path, &input, in_query);
    if operation.is_idempotent_by_key() {
        parameters.list.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    let content = operation.output_schema(&mut schemas.output).map(|schema| ("application/json", schema.to_value()));
    let mut entry = describe_row(row);
    parameters.add_examples(row.name);
    if let Some(body) = parameters.body {
        entry["requestBody"] = json!({
            "required": body["required"].as_array().is_some_and(|names| !names.is_empty()),
            "content": { "application/json": { "schema": body } },
        });
    }
    // Whatever is sent with a change is read, also where nothing is asked for.
    let asked = Asked { row, has_body: !row.is_bodyless(), names_something, is_socket: false };
    entry["responses"] = responses::of(&asked, operation.status(), content);
    entry["parameters"] = Value::Array(parameters.list);
    entry
}

fn describe_endpoint<S: Send + Sync + 'static>(endpoint: &Endpoint<S>, schemas: &mut Schemas) -> Value {
    let row = endpoint.row();
    let input = endpoint.input_schema(&mut schemas.input);
    let mut parameters = Parameters::split(row.path, &input, true);
    parameters.add_examples(row.name);
    let mut entry = describe_row(row);
    if let Some(media_type) = endpoint.consumes() {
        entry["requestBody"] = json!({ "required": true, "content": { media_type: {} } });
    }
    let content = endpoint.produces().map(|media_type| (media_type, json!({})));
    let asked = Asked {
        row,
        has_body: endpoint.consumes().is_some(),
        names_something: names_something(row, &input),
        is_socket: endpoint.is_socket(),
    };
    entry["responses"] = responses::of(&asked, endpoint.status(), content);
    if endpoint.is_socket() {
        entry["x-websocket"] = json!(true);
    }
    entry["parameters"] = Value::Array(parameters.list);
    entry
}

/// Whether the path names something, or a field of the input does by its id.
fn names_something(row: &Row, input: &Schema) -> bool {
    let by_id = |name: &String| name.ends_with("Id");
    row.path.contains('{') || parameters::properties(input).is_some_and(|fields| fields.keys().any(by_id))
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

    fn product() -> Value {
        let mut endpoints = crate::endpoints().unwrap();
        own_rows().into_iter().for_each(|row| endpoints.push(row));
        of_tables(&crate::operations().unwrap(), &endpoints)
    }

    #[test]
    fn every_link_leads_somewhere() {
        assert_eq!(links::tests::missing(&product()), Vec::<String>::new());
    }

    #[test]
    fn everything_says_what_it_is() {
        let document = product();
        let groups = document["tags"].as_array().unwrap();
        let of_paths =
            document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
        let silent =
            groups.iter().chain(of_paths).filter(|thing| thing["description"].as_str().is_none_or(str::is_empty));
        assert_eq!(silent.collect::<Vec<_>>(), Vec::<&Value>::new());
    }

    #[test]
    fn what_has_to_be_sent_has_an_example() {
        let document = product();
        let mut lacking = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for entry in item.as_object().unwrap().values() {
                let parameters = entry["parameters"].as_array().unwrap().iter();
                let parameters = parameters.filter(|one| one["required"] == true && one.get("example").is_none());
                lacking.extend(parameters.map(|one| format!("{path} {}", one["name"])));
                let body = &entry["requestBody"]["content"]["application/json"]["schema"];
                let fields = body["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let free = |field: &&str| {
                    let field = &body["properties"][field];
                    field.get("$ref").is_none() && field.get("examples").is_none()
                };
                lacking.extend(fields.filter(free).map(|field| format!("{path} {field}")));
            }
        }
        assert_eq!(lacking, Vec::<String>::new());
    }

    #[test]
    fn the_file_is_what_the_tables_say() {
        let mut document = product();
        document["info"]["title"] = json!("Portway");
        document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
        let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
        if env::var_os(WRITE).is_some() {
            fs::write(FILE, &text).unwrap();
        }
        assert!(fs::read_to_string(FILE).is_ok_and(|file| file == text), "docs/openapi.json is old: set {WRITE}=1");
    }
}
