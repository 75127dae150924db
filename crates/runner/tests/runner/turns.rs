//! Turns of the demo agent, seen from the gateway.

use std::time::Duration;

use crate::gateway::{Setup, Turn, read};
use portway_protocol::message::{ChoiceKind, ToolStatus};
use portway_protocol::runner::RunnerEvent;

#[tokio::test]
async fn an_allowed_write_happens() {
    let stage = Setup::demo().start().await;
    std::fs::write(stage.workspace.join("NOTES.md"), "remember the milk").unwrap();
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "make a note").await;
    let (question, choices) = gateway.question().await;
    assert_eq!(question, "m1.q1");
    let once = choices.iter().find(|choice| choice.kind == ChoiceKind::AllowOnce).unwrap();
    gateway.choose(&question, &once.id).await;
    gateway.turn().await;

    let turn = Turn { events: gateway.events.clone() };
    assert!(turn.text().contains("\u{201c}make a note\u{201d}"));
    assert_eq!(turn.end(2), ["message.finalize:end_turn", "complete"]);
    assert_eq!(read(&stage.workspace, "demo.md").as_deref(), Some("make a note"));
    let notes = turn.events.iter().any(|event| {
        matches!(event, RunnerEvent::ToolUpdate { status: ToolStatus::Completed, result: Some(result), .. }
            if result == "remember the milk")
    });
    assert!(notes, "the read call shows the notes: {:?}", turn.events);
    let created = turn
        .events
        .iter()
        .filter(|event| matches!(event, RunnerEvent::MessageCreate { turn_id } if turn_id == "m1.1"))
        .count();
    assert_eq!(created, 1);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_refused_write_does_not_happen_and_always_is_remembered() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "one").await;
    let (question, _) = gateway.question().await;
    gateway.choose(&question, "reject-once").await;
    let turn = gateway.turn().await;
    assert!(turn.text().contains("You refused"));
    assert_eq!(read(&stage.workspace, "demo.md"), None);

    gateway.prompt("m2", "two").await;
    let (question, _) = gateway.question().await;
    gateway.choose(&question, "allow-always").await;
    gateway.turn().await;
    gateway.prompt("m3", "three").await;
    let turn = gateway.turn().await;
    assert!(!turn.events.iter().any(|event| matches!(event, RunnerEvent::Question { .. })));
    assert_eq!(read(&stage.workspace, "demo.md").as_deref(), Some("three"));
    gateway.stop(stage).await;
}

#[tokio::test]
async fn an_abort_while_asking_closes_the_question() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "x").await;
    let (question, _) = gateway.question().await;
    gateway.abort("m1").await;
    let turn = gateway.turn().await;
    assert!(turn.events.contains(&RunnerEvent::QuestionClosed { question_id: question.clone() }));
    assert_eq!(turn.end(2), ["message.finalize:canceled", "aborted"]);

    // Too late an answer and a second abort do nothing; the agent goes on.
    gateway.choose(&question, "allow-once").await;
    gateway.abort("m1").await;
    gateway.prompt("m2", "/say still here").await;
    assert_eq!(gateway.turn().await.text(), "still here");
    assert_eq!(read(&stage.workspace, "demo.md"), None);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn an_abort_ends_a_long_turn_and_a_waiting_prompt() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "/slow 100000").await;
    gateway.prompt("m2", "/say never").await;
    gateway.prompt("m3", "/say last").await;
    gateway.until(|event| matches!(event, RunnerEvent::TextDelta { .. })).await;
    gateway.abort("m2").await;
    gateway.until(|event| matches!(event, RunnerEvent::Aborted { message_id } if message_id == "m2")).await;
    gateway.abort("m1").await;
    assert_eq!(gateway.turn().await.end(2), ["message.finalize:canceled", "aborted"]);
    assert_eq!(gateway.turn().await.text(), "last");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_crash_ends_the_turn_with_its_text_and_the_agent_comes_back() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    let first = gateway.ready().await;
    gateway.prompt("m1", "/crash").await;
    let turn = gateway.turn().await;
    assert_eq!(turn.text(), "I am about to crash.");
    assert_eq!(turn.end(3), ["error", "message.finalize:error", "complete"]);
    let error = turn.error().unwrap();
    assert!(error.contains("exit code 3") && error.contains("demo crash"), "{error}");
    // The conversation is loaded again; what the agent replays of it is not shown.
    assert_eq!(gateway.ready().await, first);
    gateway.prompt("m2", "/say back").await;
    assert_eq!(gateway.turn().await.text(), "back");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_hanging_agent_is_ended_by_an_abort() {
    let mut setup = Setup::demo();
    setup.timing.abort = Duration::from_millis(50);
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "/hang").await;
    gateway.abort("m1").await;
    assert_eq!(gateway.turn().await.end(1), ["aborted"]);
    gateway.ready().await;
    gateway.prompt("m2", "/say alive").await;
    assert_eq!(gateway.turn().await.text(), "alive");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn garbage_on_stdout_is_ignored() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "/garbage").await;
    let turn = gateway.turn().await;
    assert_eq!(turn.text(), "noise noise noise noise ");
    assert_eq!(turn.end(2), ["message.finalize:end_turn", "complete"]);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn an_error_of_the_agent_ends_the_turn_and_not_the_agent() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "/fail").await;
    let turn = gateway.turn().await;
    assert!(turn.error().unwrap().contains("asked to fail"));
    assert_eq!(turn.end(3), ["error", "message.finalize:error", "complete"]);
    gateway.prompt("m2", "/say fine").await;
    assert_eq!(gateway.turn().await.text(), "fine");
    gateway.stop(stage).await;
}
