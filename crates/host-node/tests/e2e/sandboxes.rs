//! Sandboxes that another program runs: a gateway and a backend, both as processes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::doctor::examine;
use crate::harness::agents::{Agent, custom_agent};
use crate::harness::api::send;
use crate::harness::backend::Backend;
use crate::harness::gateway::{Gateway, Refused};
use crate::harness::postgres::{POSTGRES, Server};
use crate::harness::session::Session;
use crate::harness::{eventually, processes};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for_agents("sandboxes::agents_of_a_backend_answer", agents_of_a_backend_answer);
    trials.add("sandboxes::a_wrong_token_fails_the_session", a_wrong_token_fails_the_session);
    trials.add("sandboxes::a_backend_that_is_down_is_waited_for", a_backend_that_is_down_is_waited_for);
    trials.add("sandboxes::a_backend_that_stays_away_is_told", a_backend_that_stays_away_is_told);
    trials.add("sandboxes::a_turn_survives_its_backend", a_turn_survives_its_backend);
    trials.add("sandboxes::a_turn_survives_its_gateway", a_turn_survives_its_gateway);
    trials.add("sandboxes::both_are_killed", both_are_killed);
    trials.add("sandboxes::a_session_rests_and_wakes", a_session_rests_and_wakes);
    trials.add("sandboxes::a_dead_runner_is_replaced", a_dead_runner_is_replaced);
    trials.add("sandboxes::a_stopped_gateway_leaves_nothing", a_stopped_gateway_leaves_nothing);
    trials.add_for(POSTGRES, "sandboxes::gateways_share_a_backend", gateways_share_a_backend);
    trials.add("sandboxes::the_backend_decides_what_runs", the_backend_decides_what_runs);
    trials.add("sandboxes::the_backend_trusts_no_request", the_backend_trusts_no_request);
    trials.add("sandboxes::a_repeated_start_replaces_the_first", a_repeated_start_replaces_the_first);
    trials.add("sandboxes::mistakes_are_told_before_anything_starts", mistakes_are_told_before_anything_starts);
    trials.add("sandboxes::the_doctor_looks_at_the_backend", the_doctor_looks_at_the_backend);
}

/// A gateway that is not started yet, for that backend.
fn gateway_of(backend: &Backend, config: &str) -> Gateway {
    Gateway::prepared(config).on_backend(&backend.url(), &backend.token())
}

async fn running(config: &str) -> (Backend, Gateway) {
    let backend = Backend::start(config).await;
    let mut gateway = gateway_of(&backend, config);
    gateway.launch().await;
    (backend, gateway)
}

async fn post(session: &Session, what: &str) -> Value {
    send(session.api.request(Method::POST, &session.path(what))).await.expect(200)
}

async fn agents_of_a_backend_answer(agent: Agent) {
    let (backend, gateway) = running(&agent.config()).await;
    let session = gateway.api().session_with(agent.name()).await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("Hello", None).await;
    socket.text_of(&prompt, 10).await;
    assert!(processes::is_alive(backend.runner(&session.id).await));
    assert_eq!(gateway.descendants(), [0; 0], "the gateway runs nothing itself");
    session.abort().await.expect(200);
    socket.answer_to(&prompt).await;
    session.terminate().await;
    backend.no_descendants().await;
}

async fn a_wrong_token_fails_the_session() {
    let backend = Backend::start("").await;
    let mut gateway = Gateway::prepared("").on_backend(&backend.url(), "0123456789abcdef0123456789abcdef");
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    let detail = session.reaches("error").await;
    let error = detail["session"]["errorMessage"].as_str().unwrap();
    assert!(error.contains("refuses the token") && error.contains("PORTWAY_SANDBOX_TOKEN"), "{error}");
    assert!(!gateway.log().contains("0123456789abcdef"), "the token stays out of the log");
}

