//! What is kept when a connection, a runner or the gateway is lost.

use portway_protocol::client::AnswerValue;
use portway_protocol::message::FinishReason;
use serde_json::json;

use super::runner::{Runner, dial};
use super::working;
use crate::harness::eventually;
use crate::trials::Trials;

pub(super) fn add(trials: &mut Trials) {
    trials.add("legacy_runner::a_prompt_of_which_nothing_was_heard", a_prompt_of_which_nothing_was_heard);
    trials.add("legacy_runner::a_turn_that_was_begun", a_turn_that_was_begun);
    trials.add("legacy_runner::a_turn_that_ended_meanwhile", a_turn_that_ended_meanwhile);
    trials.add("legacy_runner::a_turn_that_began_and_ended_meanwhile", a_turn_that_began_and_ended_meanwhile);
    trials.add("legacy_runner::an_answer_meanwhile", an_answer_meanwhile);
    trials.add("legacy_runner::a_new_process_knows_no_turn", a_new_process_knows_no_turn);
    trials.add("legacy_runner::a_newer_connection", a_newer_connection);
    trials.add("legacy_runner::a_gateway_that_is_killed", a_gateway_that_is_killed);
    trials.add("legacy_runner::the_end", the_end);
}

async fn a_prompt_of_which_nothing_was_heard() {
    let (_backend, _gateway, session, mut runner) = working().await;
    let prompt = session.prompt("one").await;
    runner.prompted("one").await;
    runner.lose();
    runner.reconnect().await;
    runner.until("init").await;
    assert_eq!(runner.prompted("one").await, prompt, "it is sent again");
    runner.begin("t1").await;
    runner.end("t1", "Yes").await;
    let mut socket = session.socket().await;
    assert_eq!(socket.answer_to(&prompt).await.content, "Yes");
    let configs = runner.frames().iter().filter(|frame| frame["type"] == "opencode-config").count();
    assert_eq!(configs, 1, "a configuration would end what the agent works on");
    session.terminate().await;
}

async fn a_turn_that_was_begun() {
    let (_backend, _gateway, session, mut runner) = working().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("one", None).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    runner.text("t1", "before ").await;
    socket.text_of(&prompt, 7).await;
    runner.lose();
    runner.text("t1", "meanwhile ").await;
    runner.reconnect().await;
    runner.text("t1", "after").await;
    // Longer than a prompt that is doubtful waits.
    socket.text_of(&prompt, 22).await;
    let next = socket.prompt("two", None).await;
    runner.end("t1", "before meanwhile after").await;
    assert_eq!(socket.answer_to(&prompt).await.content, "before meanwhile after");
    assert_eq!(runner.prompted("two").await, next);
    let prompts = runner.frames().iter().filter(|frame| frame["type"] == "prompt").count();
    assert_eq!(prompts, 2, "none is sent twice");
    runner.begin("t2").await;
    runner.end("t2", "Next").await;
    assert_eq!(socket.answer_to(&next).await.content, "Next");
    session.terminate().await;
}

async fn a_turn_that_ended_meanwhile() {
    let (_backend, _gateway, session, mut runner) = working().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("one", None).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    runner.text("t1", "before ").await;
    socket.text_of(&prompt, 7).await;
    let next = socket.prompt("two", None).await;
    runner.lose();
    runner.text("t1", "meanwhile").await;
    runner.end("t1", "before meanwhile").await;
    runner.reconnect().await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!((answer.content.as_str(), answer.finish()), ("before meanwhile", Some(FinishReason::EndTurn)));
    assert_eq!(runner.prompted("two").await, next, "what ended is not sent again");
    session.terminate().await;
}

/// The runner had not yet said anything of the prompt when its connection was lost.
async fn a_turn_that_began_and_ended_meanwhile() {
    let (_backend, _gateway, session, mut runner) = working().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("one", None).await;
    runner.prompted("one").await;
    runner.lose();
    runner.begin("t1").await;
    runner.text("t1", "all of it").await;
    runner.end("t1", "all of it").await;
    runner.reconnect().await;
    assert_eq!(socket.answer_to(&prompt).await.content, "all of it");
    let next = socket.prompt("two", None).await;
    assert_eq!(runner.prompted("two").await, next, "what ended is not sent again");
    session.terminate().await;
}

