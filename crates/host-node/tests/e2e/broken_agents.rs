//! Agents that print rubbish, or never start.

use portway_protocol::message::{FinishReason, MessageRole};
use serde_json::{Value, json};

use crate::harness::agents::custom_agent;
use crate::harness::gateway::{Gateway, gateways_are_two};
use crate::harness::mirror::{Entry, Mirror};
use crate::harness::processes;
use crate::harness::session::Session;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("broken_agents::an_agent_may_print_rubbish", an_agent_may_print_rubbish);
    trials.add("broken_agents::the_command_is_not_found", the_command_is_not_found);
    trials.add("broken_agents::the_command_exits_at_once", the_command_exits_at_once);
    trials.add("broken_agents::the_command_prints_nothing_but_rubbish", the_command_prints_nothing_but_rubbish);
    trials.add("broken_agents::the_command_never_speaks", the_command_never_speaks);
    trials.add("broken_agents::the_folder_is_gone", the_folder_is_gone);
    // A second gateway would still know it.
    if !gateways_are_two() {
        trials.add("broken_agents::the_agent_is_no_longer_configured", the_agent_is_no_longer_configured);
    }
}

async fn an_agent_may_print_rubbish() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/garbage", None).await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.content, "noise noise noise noise ");
    assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
}

/// Opens a session with that agent and waits for its error, which a socket and HTTP tell in the same words.
async fn fails(gateway: &Gateway, body: Value) -> (Session, String) {
    let session = gateway.api().session(body).await;
    let mut socket = session.socket().await;
    socket.wait_until("the session fails", |mirror| (mirror.status == "error").then_some(())).await;
    let detail = session.reaches("error").await;
    let error = detail["session"]["errorMessage"].as_str().unwrap_or_else(|| panic!("no reason: {detail}")).to_owned();
    // It may have failed before the socket was open; then the transcript has it.
    let system = |entry: &&Entry| entry.role == MessageRole::System;
    let told = |mirror: &Mirror| mirror.messages.iter().find(system).map(|entry| entry.content.clone());
    let told = socket.wait_until("the reason", told).await;
    assert_eq!(told, format!("Error: {error}"));
    assert_eq!(session.transcript().await, socket.mirror.messages);
    assert_eq!(detail["doStatus"]["sandboxId"], Value::Null, "{detail}");
    gateway.no_descendants().await;
    let refused = session.try_prompt(json!({"content": "hello?"})).await;
    refused.refused(409, "SESSION_TERMINATED");
    (session, error)
}

async fn fails_with_command(command: &[&str]) -> String {
    let gateway = Gateway::start(&custom_agent("broken", command)).await;
    fails(&gateway, json!({"workspace": "test"})).await.1
}

async fn the_command_is_not_found() {
    let error = fails_with_command(&["no-such-program-anywhere", "--acp"]).await;
    assert!(error.contains("command not found: no-such-program-anywhere"), "{error}");
    assert!(error.contains("[agents.NAME].command"), "{error}");
}

async fn the_command_exits_at_once() {
    let error = fails_with_command(&["sh", "-c", "echo 'no licence' >&2; exit 7"]).await;
    assert!(error.contains("exit code 7") && error.contains("no licence"), "{error}");
}

async fn the_command_prints_nothing_but_rubbish() {
    let error = fails_with_command(&["yes", "rubbish"]).await;
    assert!(error.contains("1000 lines without JSON"), "{error}");
}

async fn the_command_never_speaks() {
    let config =
        format!("{}[timeouts]\nready = 2\n", custom_agent("mute", &["sh", "-c", "while read line; do :; done"]));
    let gateway = Gateway::start(&config).await;
    let body = json!({"workspace": "test", "initialPrompt": "Anybody there?"});
    let (_, error) = fails(&gateway, body).await;
    assert!(error.contains("took no prompts within 2 seconds"), "{error}");
}

async fn the_folder_is_gone() {
    let gateway = Gateway::start("").await;
    let folder = gateway.scratch().join("nothing-here");
    let (_, error) = fails(&gateway, json!({"workspace": "test", "directory": folder})).await;
    assert!(error.contains("nothing-here") && error.contains("does not exist"), "{error}");
}

async fn the_agent_is_no_longer_configured() {
    let demo = env!("CARGO_BIN_EXE_portway");
    let mut gateway = Gateway::start(&custom_agent("mine", &[demo, "demo-agent"])).await;
    let session = gateway.api().session_with("mine").await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say here", None).await;
    socket.answer_to(&prompt).await;
    gateway.stop_with_sandbox(&session).await;
    std::fs::write(gateway.data().join("portway.toml"), "").unwrap();
    gateway.launch().await;
    session.prompt("/say gone").await;
    let detail = session.reaches("error").await;
    let error = detail["session"]["errorMessage"].as_str().unwrap();
    assert!(error.contains("'mine' is no longer configured"), "{error}");
    assert_eq!(
        gateway.descendants(),
        Vec::<i32>::new(),
        "{:?}",
        gateway.descendants().into_iter().map(processes::describe)
    );
}