async fn a_backend_that_is_down_is_waited_for() {
    let (mut backend, gateway) = running("").await;
    backend.stop().await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say at last", None).await;
    eventually("the gateway tried", async || gateway.log().contains("cannot be reached").then_some(())).await;
    assert_eq!(session.status().await, "initializing");
    backend.launch().await;
    assert_eq!(socket.answer_to(&prompt).await.content, "at last");
    assert_eq!(session.generation().await, 1);
    session.terminate().await;
    backend.no_descendants().await;
}

async fn a_backend_that_stays_away_is_told() {
    let mut backend = Backend::start("").await;
    let mut gateway = gateway_of(&backend, "[timeouts]\nstart = 6");
    gateway.launch().await;
    backend.stop().await;
    let session = gateway.api().demo_session().await;
    let detail = session.reaches("error").await;
    let error = detail["session"]["errorMessage"].as_str().unwrap();
    assert!(error.contains(&backend.url()) && error.contains("portway sandbox serve"), "{error}");
    // What there may be of the sandbox is still to be stopped.
    backend.launch().await;
}

async fn a_turn_survives_its_backend() {
    let (mut backend, gateway) = running("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 40", None).await;
    socket.text_of(&prompt, 10).await;
    let runner = backend.runner(&session.id).await;
    backend.kill9().await;
    assert!(processes::is_alive(runner));
    backend.launch().await;
    assert!(socket.answer_to(&prompt).await.content.ends_with("word40 "));
    let next = socket.prompt("/say again", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "again");
    assert_eq!(session.generation().await, 1);
    assert_eq!(backend.runner(&session.id).await, runner);
    session.terminate().await;
    backend.no_descendants().await;
}

async fn a_turn_survives_its_gateway() {
    let (backend, mut gateway) = running("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 40", None).await;
    socket.text_of(&prompt, 10).await;
    let runner = backend.runner(&session.id).await;
    gateway.kill9().await;
    gateway.launch().await;
    let mut socket = session.socket().await;
    assert!(socket.answer_to(&prompt).await.content.ends_with("word40 "));
    assert_eq!(backend.runner(&session.id).await, runner);
    session.terminate().await;
    backend.no_descendants().await;
}

/// The gateway comes back first and cannot ask about its sandboxes: they get time to come back all the same.
async fn both_are_killed() {
    let (mut backend, mut gateway) = running("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 40", None).await;
    socket.text_of(&prompt, 10).await;
    backend.kill9().await;
    gateway.kill9().await;
    gateway.launch().await;
    let mut socket = session.socket().await;
    assert!(socket.answer_to(&prompt).await.content.ends_with("word40 "));
    backend.launch().await;
    session.terminate().await;
    backend.no_descendants().await;
}

async fn a_session_rests_and_wakes() {
    let (backend, gateway) = running("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/say one", None).await;
    socket.answer_to(&first).await;
    socket.turn_end().await;
    let workspace = backend.data().join("workspaces").join(&session.id);
    std::fs::write(workspace.join("kept"), "").unwrap();
    assert_eq!(post(&session, "/hibernate").await["status"], "hibernating");
    session.reaches("hibernated").await;
    backend.no_descendants().await;
    let second = socket.prompt("/say two", None).await;
    assert_eq!(socket.answer_to(&second).await.content, "two");
    assert_eq!(session.generation().await, 2);
    assert!(workspace.join("kept").exists());
    session.terminate().await;
    backend.no_descendants().await;
    let body = json!({"sessionId": session.id});
    assert_eq!(backend.call("delete-workspace", &body).await.expect(200)["deleted"], true);
    assert!(!workspace.exists());
    assert_eq!(backend.call("delete-workspace", &body).await.expect(200)["deleted"], false);
}

async fn a_dead_runner_is_replaced() {
    let (backend, gateway) = running("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 1000", None).await;
    socket.text_of(&prompt, 10).await;
    processes::kill9(backend.runner(&session.id).await);
    let answer = socket.answer_to(&prompt).await;
    assert!(answer.error().is_some_and(|error| error.contains("killed by signal 9")), "{answer:?}");
    let next = socket.prompt("/say still here", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "still here");
    assert_eq!(session.generation().await, 2);
    session.terminate().await;
    backend.no_descendants().await;
}