async fn an_answer_meanwhile() {
    let (_backend, mut gateway, session, mut runner) = working().await;
    let mut socket = session.socket().await;
    socket.prompt("one", None).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    runner.say(json!({"type": "question", "questionId": "que_1", "text": "Which?", "options": ["This", "That"]})).await;
    let asked = socket.question().await;
    runner.lose();
    eventually("the loss is noticed", async || {
        (session.detail().await["doStatus"]["runnerConnected"] == false).then_some(())
    })
    .await;
    socket.answer(&asked.id, AnswerValue::Text("This".to_owned())).await;
    socket.question_answered(&asked.id, "This").await;
    // Another gateway process does not know how the runner calls the question, unless that is kept.
    gateway.kill9().await;
    gateway.launch().await;
    runner.reconnect().await;
    let answer = runner.until("answer").await;
    assert_eq!(answer, json!({"type": "answer", "questionId": "que_1", "answer": "This"}));
    session.terminate().await;
}

async fn a_new_process_knows_no_turn() {
    let (_backend, gateway, session, mut runner) = working().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("one", None).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    runner.text("t1", "half").await;
    socket.text_of(&prompt, 4).await;
    let next = socket.prompt("two", None).await;
    let order = runner.order().clone();
    runner.lose();
    let mut runner = Runner::connect(&gateway, order).await;
    runner.say(json!({"type": "models", "models": []})).await;
    runner.idle().await;
    let answer = socket.answer_to(&prompt).await;
    assert_eq!((answer.content.as_str(), answer.finish()), ("half", Some(FinishReason::Error)));
    assert_eq!(runner.prompted("two").await, next);
    runner.begin("t2").await;
    runner.end("t2", "Next").await;
    assert_eq!(socket.answer_to(&next).await.content, "Next");
    session.terminate().await;
}

async fn a_newer_connection() {
    let (_backend, gateway, session, mut old) = working().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("one", None).await;
    old.prompted("one").await;
    old.begin("t1").await;
    old.text("t1", "before ").await;
    socket.text_of(&prompt, 7).await;
    let mut runner = Runner::connect(&gateway, old.order().clone()).await;
    runner.until("init").await;
    runner.text("t1", "after").await;
    assert_eq!(old.closed().await, (1000, "Replaced by new runner connection".to_owned()));
    assert!(old.frames().iter().all(|frame| frame["type"] != "stop"));
    old.lose();
    socket.text_of(&prompt, 12).await;
    assert_eq!(session.detail().await["doStatus"]["runnerConnected"], true, "the old one's end has no effect");
    runner.end("t1", "before after").await;
    assert_eq!(socket.answer_to(&prompt).await.content, "before after");
    session.terminate().await;
}

async fn a_gateway_that_is_killed() {
    let (_backend, mut gateway, session, mut runner) = working().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("one", None).await;
    runner.prompted("one").await;
    runner.begin("t1").await;
    runner.text("t1", "before ").await;
    socket.text_of(&prompt, 7).await;
    gateway.kill9().await;
    runner.lose();
    runner.text("t1", "after").await;
    runner
        .say(json!({"type": "message.finalize", "turnId": "t1", "reason": "end_turn", "finalText": "before after."}))
        .await;
    gateway.launch().await;
    runner.reconnect().await;
    let mut socket = session.socket().await;
    assert_eq!(socket.answer_to(&prompt).await.content, "before after.");
    runner.say(json!({"type": "complete"})).await;
    socket.turn_end().await;
    session.terminate().await;
}

async fn the_end() {
    let (_backend, _gateway, session, mut runner) = working().await;
    runner.say(json!({"type": "title", "title": "Done soon"})).await;
    eventually("the title", async || (session.detail().await["session"]["title"] == "Done soon").then_some(())).await;
    runner.say(json!({"type": "self-terminate"})).await;
    assert_eq!(runner.closed().await, (1000, "Session terminated".to_owned()));
    assert_eq!(runner.frames().last().unwrap()["type"], "stop");
    assert_eq!(session.status().await, "terminated");
    let refused = dial(runner.order()).await.unwrap_err();
    assert!(matches!(refused, tokio_tungstenite::tungstenite::Error::Http(answer) if answer.status() == 401));
}
