//! What every request and every response have in common, and the description of all of them.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::api::send;
use crate::harness::gateway::{Gateway, KEY};
use crate::harness::host::is_worker;
use crate::harness::{PATIENCE, raw};
use crate::trials::Trials;

/// Everything that is offered.
const ROUTES: [&str; 60] = [
    "delete /api/api-keys/{id}",
    "delete /api/me/memories/{id}",
    "delete /api/sessions/{id}",
    "delete /api/sessions/{id}/participants/{userId}",
    "delete /api/sessions/{id}/queue/{messageId}",
    "delete /api/sessions/{id}/share-link/{linkId}",
    "delete /api/sessions/{id}/tunnels/{name}",
    "delete /mcp",
    "get /.well-known/oauth-protected-resource",
    "get /.well-known/oauth-protected-resource/mcp",
    "get /api/agents",
    "get /api/api-keys",
    "get /api/auth/me",
    "get /api/events",
    "get /api/events/ws",
    "get /api/me/memories",
    "get /api/search",
    "get /api/sessions",
    "get /api/sessions/available-models",
    "get /api/sessions/{id}",
    "get /api/sessions/{id}/attachments/{attachmentId}",
    "get /api/sessions/{id}/audit-log",
    "get /api/sessions/{id}/children",
    "get /api/sessions/{id}/events",
    "get /api/sessions/{id}/files-changed",
    "get /api/sessions/{id}/git-state",
    "get /api/sessions/{id}/messages",
    "get /api/sessions/{id}/participants",
    "get /api/sessions/{id}/sandbox-token",
    "get /api/sessions/{id}/share-links",
    "get /api/sessions/{id}/tunnels",
    "get /api/sessions/{id}/ws",
    "get /docs",
    "get /health",
    "get /mcp",
    "get /metrics",
    "get /openapi.json",
    "get /ready",
    "patch /api/auth/me",
    "patch /api/sessions/{id}",
    "post /api/api-keys",
    "post /api/auth/logout",
    "post /api/me/memories",
    "post /api/me/memories/recall",
    "post /api/sessions",
    "post /api/sessions/bulk-delete",
    "post /api/sessions/join/{token}",
    "post /api/sessions/{id}/abort",
    "post /api/sessions/{id}/clear-queue",
    "post /api/sessions/{id}/hibernate",
    "post /api/sessions/{id}/messages",
    "post /api/sessions/{id}/participants",
    "post /api/sessions/{id}/questions/{questionId}",
    "post /api/sessions/{id}/queue/{messageId}/promote",
    "post /api/sessions/{id}/share-link",
    "post /api/sessions/{id}/start",
    "post /api/sessions/{id}/stop",
    "post /api/sessions/{id}/wake",
    "post /mcp",
    "post /rpc",
];

pub(crate) fn add(trials: &mut Trials) {
    trials.add("requests::health_and_readiness_are_public", health_and_readiness_are_public);
    trials.add("requests::refusals_have_one_form", refusals_have_one_form);
    trials.add("requests::large_bodies_are_refused", large_bodies_are_refused);
    trials.add("requests::every_response_has_an_id", every_response_has_an_id);
    trials.add("requests::strangers_pages_are_kept_out", strangers_pages_are_kept_out);
    trials.add("requests::the_description_is_complete", the_description_is_complete);
    trials.add("requests::the_page_loads_nothing_foreign", the_page_loads_nothing_foreign);
    trials.add("requests::sockets_refuse_rubbish", sockets_refuse_rubbish);
    trials.add("requests::http2_is_spoken", http2_is_spoken);
}

async fn health_and_readiness_are_public() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let health = send(api.anonymous(Method::GET, "/health")).await.expect(200);
    assert_eq!(health["status"], "ok");
    assert!(health["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{health}");
    let ready = send(api.anonymous(Method::GET, "/ready")).await.expect(200);
    assert_eq!(ready["status"], "ready");
}

async fn refusals_have_one_form() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let create = || api.request(Method::POST, "/api/sessions").header("content-type", "application/json");
    send(create().body("{")).await.refused(400, "INVALID_REQUEST");
    for (body, field) in [
        (json!({}), "workspace"),
        (json!({"workspace": ""}), "workspace"),
        (json!({"workspace": 7}), "workspace"),
        (json!({"workspace": "x", "config": {"timeout": "soon"}}), "config.timeout"),
        (json!({"workspace": "x", "agent": "nobody"}), "agent"),
        (json!({"workspace": "x", "repoUrl": "https://example.com/x.git"}), "repoUrl"),
    ] {
        let refused = send(create().body(body.to_string())).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["details"]["fields"][0]["field"], field, "{refused}");
    }
    api.get("/api/sessions?limit=many").await.refused(400, "VALIDATION_ERROR");
    let anonymous = send(api.anonymous(Method::GET, "/api/sessions")).await;
    anonymous.refused(401, "UNAUTHORIZED");
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    api.with_key("sk_live_wrong").get("/api/sessions").await.refused(401, "UNAUTHORIZED");
    api.get("/api/nothing-here").await.refused(404, "NOT_FOUND");
    api.get("/api/sessions/nobody").await.refused(404, "NOT_FOUND");
    let wrong_method = send(api.request(Method::PUT, "/api/sessions")).await;
    wrong_method.refused(405, "METHOD_NOT_ALLOWED");
    assert!(wrong_method.header("allow").contains("POST"));
    api.get("/api/events/ws").await.refused(426, "INVALID_REQUEST");
}

