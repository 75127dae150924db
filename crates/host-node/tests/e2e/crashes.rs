//! Agents and runners that die in the middle of a turn.

use portway_protocol::message::{FinishReason, MessageRole};

use crate::harness::agents::{Agent, custom_agent};
use crate::harness::gateway::Gateway;
use crate::harness::{eventually, processes};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add_for_agents("crashes::the_agent_is_killed", the_agent_is_killed);
    trials.add_for_agents("crashes::the_runner_is_killed", the_runner_is_killed);
    trials.add("crashes::nothing_outlives_a_killed_runner", nothing_outlives_a_killed_runner);
    trials.add("crashes::the_agent_exits", the_agent_exits);
    trials.add("crashes::the_agent_fails_a_turn", the_agent_fails_a_turn);
    trials.add("crashes::a_followup_survives_the_runner", a_followup_survives_the_runner);
    trials.add("crashes::the_agent_is_killed_while_it_asks", the_agent_is_killed_while_it_asks);
}

/// A prompt that takes longer than a test wants to wait.
fn long_prompt(agent: &Agent) -> &'static str {
    match agent {
        Agent::Demo => "/slow 1000",
        Agent::Example(_) => "Take your time",
    }
}

async fn the_agent_exits() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/crash", None).await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Error));
    assert_eq!(answer.content, "I am about to crash.");
    let reason = "The agent exited (exit code 3). Its last words: demo crash";
    assert_eq!(answer.error(), Some(reason));
    socket.turn_end().await;
    let errors: Vec<_> = socket.mirror.messages.iter().filter(|entry| entry.role == MessageRole::System).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].content, format!("Error: {reason}"));
    let next = socket.prompt("/say back again", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "back again");
    assert_eq!(session.generation().await, 1);
    assert_eq!(session.transcript().await, socket.mirror.messages);
}

async fn the_agent_is_killed(agent: Agent) {
    let gateway = Gateway::for_agent(&agent).await;
    let session = gateway.api().session_with(agent.name()).await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt(long_prompt(&agent), None).await;
    let before = socket.text_of(&prompt, 10).await;
    processes::kill9(gateway.agent(&session.id).await);
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Error));
    assert!(answer.content.starts_with(&before), "{before:?} is kept: {answer:?}");
    assert!(answer.error().is_some_and(|error| error.contains("killed by SIGKILL")), "{answer:?}");
    socket.turn_end().await;
    let next = socket.prompt(long_prompt(&agent), None).await;
    socket.text_of(&next, 10).await;
    session.abort().await.expect(200);
    assert_eq!(socket.answer_to(&next).await.finish(), Some(FinishReason::Canceled));
    assert_eq!(session.generation().await, 1);
    assert_eq!(session.status().await, "running");
}

async fn the_runner_is_killed(agent: Agent) {
    let gateway = Gateway::for_agent(&agent).await;
    let session = gateway.api().session_with(agent.name()).await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt(long_prompt(&agent), None).await;
    let before = socket.text_of(&prompt, 10).await;
    let (old_runner, old_agent) = (gateway.runner(&session.id).await, gateway.agent(&session.id).await);
    processes::kill9(old_runner);
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Error));
    assert!(answer.content.starts_with(&before), "{before:?} is kept: {answer:?}");
    socket.turn_end().await;
    assert_eq!(session.status().await, "running");
    let next = socket.prompt(long_prompt(&agent), None).await;
    socket.text_of(&next, 10).await;
    assert_eq!(session.generation().await, 2);
    // An agent may end by itself when its runner does, in its own time.
    eventually("the old agent is gone", async || (!processes::is_alive(old_agent)).then_some(())).await;
    session.abort().await.expect(200);
    assert_eq!(socket.answer_to(&next).await.finish(), Some(FinishReason::Canceled));
    assert_eq!(session.transcript().await, socket.mirror.messages);
}

/// What an agent started goes with it, even if it would not end by itself.
async fn nothing_outlives_a_killed_runner() {
    let demo = env!("CARGO_BIN_EXE_portway");
    let script = format!("'{demo}' demo-agent; exec sleep 1000");
    let gateway = Gateway::start(&custom_agent("clinging", &["sh", "-c", &script])).await;
    let session = gateway.api().session_with("clinging").await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 1000", None).await;
    // The gateway looks at what a runner has started every now and then.
    socket.text_of(&prompt, 150).await;
    let (runner, agent) = (gateway.runner(&session.id).await, gateway.agent(&session.id).await);
    processes::kill9(runner);
    assert_eq!(socket.answer_to(&prompt).await.finish(), Some(FinishReason::Error));
    eventually("the old agent is gone", async || (!processes::is_alive(agent)).then_some(())).await;
    gateway.no_descendants().await;
}

async fn the_agent_fails_a_turn() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/fail", None).await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Error));
    assert_eq!(answer.content, "This will not go well.");
    assert!(answer.error().is_some_and(|error| error.contains("the demo was asked to fail")), "{answer:?}");
    let next = socket.prompt("/say better", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "better");
}

async fn a_followup_survives_the_runner() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 1000", None).await;
    socket.text_of(&prompt, 1).await;
    let followup = socket.prompt("/say after all", None).await;
    processes::kill9(gateway.runner(&session.id).await);
    assert_eq!(socket.answer_to(&prompt).await.finish(), Some(FinishReason::Error));
    assert_eq!(socket.answer_to(&followup).await.content, "after all");
}

async fn the_agent_is_killed_while_it_asks() {
    let gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/ask something", None).await;
    let question = socket.question().await;
    processes::kill9(gateway.agent(&session.id).await);
    socket.question_expired(&question.id).await;
    socket.turn_end().await;
    session.answer(&question.id, true.into()).await.refused(409, "CONFLICT");
    let next = socket.prompt("/say next", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "next");
    let tally = std::fs::read_to_string(gateway.workspace(&session.id).join("tally.log")).unwrap();
    assert_eq!(tally, "prompt something\n");
    assert!(socket.mirror.message(&prompt).is_some());
}
