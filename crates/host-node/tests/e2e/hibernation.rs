//! Sessions that rest without a sandbox.

use portway_protocol::client::AnswerValue;
use portway_protocol::message::FinishReason;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::agents::Agent;
use crate::harness::api::send;
use crate::harness::gateway::Gateway;
use crate::harness::session::Session;
use crate::harness::socket::ClientSocket;
use crate::sharing::{everybody, gateway_with};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("hibernation::a_prompt_wakes_the_session", a_prompt_wakes_the_session);
    trials.add("hibernation::what_is_busy_stays", what_is_busy_stays);
    trials.add("hibernation::stop_and_start", stop_and_start);
    trials.add("hibernation::who_may_stop_and_start", who_may_stop_and_start);
    trials.add("hibernation::a_session_rests_across_a_restart", a_session_rests_across_a_restart);
    trials.add_for_agents("hibernation::agents_go_on_with_the_conversation", agents_go_on_with_the_conversation);
}

async fn post(session: &Session, what: &str) -> Value {
    send(session.api.request(Method::POST, &session.path(what))).await.expect(200)
}

/// Puts the session to rest and waits until it does.
pub(crate) async fn hibernate(gateway: &Gateway, session: &Session, socket: &mut ClientSocket) {
    assert_eq!(post(session, "/hibernate").await["status"], "hibernating");
    socket.wait_until("the rest", |mirror| (mirror.status == "hibernated").then_some(())).await;
    gateway.no_descendants().await;
    assert_eq!(session.status().await, "hibernated");
}

async fn a_prompt_wakes_the_session() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/say one", None).await;
    socket.answer_to(&first).await;
    socket.turn_end().await;
    hibernate(&gateway, &session, &mut socket).await;
    assert_eq!(session.detail().await["doStatus"]["sandboxId"], Value::Null);
    assert_eq!(post(&session, "/hibernate").await["status"], "hibernated");
    let second = socket.prompt("/say two", None).await;
    assert_eq!(socket.answer_to(&second).await.content, "two");
    assert_eq!((session.status().await.as_str(), session.generation().await), ("running", 2));
    socket.turn_end().await;
    hibernate(&gateway, &session, &mut socket).await;
    assert_eq!(post(&session, "/wake").await["status"], "restoring");
    socket.wait_until("the sandbox", |mirror| (mirror.status == "running").then_some(())).await;
    session.terminate().await;
    gateway.no_descendants().await;
    assert_eq!(post(&session, "/wake").await["status"], "terminated");
    assert_eq!(session.transcript().await, socket.mirror.messages);
}

async fn what_is_busy_stays() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/ask something", None).await;
    let question = socket.question().await;
    assert_eq!(post(&session, "/hibernate").await["status"], "running");
    socket.answer(&question.id, AnswerValue::Flag(true)).await;
    let answer = socket.answer_to(&prompt).await;
    assert!(answer.content.starts_with("something: "), "{}", answer.content);
    assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
}

/// What `/refresh` of clients does: the session stops and comes back, and neither does harm when it is asked for twice.
async fn stop_and_start() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let busy = socket.prompt("/ask something", None).await;
    let question = socket.question().await;
    let stays = post(&session, "/stop").await;
    assert_eq!(stays["status"], "running");
    assert!(!stays["message"].as_str().unwrap().is_empty(), "{stays}");
    socket.answer(&question.id, AnswerValue::Flag(true)).await;
    socket.answer_to(&busy).await;
    socket.turn_end().await;
    assert_eq!(post(&session, "/start").await["status"], "running");
    assert_eq!(session.generation().await, 1);

    assert_eq!(post(&session, "/stop").await["status"], "hibernating");
    socket.wait_until("the rest", |mirror| (mirror.status == "hibernated").then_some(())).await;
    gateway.no_descendants().await;
    assert_eq!(post(&session, "/stop").await["status"], "hibernated");

    for _ in 0..2 {
        let status = post(&session, "/start").await["status"].clone();
        assert!(status == "restoring" || status == "running", "{status}");
    }
    socket.wait_until("the sandbox", |mirror| (mirror.status == "running").then_some(())).await;
    let prompt = socket.prompt("/say back", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "back");
    assert_eq!(session.generation().await, 2, "it was started once");
    session.terminate().await;
    for what in ["/stop", "/start"] {
        assert_eq!(post(&session, what).await["status"], "terminated");
    }
}

async fn who_may_stop_and_start() {
    let gateway = gateway_with(&["stranger", "viewer", "collaborator"]).await;
    let [stranger, viewer, collaborator, owner] = everybody(&gateway).await;
    let mut socket = owner.socket().await;
    let prompt = socket.prompt("/say ready", None).await;
    socket.answer_to(&prompt).await;
    socket.turn_end().await;
    for session in [&stranger, &viewer] {
        for what in ["/stop", "/start"] {
            send(session.api.request(Method::POST, &session.path(what))).await.refused(404, "NOT_FOUND");
        }
    }
    assert_eq!(owner.status().await, "running");
    assert_eq!(post(&collaborator, "/stop").await["status"], "hibernating");
    socket.wait_until("the rest", |mirror| (mirror.status == "hibernated").then_some(())).await;
    assert_eq!(post(&collaborator, "/start").await["status"], "restoring");
    socket.wait_until("the sandbox", |mirror| (mirror.status == "running").then_some(())).await;
    owner.terminate().await;
}

async fn a_session_rests_across_a_restart() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say asleep", None).await;
    socket.answer_to(&prompt).await;
    socket.turn_end().await;
    hibernate(&gateway, &session, &mut socket).await;
    gateway.restart().await;
    assert_eq!(session.status().await, "hibernated");
    let prompt = session.prompt_with(json!({"content": "/say awake"})).await;
    let mut socket = session.socket().await;
    assert_eq!(socket.answer_to(&prompt).await.content, "awake");
}

async fn agents_go_on_with_the_conversation(agent: Agent) {
    let gateway = Gateway::for_agent(&agent).await;
    let session = gateway.api().session_with(agent.name()).await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("Hello", None).await;
    socket.text_of(&prompt, 10).await;
    session.abort().await.expect(200);
    socket.answer_to(&prompt).await;
    socket.turn_end().await;
    hibernate(&gateway, &session, &mut socket).await;
    let prompt = socket.prompt("Hello again", None).await;
    socket.text_of(&prompt, 10).await;
    assert_eq!(session.generation().await, 2);
    session.abort().await.expect(200);
    socket.answer_to(&prompt).await;
}
