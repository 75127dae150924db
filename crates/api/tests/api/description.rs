//! The published description.

use std::collections::BTreeSet;

use axum::body::Body;
use base64::Engine;
use garde::Validate;
use http::Method;
use portway_api::{Endpoint, Operation, OperationTable, Row, document, problems};
use portway_domain::access::Permission;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fixture::{Gateway, State, endpoints, operations, options, request};

#[derive(Deserialize, JsonSchema, Validate)]
struct Odd {
    /// Would be taken for the credential.
    #[garde(skip)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    token: String,
}

async fn published() -> Value {
    let gateway = Gateway::new();
    let answer = gateway.send(request("GET", "/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 200);
    answer.json()
}

#[tokio::test]
async fn every_row_is_described() {
    let published = published().await;
    assert_eq!(published["openapi"], "3.1.0");
    let (operations, endpoints) = (operations(), endpoints());
    let rows: Vec<&Row> = operations
        .iter()
        .map(|op| op.row())
        .filter(|row| row.path != "/api/purge")
        .chain(endpoints.iter().map(Endpoint::row))
        .collect();
    let mut names = BTreeSet::from(["system.openapi", "system.docs", "system.metrics", "system.rpc"]);
    names.extend(["mcp.post", "mcp.stream", "mcp.end", "mcp.metadata", "mcp.metadata_of_root"]);
    for row in &rows {
        let entry = &published["paths"][row.path][row.method.as_str().to_lowercase()];
        assert_eq!(entry["operationId"], row.name);
        assert_eq!(entry["tags"], json!([row.tag]));
        assert!(entry["responses"].as_object().unwrap().len() > 1, "{}", row.name);
        names.insert(row.name);
    }
    let described =
        published["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let described: BTreeSet<&str> = described.map(|entry| entry["operationId"].as_str().unwrap()).collect();
    assert_eq!(described, names);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    found.push(reference);
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let published = published().await;
    let mut found = Vec::new();
    references(&published, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(published.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn fields_are_split_by_where_they_come_from() {
    let published = published().await;
    let edit = &published["paths"]["/api/notes/{id}"]["put"];
    assert_eq!(
        edit["parameters"][0],
        json!({
            "name": "id",
            "in": "path",
            "required": true,
            "schema": { "type": "string" },
            "description": "The note.",
            "example": "01a22721-325b-7001-b15b-f07b91f26b10",
        })
    );
    let key = &edit["parameters"][1]["$ref"];
    assert_eq!(key, "#/components/parameters/IdempotencyKey");
    assert_eq!(published.pointer(&key.as_str().unwrap()[1..]).unwrap()["name"], "Idempotency-Key");
    let body = &edit["requestBody"]["content"]["application/json"]["schema"];
    let fields: Vec<&String> = body["properties"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["style", "title"]);
    assert_eq!(body["properties"]["title"]["maxLength"], 10);
    assert_eq!(edit["requestBody"]["required"], false);
    let list = &published["paths"]["/api/notes"]["get"];
    let limit = list["parameters"].as_array().unwrap().iter().find(|one| one["name"] == "limit").unwrap();
    assert_eq!((&limit["in"], &limit["required"]), (&json!("query"), &json!(false)));
    assert_eq!((&limit["schema"]["type"], &limit["schema"]["maximum"]), (&json!("integer"), &json!(100)));
    assert!(list.get("requestBody").is_none());
    let create = &published["paths"]["/api/notes"]["post"];
    let body = &create["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!((&create["requestBody"]["required"], &body["required"]), (&json!(true), &json!(["id"])));
}

#[tokio::test]
async fn responses_and_security_fit_the_row() {
    let published = published().await;
    let statuses = |path: &str, method: &str| {
        let responses = published["paths"][path][method]["responses"].as_object().unwrap();
        responses.keys().map(|status| status.parse::<u16>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(statuses("/health", "get"), [200, 400, 414, 500, 503]);
    assert_eq!(statuses("/api/notes/{id}", "put"), [200, 400, 401, 403, 404, 408, 409, 413, 414, 421, 429, 500, 503]);
    assert!(statuses("/api/notes/{id}/ws", "get").starts_with(&[101]));
    assert!(statuses("/api/notes/{id}/ws", "get").contains(&426));
    assert!(published["paths"]["/api/notes/{id}"]["delete"]["responses"]["204"].get("content").is_none());
    assert_eq!(published["paths"]["/health"]["get"]["security"], json!([]));
    assert_eq!(published["paths"]["/api/notes"]["get"]["security"][0], json!({ "bearer": [] }));
    assert_eq!(published["paths"]["/api/notes"]["get"]["x-permission"], "signed-in");
    let error = &published["components"]["schemas"]["Error"];
    assert!(error["properties"]["code"].is_object(), "{error}");
    let codes = published["components"]["schemas"]["ErrorCode"].to_string();
    assert!(codes.contains("SESSION_QUOTA_EXCEEDED"));
}

#[test]
fn the_rows_of_the_tests_have_no_problems() {
    let (operations, endpoints) = (operations(), endpoints());
    assert_eq!(problems(&operations, &endpoints), Vec::<String>::new());
    let mut options = options();
    options.public_url = Some("https://gw.example.com".into());
    let document = document(&operations, &endpoints, &options);
    assert_eq!(document["servers"], json!([{ "url": "https://gw.example.com" }]));
}

#[test]
fn what_only_the_schemas_can_tell_is_found() {
    let row = || Operation::<State>::new("notes.odd", Method::GET, "/api/odd/{other}", Permission::SignedIn);
    let odd = OperationTable::new([row().handler(async |_, _, _: Odd| Ok(true))]).unwrap();
    let found = problems(&odd, &endpoints());
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|text| text.starts_with("notes.odd: ")));
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let gateway = Gateway::new();
    let page = gateway.send(request("GET", "/docs").body(Body::empty()).unwrap()).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for foreign in ["http://", "https://", "src=", "@import", "url(", "<link", "innerHTML", "//cdn"] {
        assert!(!page.body.contains(foreign), "{foreign}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"));
    for tag in ["script", "style"] {
        let (_, rest) = page.body.split_once(&format!("<{tag}>")).unwrap();
        let (inline, rest) = rest.split_once(&format!("</{tag}>")).unwrap();
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(inline));
        assert!(policy.contains(&format!("{tag}-src 'sha256-{hash}'")), "{tag}");
        assert!(!rest.contains(&format!("<{tag}")));
    }
    assert!(page.body.contains("fetch(\"/openapi.json\""));
}
