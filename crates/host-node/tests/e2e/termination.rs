//! The end of a session.

use portway_protocol::message::FinishReason;
use serde_json::{Value, json};

use crate::harness::agents::custom_agent;
use crate::harness::gateway::Gateway;
use crate::harness::processes;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("termination::nothing_is_left_of_the_sandbox", nothing_is_left_of_the_sandbox);
    trials.add("termination::in_the_middle_of_a_turn", in_the_middle_of_a_turn);
    trials.add("termination::during_the_start", during_the_start);
    trials.add("termination::of_an_agent_that_never_speaks", of_an_agent_that_never_speaks);
    trials.add("termination::is_kept_while_the_gateway_is_away", is_kept_while_the_gateway_is_away);
    trials.add("termination::an_agent_may_leave_children", an_agent_may_leave_children);
}

async fn nothing_is_left_of_the_sandbox() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say hello", None).await;
    socket.answer_to(&prompt).await;
    socket.turn_end().await;
    session.terminate().await;
    socket.wait_until("the end", |mirror| (mirror.status == "terminated").then_some(())).await;
    gateway.no_descendants().await;
    assert_eq!(session.status().await, "terminated");
    assert_eq!(session.detail().await["doStatus"]["sandboxId"], Value::Null);

    session.try_prompt(json!({"content": "hello?"})).await.refused(409, "SESSION_TERMINATED");
    session.abort().await.refused(409, "SESSION_TERMINATED");
    socket.send_text(r#"{"type":"prompt","content":"hello?"}"#).await;
    assert_eq!(socket.refusal().await, "SESSION_TERMINATED");
    session.terminate().await;
    assert_eq!(session.transcript().await, socket.mirror.messages);
    assert_eq!(session.socket().await.mirror.status, "terminated");
}

async fn in_the_middle_of_a_turn() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 1000", None).await;
    let before = socket.text_of(&prompt, 10).await;
    session.terminate().await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Canceled));
    assert!(answer.content.starts_with(&before));
    gateway.no_descendants().await;
    assert_eq!(session.transcript().await, socket.mirror.messages);
}

async fn during_the_start() {
    let gateway = Gateway::start("").await;
    let api = gateway.api();
    for _ in 0..5 {
        let session = api.demo_session().await;
        session.terminate().await;
        assert_eq!(session.status().await, "terminated");
    }
    gateway.no_descendants().await;
}

async fn of_an_agent_that_never_speaks() {
    let gateway = Gateway::start(&custom_agent("mute", &["sh", "-c", "while read line; do :; done"])).await;
    let session = gateway.api().session_with("mute").await;
    session.prompt("Anybody there?").await;
    let agent = gateway.agent(&session.id).await;
    session.terminate().await;
    gateway.no_descendants().await;
    assert!(!processes::is_alive(agent));
}

async fn is_kept_while_the_gateway_is_away() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 1000", None).await;
    socket.text_of(&prompt, 1).await;
    session.terminate().await;
    gateway.kill9().await;
    gateway.launch().await;
    assert_eq!(session.status().await, "terminated");
    gateway.no_descendants().await;
}

/// The whole process group of an agent goes, whatever it started.
async fn an_agent_may_leave_children() {
    let demo = env!("CARGO_BIN_EXE_portway");
    let script = format!("sleep 1000 & sleep 2000 & exec '{demo}' demo-agent");
    let gateway = Gateway::start(&custom_agent("parent", &["sh", "-c", &script])).await;
    let session = gateway.api().session_with("parent").await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say hello", None).await;
    socket.answer_to(&prompt).await;
    assert_eq!(gateway.descendants().len(), 4, "the runner, the agent and its children");
    session.terminate().await;
    gateway.no_descendants().await;
}
