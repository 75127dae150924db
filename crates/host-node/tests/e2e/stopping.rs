//! The end of the gateway, and the sessions after it.

use nix::sys::signal::Signal;
use portway_protocol::message::FinishReason;

use crate::harness::agents::Agent;
use crate::harness::gateway::Gateway;
use crate::harness::{eventually, processes};
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("stopping::a_short_turn_is_finished_first_sigterm", || a_short_turn_is_finished_first(Signal::SIGTERM));
    trials.add("stopping::a_short_turn_is_finished_first_sigint", || a_short_turn_is_finished_first(Signal::SIGINT));
    trials.add("stopping::a_long_turn_ends_with_its_text_kept", a_long_turn_ends_with_its_text_kept);
    trials.add_for_agents("stopping::sessions_go_on_with_a_new_sandbox", sessions_go_on_with_a_new_sandbox);
    trials.add("stopping::what_waits_is_done_after_the_restart", what_waits_is_done_after_the_restart);
    trials.add("stopping::clients_are_told_to_come_back", clients_are_told_to_come_back);
    trials.add("stopping::a_turn_outlives_a_killed_gateway", a_turn_outlives_a_killed_gateway);
    trials.add("stopping::a_runner_that_died_meanwhile_is_noticed", a_runner_that_died_meanwhile_is_noticed);
}

async fn a_short_turn_is_finished_first(signal: Signal) {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 20", None).await;
    socket.text_of(&prompt, 1).await;
    gateway.signal(signal);
    // It is still told to those who listen.
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::EndTurn));
    assert!(answer.content.ends_with("word20 "), "{}", answer.content);
    gateway.stopped().await;
    gateway.launch().await;
    assert_eq!(session.transcript().await, socket.mirror.messages);
}

async fn a_long_turn_ends_with_its_text_kept() {
    let mut gateway = Gateway::prepared("").draining(1);
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 1000", None).await;
    let before = socket.text_of(&prompt, 10).await;
    gateway.stop().await;
    gateway.launch().await;
    let mut socket = session.socket().await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Error));
    assert!(answer.content.starts_with(&before));
    let next = socket.prompt("/say on we go", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "on we go");
}

async fn sessions_go_on_with_a_new_sandbox(agent: Agent) {
    let mut gateway = Gateway::for_agent(&agent).await;
    let session = gateway.api().session_with(agent.name()).await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("Hello", None).await;
    socket.text_of(&prompt, 10).await;
    session.abort().await.expect(200);
    socket.answer_to(&prompt).await;
    socket.turn_end().await;
    assert_eq!(session.generation().await, 1);
    gateway.restart().await;
    assert_eq!(session.status().await, "running");
    assert_eq!(gateway.descendants(), Vec::<i32>::new(), "nothing is started before there is something to do");
    let mut socket = session.socket().await;
    let prompt = socket.prompt("Hello again", None).await;
    socket.text_of(&prompt, 10).await;
    assert_eq!(session.generation().await, 2);
    session.abort().await.expect(200);
    assert_eq!(socket.answer_to(&prompt).await.finish(), Some(FinishReason::Canceled));
}

async fn what_waits_is_done_after_the_restart() {
    let mut gateway = Gateway::prepared("").draining(0);
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let first = socket.prompt("/slow 1000", None).await;
    socket.text_of(&first, 1).await;
    let second = socket.prompt("/say later", None).await;
    gateway.restart().await;
    let mut socket = session.socket().await;
    assert_eq!(socket.answer_to(&first).await.finish(), Some(FinishReason::Error));
    assert_eq!(socket.answer_to(&second).await.content, "later");
}

async fn clients_are_told_to_come_back() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say hello", None).await;
    socket.answer_to(&prompt).await;
    socket.turn_end().await;
    gateway.stop().await;
    assert_eq!(socket.close_code().await, Some(portway_protocol::CLOSE_RESTART));
}

/// The agent works on while no gateway is there, and what it said is not lost.
async fn a_turn_outlives_a_killed_gateway() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 40", None).await;
    socket.text_of(&prompt, 1).await;
    let runner = gateway.runner(&session.id).await;
    gateway.kill9().await;
    assert!(processes::is_alive(runner));
    gateway.launch().await;
    let mut socket = session.socket().await;
    let answer = socket.answer_to(&prompt).await;
    let expected: String = (1..=40).map(|n| format!("word{n} ")).collect();
    assert_eq!((answer.content.as_str(), answer.finish()), (expected.as_str(), Some(FinishReason::EndTurn)));
    assert_eq!(gateway.runner(&session.id).await, runner);
    assert_eq!(session.generation().await, 1);
}

async fn a_runner_that_died_meanwhile_is_noticed() {
    let mut gateway = Gateway::start("").await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/slow 1000", None).await;
    let before = socket.text_of(&prompt, 10).await;
    let (runner, agent) = (gateway.runner(&session.id).await, gateway.agent(&session.id).await);
    gateway.kill9().await;
    processes::kill9(runner);
    gateway.launch().await;
    let mut socket = session.socket().await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!(answer.finish(), Some(FinishReason::Error));
    assert!(answer.content.starts_with(&before));
    let next = socket.prompt("/say alive", None).await;
    assert_eq!(socket.answer_to(&next).await.content, "alive");
    assert_eq!(session.generation().await, 2);
    // Nobody is left who could end it; it ends because its runner is gone.
    eventually("the old agent is gone", async || (!processes::is_alive(agent)).then_some(())).await;
}