async fn a_stopped_gateway_leaves_nothing() {
    let backend = Backend::start("").await;
    let (url, token) = (backend.url(), backend.token_file());
    let arguments = ["--sandbox-url", &url, "--sandbox-token-file", &token];
    let mut gateway = Gateway::prepared("").with_arguments(&arguments);
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    backend.runner(&session.id).await;
    session.reaches("running").await;
    gateway.stop().await;
    backend.no_descendants().await;
    gateway.launch().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say back", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "back");
    session.terminate().await;
    backend.no_descendants().await;
}

/// All of them reach all sandboxes, and each looks after those that it started.
async fn gateways_share_a_backend(server: Server) {
    let backend = Backend::start("").await;
    let mut one = gateway_of(&backend, "").on_server(server);
    one.launch().await;
    let mut two = gateway_of(&backend, "").beside(&one);
    two.launch().await;
    let here = one.api().with_neighbours().demo_session().await;
    here.reaches("running").await;
    let runner = backend.runner(&here.id).await;
    two.restart().await;
    assert_eq!(backend.runner(&here.id).await, runner);
    let there = Session::new(two.api().with_neighbours(), &here.id);
    let mut socket = there.socket().await;
    let prompt = socket.prompt("/say still here", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "still here");
    assert_eq!(here.generation().await, 1);
    there.terminate().await;
    backend.no_descendants().await;
}

async fn the_backend_decides_what_runs() {
    let demo = env!("CARGO_BIN_EXE_portway");
    let config = custom_agent("mine", &[demo, "demo-agent"]);
    let mut backend = Backend::start("").await;
    let mut gateway = gateway_of(&backend, &config);
    gateway.launch().await;
    let session = gateway.api().session_with("mine").await;
    let detail = session.reaches("error").await;
    let error = detail["session"]["errorMessage"].as_str().unwrap();
    assert!(error.contains("no agent 'mine', only demo"), "{error}");
    backend.stop().await;
    let mut backend = backend.with_arguments(&["--allow-any-command"]);
    backend.launch().await;
    let session = gateway.api().session_with("mine").await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say mine", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "mine");
    session.terminate().await;
    backend.no_descendants().await;
}

