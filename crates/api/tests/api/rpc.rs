//! Operations, called by JSON-RPC.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use portway_api::{ApiOptions, Ask, MetricsOptions};
use serde_json::{Value, json};

use crate::fixture::{Answer, Gateway, LIMIT, options, request, signed_in};

fn call(id: u32, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

async fn ask(gateway: &Gateway, message: &Value) -> Value {
    let answer = gateway.call("POST", "/rpc", &message.to_string()).await;
    assert_eq!(answer.status(), 200, "{}", answer.body);
    answer.json()
}

async fn anonymous(gateway: &Gateway, message: &Value) -> Answer {
    gateway.send(request("POST", "/rpc").body(Body::from(message.to_string())).unwrap()).await
}

#[tokio::test]
async fn a_call_gets_what_rest_gets() {
    let gateway = Gateway::new();
    let rest = gateway.call("GET", "/api/notes?limit=2", "").await.json();
    let answer = ask(&gateway, &call(1, "notes.list", &json!({ "limit": 2 }))).await;
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 1, "result": rest }));
    let input = json!({ "id": "n 1/2", "title": "ü" });
    let edited = ask(&gateway, &call(2, "notes.edit", &input)).await;
    assert_eq!(edited["result"], input);
    let removed = ask(&gateway, &call(3, "notes.remove", &json!({ "id": "n1" }))).await;
    assert_eq!(removed, json!({ "jsonrpc": "2.0", "id": 3, "result": null }));
}

#[tokio::test]
async fn what_rest_refuses_is_refused_in_the_same_words() {
    let gateway = Gateway::new();
    let cases = [
        ("notes.remove", json!({ "id": "absent" }), "DELETE", "/api/notes/absent", -32004),
        ("notes.remove", json!({ "id": "broken" }), "DELETE", "/api/notes/broken", -32603),
        ("notes.remove", json!({ "id": "panics" }), "DELETE", "/api/notes/panics", -32603),
        ("notes.remove", json!({ "id": "many" }), "DELETE", "/api/notes/many", -32029),
        ("notes.list", json!({ "limit": 0 }), "GET", "/api/notes?limit=0", -32602),
    ];
    for (method, params, verb, path, code) in cases {
        let mut rest = gateway.call(verb, path, "").await.json();
        let answer = ask(&gateway, &call(7, method, &params)).await;
        let error = &answer["error"];
        assert_eq!((&answer["id"], &error["code"]), (&json!(7), &json!(code)), "{answer}");
        assert_eq!(error["message"], rest["error"], "{path}");
        let mut data = error["data"].clone();
        for body in [&mut rest, &mut data] {
            body["requestId"].take();
        }
        let wait = data.as_object_mut().unwrap().remove("retryAfter");
        assert_eq!(wait.is_some(), code == -32029);
        assert_eq!(data, rest, "{path}");
        assert!(!answer.to_string().contains("fire"));
    }
    let wrong = ask(&gateway, &call(8, "notes.list", &json!({ "limit": "2" }))).await;
    assert_eq!(wrong["error"]["data"]["details"]["fields"][0]["field"], "limit");
}

#[tokio::test]
async fn nobody_calls_without_a_token() {
    let gateway = Gateway::new();
    let answer = anonymous(&gateway, &call(1, "notes.list", &json!({}))).await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (200, &json!(-32001)));
    assert!(gateway.state.contexts.lock().unwrap().is_empty());
    let stranger = signed_in("POST", "/rpc").header("origin", "https://evil.example");
    let refused = gateway.send(stranger.body(Body::from(call(1, "notes.list", &json!({})).to_string())).unwrap()).await;
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn only_what_is_offered_is_a_method() {
    let gateway = Gateway::new();
    for name in ["notes.purge", "system.health", "notes.watch", "system.rpc", "nothing", ""] {
        let answer = ask(&gateway, &call(1, name, &json!({}))).await;
        assert_eq!(answer["error"]["code"], -32601, "{name}");
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order() {
    let gateway = Gateway::new();
    let batch = json!([
        call(1, "notes.list", &json!({})),
        { "jsonrpc": "2.0", "method": "notes.list" },
        call(2, "nothing", &json!({})),
        5,
        call(3, "notes.edit", &json!({ "id": "a" })),
    ]);
    let answers = ask(&gateway, &batch).await;
    let ids: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2), &Value::Null, &json!(3)]);
    assert_eq!((&answers[1]["error"]["code"], &answers[2]["error"]["code"]), (&json!(-32601), &json!(-32600)));
    assert_eq!(answers[3]["result"]["id"], "a");
    let contexts = gateway.state.contexts.lock().unwrap();
    let mut drawn: Vec<_> = contexts.iter().map(|context| context.ids.clone().draw_text()).collect();
    drawn.dedup();
    assert_eq!((contexts.len(), drawn.len()), (2, 2), "each call has ids of its own");
}

