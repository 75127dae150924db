//! What the gateway writes about its work, and what it keeps to itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::api::send;
use crate::harness::gateway::Gateway;
use crate::harness::socket::ClientSocket;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("logs::every_request_has_one_line", every_request_has_one_line);
    trials.add("logs::lines_of_requests_can_be_switched_off", lines_of_requests_can_be_switched_off);
    trials.add("logs::no_log_has_a_secret", no_log_has_a_secret);
    trials.add("logs::agents_secrets_are_in_no_log", agents_secrets_are_in_no_log);
}

/// The lines of the access log.
pub(crate) fn requests(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "portway::access").map(|line| line["fields"].clone()).collect()
}

async fn every_request_has_one_line() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    let me = api.get("/api/auth/me").await.expect(200);
    let asked = api.request(Method::GET, "/api/sessions?limit=5").header("x-request-id", "mine-1");
    let size = send(asked).await.text.len();
    send(api.anonymous(Method::GET, "/api/sessions")).await.expect(401);
    api.get("/health").await.expect(200);
    let lines = requests(&gateway.log());
    let [_, list, stranger] = &*lines else { panic!("{lines:#?}") };
    assert_eq!((&list["request_id"], &list["route"]), (&json!("mine-1"), &json!("sessions.list")), "{list}");
    assert_eq!((&list["path"], &list["status"], &list["bytes"]), (&json!("/api/sessions"), &json!(200), &json!(size)));
    assert_eq!(list["caller"], me["user"]["id"]);
    assert!(list["duration_ms"].as_f64().is_some_and(|span| (0.0..60_000.0).contains(&span)), "{list}");
    assert_eq!((&stranger["status"], &stranger["caller"]), (&json!(401), &Value::Null), "{stranger}");
    assert!(gateway.log().lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", gateway.log());
}

async fn lines_of_requests_can_be_switched_off() {
    let off = Gateway::start("[log]\naccess = false\n").await;
    off.api().get("/api/auth/me").await.expect(200);
    assert_eq!(requests(&off.log()), [Value::Null; 0]);
    let mut off = Gateway::prepared("").with_variable("PORTWAY_ACCESS_LOG", "off");
    off.launch().await;
    off.api().get("/api/auth/me").await.expect(200);
    assert_eq!(requests(&off.log()), [Value::Null; 0]);
}

async fn no_log_has_a_secret() {
    let mut gateway = Gateway::prepared("").with_variable("PORTWAY_LOG", "trace");
    gateway.launch().await;
    let api = gateway.api();
    let made = api.post("/api/api-keys", &json!({"name": "ci"})).await.expect(201);
    let token = made["token"].as_str().unwrap().to_owned();
    let session = api.with_key(&token).demo_session().await;
    // The token as a header, in the query of a request, and in the query of a socket.
    api.get(&format!("/api/auth/me?token={token}")).await.expect(200);
    send(api.anonymous(Method::GET, "/api/auth/me?token=sk_live_wrong_secret")).await.expect(401);
    api.with_key("sk_live_wrong_header").get("/api/sessions").await.expect(401);
    let path = format!("/api/sessions/{}/ws?role=client&token={token}", session.id);
    let (mut stream, _) = tokio_tungstenite::connect_async(format!("ws://{}{path}", gateway.address())).await.unwrap();
    futures_util::SinkExt::close(&mut stream).await.unwrap();
    api.get("/health").await.expect(200);
    // Texts of people and agents, in good and in bad requests.
    let mut socket: ClientSocket = session.socket().await;
    let prompt = socket.prompt("/say hunter2-prompt", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "hunter2-prompt");
    socket.send_text(r#"{"type":"prompt","content":["hunter2-frame"]}"#).await;
    socket.refusal().await;
    session.try_prompt(json!({"content": {"x": "hunter2-field"}})).await.refused(400, "VALIDATION_ERROR");
    let create = api.request(Method::POST, "/api/sessions").header("content-type", "application/json");
    send(create.body("{\"workspace\": hunter2-body}")).await.refused(400, "INVALID_REQUEST");
    session.terminate().await;
    gateway.stop().await;

    let logs = gateway.log() + &gateway.runner_logs();
    assert!(logs.contains("sessions.create") && logs.contains("DEBUG"), "{logs}");
    for secret in [api.key(), &*token, "sk_live_wrong", "hunter2"] {
        assert!(!logs.contains(secret), "{secret} in\n{logs}");
    }
}

async fn agents_secrets_are_in_no_log() {
    let config = "[agents.broken]\ncommand = [\"/bin/false\", \"--key\", \"plain\"]\nenv = { KEY = \"hunter2-env\" }\n";
    let mut gateway = Gateway::prepared(config).with_variable("PORTWAY_LOG", "trace");
    gateway.launch().await;
    let session = gateway.api().session_with("broken").await;
    session.prompt("hunter2-prompt").await;
    crate::harness::eventually("the session fails", async || (session.status().await == "error").then_some(())).await;
    gateway.stop().await;
    let logs = gateway.log() + &gateway.runner_logs();
    assert!(logs.contains(&session.id));
    assert!(!logs.contains("hunter2"), "{logs}");
}