/// A request to start a sandbox, with these fields changed.
fn create(changes: &Value) -> Value {
    let mut body = json!({
        "sessionId": "s-1",
        "userId": "u",
        "workspace": "w",
        "imageType": "base",
        "doWsUrl": "ws://127.0.0.1:1/api/sessions/s-1/ws",
        "runnerToken": "secret",
        "jwtSecret": "other",
        "idleTimeoutSeconds": 900,
        "envVars": {},
        "agent": {"name": "demo"},
        "generation": 1,
    });
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

async fn the_backend_trusts_no_request() {
    let backend = Backend::start("").await;
    let refused = async |changes: Value, part: &str| {
        let reply = backend.call("create-session", &create(&changes)).await;
        assert_eq!(reply.status, 400, "{}", reply.text);
        assert!(reply.text.contains(part), "{}", reply.text);
    };
    let socket = |base: &str| json!({"doWsUrl": format!("{base}/api/sessions/s-1/ws")});
    refused(socket("wss://evil.example"), "--allow-gateway").await;
    refused(socket("http://127.0.0.1:1"), "doWsUrl").await;
    refused(json!({"doWsUrl": "ws://127.0.0.1:1/api/sessions/s-2/ws"}), "doWsUrl").await;
    refused(json!({"sessionId": "../up"}), "sessionId").await;
    refused(json!({"runnerToken": "a b"}), "runnerToken").await;
    refused(json!({"agent": {"name": "sh", "command": ["sh"]}}), "no agent 'sh'").await;
    refused(json!({"directory": "/"}), "--allow-folder").await;
    refused(json!({"generation": -1}), "generation").await;
    backend.call_with("wrong", "create-session", &create(&json!({}))).await.refused(401, "UNAUTHORIZED");
    backend.call("session-status", &json!({})).await.refused(400, "VALIDATION_ERROR");
    backend.call("no-such-call", &json!({})).await.refused(404, "NOT_FOUND");
    let large = json!({"sessionId": "x".repeat(2 << 20)});
    assert_eq!(backend.call("delete-workspace", &large).await.status, 413);
    assert_eq!(backend.descendants(), [0; 0], "nothing was started");
}

async fn a_repeated_start_replaces_the_first() {
    let backend = Backend::start("").await;
    let start =
        async |generation: u32| backend.call("create-session", &create(&json!({"generation": generation}))).await;
    assert_eq!(start(1).await.expect(200)["sandboxId"], "s-1.1");
    let first = backend.runner("s-1").await;
    start(1).await.expect(200);
    assert!(!processes::is_alive(first));
    let second = backend.runner("s-1").await;
    assert_eq!(start(2).await.expect(200)["sandboxId"], "s-1.2");
    assert!(!processes::is_alive(second));
    start(1).await.refused(409, "CONFLICT");
    let by_id = json!({"sandboxId": "s-1.2"});
    assert_eq!(backend.call("session-status", &by_id).await.expect(200)["status"], "running");
    backend.call("delete-workspace", &json!({"sessionId": "s-1"})).await.refused(409, "CONFLICT");
    assert_eq!(backend.call("hibernate-session", &by_id).await.expect(200)["snapshotImageId"], "s-1.2");
    backend.no_descendants().await;
    backend.call("hibernate-session", &by_id).await.refused(409, "CONFLICT");
    let status = backend.call("session-status", &by_id).await.expect(200);
    assert_eq!((&status["status"], status["detail"].is_string()), (&json!("gone"), true));
    assert_eq!(backend.call("terminate-session", &by_id).await.expect(200)["success"], true);
}

async fn mistakes_are_told_before_anything_starts() {
    let told = async |arguments: &[&str]| {
        let mut backend = Backend::prepared("[agents.x]\nenv = 5").with_arguments(arguments);
        let Err(Refused { code, stderr }) = backend.try_launch().await else { panic!("it starts") };
        assert_eq!(code, Some(2));
        stderr
    };
    let stderr =
        told(&["--listen", "0.0.0.0:0", "--gateway-url", "http://x", "--allow-folder", "/does/not/exist"]).await;
    for part in ["[agents.x] env", "--insecure", "--gateway-url", "/does/not/exist"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let mut gateway =
        Gateway::prepared("sandbox_url = \"http://sandboxes.example\"\nsandbox_gateway_url = \"http://g\"");
    let stderr = gateway.try_launch().await.unwrap_err().stderr;
    assert!(stderr.contains("portway.toml:1:1: sandbox_url: the token"), "{stderr}");
    let mut gateway = Gateway::prepared("sandbox_url = \"http://127.0.0.1:1\"\nsandbox_gateway_url = \"http://g\"");
    let stderr = gateway.try_launch().await.unwrap_err().stderr;
    assert!(stderr.contains("sandbox_gateway_url: expected ws://"), "{stderr}");
    let mut gateway = Gateway::prepared("sandbox_url = \"http://127.0.0.1:1\"");
    let stderr = gateway.try_launch().await.unwrap_err().stderr;
    assert!(stderr.contains("set PORTWAY_SANDBOX_TOKEN"), "{stderr}");
}

async fn the_doctor_looks_at_the_backend() {
    let mut backend = Backend::start("").await;
    let config = format!("sandbox_url = \"{}\"\nsandbox_token_file = \"{}\"", backend.url(), backend.token_file());
    let gateway = Gateway::prepared(&config).on_file();
    examine(&gateway.data(), &[]).assert_told_fine("sandboxes", "lets the gateway in");
    backend.stop().await;
    examine(&gateway.data(), &[]).assert_told("problem", "sandboxes", "cannot be reached");
}