#[tokio::test]
async fn notifications_are_for_what_changes_nothing() {
    let gateway = Gateway::new();
    let quiet = json!({ "jsonrpc": "2.0", "method": "notes.list" });
    for message in [quiet.clone(), json!([quiet, { "jsonrpc": "2.0", "method": "nothing" }])] {
        let answer = gateway.call("POST", "/rpc", &message.to_string()).await;
        assert_eq!((answer.status(), answer.body.as_str()), (204, ""));
    }
    let change = json!({ "jsonrpc": "2.0", "method": "notes.remove", "params": { "id": "a" } });
    let refused = ask(&gateway, &change).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32600)));
    assert!(gateway.state.contexts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn bodies_are_bounded_like_those_of_rest() {
    let gateway = Gateway::new();
    let long = ask(&gateway, &call(1, "notes.create", &json!({ "id": "a", "title": "0123456789" }))).await;
    assert_eq!(long["error"]["code"], -32013);
    let answer = gateway.call("POST", "/rpc", &" ".repeat(LIMIT + 1)).await;
    assert_eq!(answer.error().0, 413);
    let unreadable = gateway.call("POST", "/rpc", "{").await;
    assert_eq!((unreadable.status(), &unreadable.json()["error"]["code"]), (200, &json!(-32700)));
}

/// The digest of the last call's idempotency key.
fn digest(gateway: &Gateway) -> Option<(String, String)> {
    gateway.last_context().idempotency.map(|key| (key.key, key.digest))
}

#[tokio::test]
async fn a_key_stands_for_the_same_on_every_surface() {
    let gateway = Gateway::new();
    let keyed = |path: &str, body: String| {
        let method = if path == "/rpc" { "POST" } else { "PUT" };
        signed_in(method, path).header("idempotency-key", "k1").body(Body::from(body)).unwrap()
    };
    let input = json!({ "id": "n1", "title": "short" });
    gateway.send(keyed("/api/notes/n1", r#"{ "title": "short" }"#.to_owned())).await;
    let rest = digest(&gateway).unwrap();
    gateway.send(keyed("/rpc", call(1, "notes.edit", &input).to_string())).await;
    assert_eq!(digest(&gateway), Some(rest.clone()));
    let mut member = call(1, "notes.edit", &input);
    member["idempotencyKey"] = json!("k1");
    ask(&gateway, &json!([member])).await;
    assert_eq!(digest(&gateway), Some(rest));
    ask(&gateway, &call(1, "notes.edit", &input)).await;
    assert_eq!(digest(&gateway), None);
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_told() {
    let gateway = Gateway::new();
    let send = |key: &'static str, message: Value| {
        signed_in("POST", "/rpc").header("idempotency-key", key).body(Body::from(message.to_string())).unwrap()
    };
    let edit = call(4, "notes.edit", &json!({ "id": "n1" }));
    let empty = gateway.send(send("", edit.clone())).await.json();
    assert_eq!((&empty["id"], &empty["error"]["code"]), (&json!(4), &json!(-32602)));
    let of_batch = gateway.send(send("k", json!([edit]))).await.json();
    assert_eq!(of_batch["error"]["code"], -32600);
    let mut long = edit;
    long["idempotencyKey"] = json!("a".repeat(256));
    assert_eq!(ask(&gateway, &long).await["error"]["code"], -32602);
    assert!(gateway.state.contexts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_methods_describe_themselves() {
    let gateway = Gateway::new();
    let answer = anonymous(&gateway, &json!({ "jsonrpc": "2.0", "id": 1, "method": "rpc.discover" })).await.json();
    let document = &answer["result"];
    let methods = document["methods"].as_array().unwrap();
    let names: Vec<&str> = methods.iter().map(|method| method["name"].as_str().unwrap()).collect();
    for (name, is_there) in [("notes.list", true), ("notes.edit", true), ("notes.purge", false), ("notes.watch", false)]
    {
        assert_eq!(names.contains(&name), is_there, "{name}");
    }
    let edit = methods.iter().find(|method| method["name"] == "notes.edit").unwrap();
    let params: Vec<(&str, bool)> = edit["params"]
        .as_array()
        .unwrap()
        .iter()
        .map(|param| (param["name"].as_str().unwrap(), param["required"] == true))
        .collect();
    assert_eq!(params, [("id", true), ("style", false), ("title", false)]);
    assert_eq!(edit["params"][0]["description"], "The note.");
    let schema = edit["result"]["schema"]["$ref"].as_str().unwrap();
    assert!(document.pointer(schema.trim_start_matches('#')).is_some(), "{schema}");
    let remove = methods.iter().find(|method| method["name"] == "notes.remove").unwrap();
    assert_eq!(remove["result"]["schema"], json!({ "type": "null" }));
}

type Asked = Arc<Mutex<Vec<Request<String>>>>;

/// A gateway whose note `far` another instance has, which answers with that, and what that was asked.
fn beside_another(answer: Option<&'static str>) -> (Gateway, Asked) {
    let asked = Asked::default();
    let kept = asked.clone();
    let elsewhere = move |method: &Method, path: &str| -> Option<Ask> {
        let kept = kept.clone();
        let ask = move |request| -> BoxFuture<'static, Option<Response<Bytes>>> {
            kept.lock().unwrap().push(request);
            Box::pin(std::future::ready(answer.map(|answer| Response::new(answer.into()))))
        };
        (method == Method::PUT && path == "/api/notes/far").then(|| Box::new(ask) as Ask)
    };
    let options = ApiOptions { elsewhere: Some(Arc::new(elsewhere)), ..options() };
    (Gateway::with(options), asked)
}

#[tokio::test]
async fn what_another_instance_has_it_answers() {
    let there = r#"{"jsonrpc":"2.0","id":1,"result":"there"}"#;
    let (gateway, asked) = beside_another(Some(there));
    let far = call(1, "notes.edit", &json!({ "id": "far" }));
    let batch = json!([far, call(2, "notes.edit", &json!({ "id": "near" }))]);
    let answers = ask(&gateway, &batch).await;
    assert_eq!((&answers[0]["result"], &answers[1]["result"]["id"]), (&json!("there"), &json!("near")));
    let request = asked.lock().unwrap().pop().unwrap();
    let (parts, body) = request.into_parts();
    assert_eq!((parts.method.as_str(), parts.uri.path()), ("POST", "/rpc"));
    assert!(parts.headers.contains_key("authorization"));
    assert_eq!(parts.headers["content-length"], body.len().to_string());
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), far);
    for id in [json!("a/far"), json!(""), json!(7), json!("far/x")] {
        ask(&gateway, &call(1, "notes.edit", &json!({ "id": id }))).await;
        assert!(asked.lock().unwrap().is_empty(), "{id} is no note of another instance");
    }
}

#[tokio::test]
async fn an_instance_that_does_not_answer_is_told_so() {
    let (gateway, _) = beside_another(None);
    let answer = ask(&gateway, &call(1, "notes.edit", &json!({ "id": "far" }))).await;
    let error = &answer["error"];
    assert_eq!((&error["code"], &error["data"]["retryAfter"]), (&json!(-32053), &json!(1)));
}

#[tokio::test]
async fn calls_are_counted_under_their_operation() {
    let gateway =
        Gateway::with(ApiOptions { metrics: MetricsOptions { public: true, ..Default::default() }, ..options() });
    let batch = json!([call(1, "notes.list", &json!({})), call(2, "notes.remove", &json!({ "id": "absent" }))]);
    ask(&gateway, &batch).await;
    let page = gateway.send(request("GET", "/metrics").body(Body::empty()).unwrap()).await.body;
    for line in [
        r#"portway_http_requests_total{operation="notes.list",class="2xx"} 1"#,
        r#"portway_http_requests_total{operation="notes.remove",class="4xx"} 1"#,
        r#"portway_http_requests_total{operation="system.rpc",class="2xx"} 1"#,
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}
