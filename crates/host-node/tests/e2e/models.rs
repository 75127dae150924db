//! The models of an agent: what clients are told of them, and which one is used.

use portway_protocol::models::ProviderModels;
use portway_protocol::server::ServerFrame;
use serde_json::{Value, json};

use crate::harness::gateway::Gateway;
use crate::harness::mirror::Entry;
use crate::harness::socket::ClientSocket;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("models::are_listed_once_an_agent_told_them", are_listed_once_an_agent_told_them);
    trials.add("models::are_chosen_by_prompts", are_chosen_by_prompts);
    trials.add("models::are_those_of_the_session_or_preferred", are_those_of_the_session_or_preferred);
    trials.add("models::that_are_missing_are_said_so_once", that_are_missing_are_said_so_once);
}

const PATH: &str = "/api/sessions/available-models";

/// What the demo agent offers.
fn demo_models() -> Value {
    let model = |id: &str, name: &str| json!({"id": id, "name": name});
    json!([{"provider": "demo", "models": [model("demo/short", "Short"), model("demo/long", "Long")]}])
}

/// Waits until the models of the session are known.
pub(crate) async fn listed(socket: &mut ClientSocket) -> Vec<ProviderModels> {
    socket.wait_until("the models", |mirror| mirror.models.clone()).await
}

/// Asks the demo agent with that model which one it uses.
async fn used(socket: &mut ClientSocket, model: Option<&str>) -> String {
    let prompt = socket.prompt_for("/model", model).await;
    let answer = socket.answer_to(&prompt).await;
    socket.turn_end().await;
    answer.content
}

async fn are_listed_once_an_agent_told_them() {
    let mut gateway = Gateway::start("").await;
    assert_eq!(gateway.api().get(PATH).await.expect(200), json!({"models": []}));
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    assert_eq!(serde_json::to_value(listed(&mut socket).await).unwrap(), demo_models());
    assert_eq!(gateway.api().get(PATH).await.expect(200), json!({"models": demo_models()}));
    drop(socket);
    gateway.stop().await;
    gateway.launch().await;
    assert_eq!(gateway.api().get(PATH).await.expect(200), json!({"models": demo_models()}));
    let socket = session.socket().await;
    assert_eq!(serde_json::to_value(&socket.mirror.models).unwrap(), demo_models(), "with the state");
}

async fn are_chosen_by_prompts() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    assert_eq!(used(&mut socket, None).await, "I pretend to be demo/short.");
    for model in [Some("demo/long"), Some("demo/long"), None] {
        assert_eq!(used(&mut socket, model).await, "I pretend to be demo/long.", "{model:?}");
    }
    assert_eq!(used(&mut socket, Some("demo/short")).await, "I pretend to be demo/short.");
    assert_eq!(session.transcript().await, socket.mirror.messages);
}

async fn are_those_of_the_session_or_preferred() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    api.patch("/api/auth/me", &json!({"modelPreferences": ["x/none", "demo/long"]})).await.expect(200);
    let session = api.demo_session().await;
    assert_eq!(used(&mut session.socket().await, None).await, "I pretend to be demo/long.");
    session.terminate().await;
    let opening = json!({
        "workspace": "test",
        "agent": "demo",
        "initialPrompt": "/model",
        "initialModel": "demo/short",
    });
    let session = api.session(opening).await;
    let mut socket = session.socket().await;
    let first = socket.wait_until("the first prompt", |mirror| Some(mirror.messages.first()?.id.clone())).await;
    assert_eq!(socket.answer_to(&first).await.content, "I pretend to be demo/short.");
    assert_eq!(used(&mut socket, Some("demo/long")).await, "I pretend to be demo/long.");
    assert_eq!(used(&mut socket, None).await, "I pretend to be demo/short.", "what names none gets the session's");
}

fn notes(messages: &[Entry]) -> Vec<&str> {
    let contents = messages.iter().map(|entry| entry.content.as_str());
    contents.filter(|content| content.starts_with("Model switched from ")).collect()
}

async fn that_are_missing_are_said_so_once() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    for _ in 0..2 {
        assert_eq!(used(&mut socket, Some("x/none")).await, "I pretend to be demo/short.");
    }
    let note = "Model switched from x/none to demo/short: the agent does not have it";
    assert_eq!(notes(&session.transcript().await), [note]);
    assert_eq!(session.transcript().await, socket.mirror.messages);
    if let Some(frames) = socket.frames() {
        let switches = frames.iter().filter(|frame| matches!(frame, ServerFrame::ModelSwitched { .. })).count();
        assert_eq!(switches, 1);
    }
}
