//! Turns that are told to end.

use portway_protocol::client::ClientFrame;
use portway_protocol::message::{AgentStatus, FinishReason, ToolStatus};

use crate::harness::agents::Agent;
use crate::harness::gateway::Gateway;
use crate::harness::processes;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for_agents("aborts::during_a_permission", during_a_permission);
    trials.add("aborts::an_agent_that_hangs_is_started_again", an_agent_that_hangs_is_started_again);
    trials.add("aborts::a_runner_that_hangs_is_replaced", a_runner_that_hangs_is_replaced);
    trials.add("aborts::in_the_middle_of_the_text", in_the_middle_of_the_text);
    trials.add("aborts::without_a_turn_nothing_happens", without_a_turn_nothing_happens);
}

async fn during_a_permission(agent: Agent) {
    let gateway = Gateway::for_agent(&agent).await;
    let session = gateway.api().session_with(agent.name()).await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("Write me down", None).await;
    let question = socket.question().await;
    let generation = session.generation().await;
    socket.send(&ClientFrame::ABORT).await;
    socket.question_expired(&question.id).await;
    socket.turn_end_with(true).await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Canceled));
    assert_ne!(answer.tool(agent.choices().call), Some(ToolStatus::Completed));
    assert!(!gateway.workspace(&session.id).join("demo.md").exists());
    session.answer(&question.id, true.into()).await.refused(409, "CONFLICT");

    // The same agent takes the next prompt.
    let next = socket.prompt("Again", None).await;
    socket.text_of(&next, 1).await;
    session.abort().await.expect(200);
    assert_eq!(socket.answer_to(&next).await.finish(), Some(FinishReason::Canceled));
    socket.turn_end().await;
    assert_eq!(session.generation().await, generation);
    assert_eq!(session.transcript().await, socket.mirror.messages);
}

async fn in_the_middle_of_the_text() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 1000", None).await;
    let before = socket.text_of(&prompt, 20).await;
    session.abort().await.expect(200);
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Canceled));
    assert!(answer.content.starts_with(&before), "{}", answer.content);
    assert!(!answer.content.contains("word900"), "{}", answer.content);
    socket.turn_end_with(true).await;
    assert_eq!(session.transcript().await, socket.mirror.messages);
    let next = socket.prompt("/say still here", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "still here");
}

/// The runner ends an agent that does not end its turn by itself; the sandbox stays.
async fn an_agent_that_hangs_is_started_again() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    socket.prompt("/hang", None).await;
    socket.agent_is(AgentStatus::Thinking).await;
    let agent = gateway.agent(&session.id).await;
    let generation = session.generation().await;
    session.abort().await.expect(200);
    socket.turn_end_with(true).await;
    let next = socket.prompt("/say awake", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "awake");
    assert!(!processes::is_alive(agent), "the agent that hung is gone");
    assert_eq!(session.generation().await, generation);
}

/// The gateway does not wait for a runner that does not end a turn: it gets a sandbox that does.
async fn a_runner_that_hangs_is_replaced() {
    let gateway = Gateway::start("[timeouts]\nabort = 1\n").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    socket.prompt("/hang", None).await;
    socket.agent_is(AgentStatus::Thinking).await;
    let (runner, agent) = (gateway.runner(&session.id).await, gateway.agent(&session.id).await);
    session.abort().await.expect(200);
    socket.turn_end_with(true).await;
    let next = socket.prompt("/say awake", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "awake");
    assert_eq!(session.generation().await, 2);
    assert!(!processes::is_alive(runner) && !processes::is_alive(agent), "the old sandbox is gone");
}

async fn without_a_turn_nothing_happens() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    session.abort().await.expect(200);
    let prompt = socket.prompt("/say hello", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "hello");
    session.abort().await.expect(200);
    let prompt = socket.prompt("/say hello again", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "hello again");
}