/// A client that sends all of a body which nobody wants may find the connection closed before it reads the answer, so
/// these send no more than what is looked at.
async fn large_bodies_are_refused() {
    const LIMIT: usize = 1024 * 1024;
    let gateway = Gateway::start("").await;
    let head = format!(
        "POST /api/sessions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\
         Content-Type: application/json\r\n",
        gateway.address()
    );
    let announced = format!("{head}Content-Length: {}\r\n\r\n", LIMIT + 1);
    let too_long = "x".repeat(LIMIT + 1);
    let unannounced = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{too_long}", too_long.len());
    for request in [announced, unannounced] {
        let answer = raw::exchange(gateway.address(), request.as_bytes(), PATIENCE).await;
        assert_eq!(raw::statuses(&answer), [413]);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("x-request-id: ") && answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    }
}

async fn every_response_has_an_id() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let mut ids = BTreeSet::new();
    for path in ["/health", "/docs", "/openapi.json", "/api/sessions", "/api/nothing-here", "/"] {
        ids.insert(api.get(path).await.header("x-request-id").to_owned());
    }
    assert_eq!(ids.len(), 6, "each its own");
    let chosen = api.request(Method::GET, "/health").header("X-Request-Id", "my-request-1");
    assert_eq!(send(chosen).await.header("x-request-id"), "my-request-1");
    let options = send(api.anonymous(Method::OPTIONS, "/api/sessions")).await;
    assert!(!options.header("x-request-id").is_empty());
}

async fn strangers_pages_are_kept_out() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let renamed = api.request(Method::GET, "/api/sessions").header("Host", "evil.example");
    assert!((400..=421).contains(&send(renamed).await.status));
    let elsewhere = api.request(Method::POST, "/api/sessions").header("Origin", "https://evil.example");
    send(elsewhere.json(&json!({"workspace": "x"}))).await.refused(403, "FORBIDDEN");
    let shared = send(api.request(Method::GET, "/api/sessions").header("Origin", "https://evil.example")).await;
    assert!(!shared.headers.contains_key("access-control-allow-origin"));
}

async fn the_description_is_complete() {
    let gateway = Gateway::start("").await;
    let document = send(gateway.api().anonymous(Method::GET, "/openapi.json")).await.expect(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut routes = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            routes.insert(format!("{method} {path}"));
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no name"));
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{name}");
            check_path_parameters(path, operation);
        }
    }
    assert_eq!(routes, ROUTES.map(str::to_owned).into());
    let mut references = 0;
    check_references(&document, &document, &mut references);
    assert!(references > 10, "{references} references");
    // What is described is what is offered.
    // Figures are for callers on its own machine, and a Worker has none.
    for route in ROUTES.into_iter().filter(|route| !(is_worker() && *route == "get /metrics")) {
        let (method, path) = route.split_once(' ').unwrap();
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let path = path.replace("{id}", "x").replace("{questionId}", "x");
        let reply = send(gateway.api().anonymous(method, &path)).await;
        assert!(![404, 405].contains(&reply.status), "{route}: {}", reply.text);
    }
}

fn check_path_parameters(path: &str, operation: &Value) {
    let declared: BTreeSet<&str> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "path")
        .map(|parameter| {
            assert_eq!(parameter["required"], true, "{path}");
            parameter["name"].as_str().unwrap()
        })
        .collect();
    let named: BTreeSet<&str> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
    assert_eq!(declared, named, "{path}");
}

fn check_references(document: &Value, value: &Value, count: &mut usize) {
    if let Some(reference) = value["$ref"].as_str() {
        *count += 1;
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    match value {
        Value::Object(map) => map.values().for_each(|inner| check_references(document, inner, count)),
        Value::Array(list) => list.iter().for_each(|inner| check_references(document, inner, count)),
        _ => {}
    }
}

async fn the_page_loads_nothing_foreign() {
    let gateway = Gateway::start("").await;
    let page = send(gateway.api().anonymous(Method::GET, "/docs")).await;
    page.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
    let foreign = |text: &str| text.starts_with("http:") || text.starts_with("https:") || text.starts_with("//");
    for attribute in ["src=", "href=", "url(", "@import", "fetch("] {
        for (at, _) in page.text.match_indices(attribute) {
            let rest = page.text[at + attribute.len()..].trim_start_matches(['"', '\'', ' ']);
            assert!(!foreign(rest), "{attribute}{}", rest.lines().next().unwrap_or_default());
        }
    }
    assert!(page.text.contains("/openapi.json"));
}

async fn sockets_refuse_rubbish() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    for rubbish in ["{", "[]", r#"{"type":"prompt","content":7}"#] {
        socket.send_text(rubbish).await;
        assert_eq!(socket.refusal().await, "INVALID_REQUEST", "{rubbish}");
    }
    socket.send_text(r#"{"type":"prompt","content":"  "}"#).await;
    assert_eq!(socket.refusal().await, "VALIDATION_ERROR");
    // Kinds of frames that only other versions know are let pass.
    socket.send_text(r#"{"type":"typing","more":{}}"#).await;
    let prompt = socket.prompt("/say fine", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "fine");
}

/// Settings, a ping that is nothing but that, and `GET /health`, in frames.
async fn http2_is_spoken() {
    let gateway = Gateway::start("").await;
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let head = [&[0x82, 0x86, 0x04, 7], &b"/health"[..], &[0x41, 9], b"localhost"].concat();
    let frames = [frame(4, 0, 0, &[]), frame(6, 0, 0, b"HTTP/1.1"), frame(1, 5, 1, &head)].concat();
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frames].concat()).await.unwrap();
    let mut answer = Vec::new();
    let is_there = |answer: &[u8], part: &[u8]| answer.windows(part.len()).any(|bytes| bytes == part);
    while !(is_there(&answer, b"HTTP/1.1") && is_there(&answer, br#""status":"ok""#)) {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut answer)).await;
        assert!(matches!(read, Ok(Ok(1..))), "{read:?} after {}", String::from_utf8_lossy(&answer));
    }
}
