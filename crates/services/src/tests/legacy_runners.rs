use portway_domain::engine::{Event, Link, RunnerReport};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::TextKind;
use portway_domain::sessions::SessionStatus;
use portway_domain::tokens::TokenHash;

use super::world::World;
use crate::legacy_runners::KnownTurn;
use crate::prompts::NewPrompt;
use crate::runners::RunnerError;

/// A session whose runner of earlier gateways is connected as `c1`, and whose agent is ready.
async fn connected(world: &World) -> (SessionId, TokenHash) {
    let session = world.open().await.id;
    world.start_jobs();
    let token = world.sandboxes.started(&session, 1).await;
    world.services.legacy_runner_connected(&session, &token, "c1", KnownTurn::Kept).await.unwrap();
    let ready = RunnerReport::Ready { agent_session: None };
    world.services.legacy_runner_reported(&session, "c1", 0, &[ready]).await.unwrap();
    (session, token)
}

async fn prompted(world: &World, session: &SessionId) -> MessageId {
    let prompt = NewPrompt { content: "x".to_owned(), ..NewPrompt::default() };
    world.services.prompt(&world.as_owner(), session, prompt).await.unwrap()
}

fn text(message: &MessageId, delta: &str) -> RunnerReport {
    RunnerReport::Text { message: message.clone(), kind: TextKind::Text, delta: delta.to_owned() }
}

#[tokio::test]
async fn reports_are_numbered_across_connections() {
    let world = World::new().await;
    let (session, token) = connected(&world).await;
    let prompt = prompted(&world, &session).await;
    let message = MessageId::parse(format!("{prompt}.1")).unwrap();
    let begun = [RunnerReport::MessageCreated { message: message.clone() }, text(&message, "one ")];
    world.services.legacy_runner_reported(&session, "c1", 0, &begun).await.unwrap();
    let engine = world.services.legacy_runner_connected(&session, &token, "c2", KnownTurn::Kept).await.unwrap();
    assert_eq!(engine.turn.unwrap().prompt, prompt);
    let replaced = world.services.legacy_runner_reported(&session, "c1", 0, &[text(&message, "never")]).await;
    assert_eq!(replaced, Err(RunnerError::Replaced));
    world.services.legacy_runner_reported(&session, "c2", 0, &[text(&message, "two")]).await.unwrap();
    let (_, transcript) = world.services.transcript(&world.as_owner(), &session).await.unwrap();
    assert_eq!(transcript.messages.last().unwrap().content, "one two");
    assert_eq!(world.engine(&session).await.runner.last_frame, 4);
}

#[tokio::test]
async fn a_report_that_overtakes_the_end_is_told_why() {
    let world = World::new().await;
    let (session, _) = connected(&world).await;
    world.services.hibernate_session(&world.as_owner(), &session).await.unwrap();
    let late =
        world.services.legacy_runner_reported(&session, "c1", 0, &[RunnerReport::Ready { agent_session: None }]).await;
    assert_eq!(late, Err(RunnerError::Stale("Session hibernates".to_owned())));
}

#[tokio::test]
async fn a_connection_that_was_taken_for_lost_is_announced_again() {
    let world = World::new().await;
    let (session, token) = connected(&world).await;
    world.services.apply(&session, vec![Event::GatewayRestarted], Vec::new(), world.services.moment()).await.unwrap();
    let ready = [RunnerReport::Ready { agent_session: Some("a".to_owned()) }];
    let lost = world.services.legacy_runner_reported(&session, "c1", 0, &ready).await;
    assert!(matches!(lost, Err(RunnerError::Reconnect(_))), "{lost:?}");
    world.services.legacy_runner_connected(&session, &token, "c1", KnownTurn::Kept).await.unwrap();
    world.services.legacy_runner_reported(&session, "c1", 0, &ready).await.unwrap();
    let engine = world.engine(&session).await;
    assert_eq!(engine.runner.link, Link::Connected { connection: "c1".to_owned() });
    assert_eq!(engine.runner.agent_session.as_deref(), Some("a"));
}

#[tokio::test]
async fn a_turn_that_the_runner_forgot_is_over_if_it_was_taken() {
    for is_taken in [false, true] {
        let world = World::new().await;
        let (session, token) = connected(&world).await;
        let prompt = prompted(&world, &session).await;
        let taken = u64::from(is_taken);
        world.services.legacy_runner_reported(&session, "c1", taken, &[]).await.unwrap();
        world.services.legacy_runner_connected(&session, &token, "c1", KnownTurn::Lost).await.unwrap();
        let turn = world.engine(&session).await.turn;
        assert_eq!(turn.map(|turn| turn.prompt), (!is_taken).then_some(prompt));
    }
}

#[tokio::test]
async fn only_the_right_secret_connects() {
    let world = World::new().await;
    let (session, token) = connected(&world).await;
    let other = TokenHash::of("other");
    let stale = world.services.legacy_runner_connected(&session, &other, "c2", KnownTurn::Kept).await;
    assert!(matches!(stale, Err(RunnerError::Stale(_))), "{stale:?}");
    let replaced = world.services.runner_finished(&session, "c0").await;
    assert!(matches!(replaced, Err(RunnerError::Replaced)), "{replaced:?}");
    let replaced = world.services.runner_titled(&session, "c0", "Old".to_owned()).await;
    assert!(matches!(replaced, Err(RunnerError::Replaced)), "{replaced:?}");
    assert!(!world.engine(&session).await.status.is_ended(), "a connection that was replaced ends nothing");
    world.services.runner_finished(&session, "c1").await.unwrap();
    assert_eq!(world.engine(&session).await.status, SessionStatus::Terminated);
    let stale = world.services.legacy_runner_connected(&session, &token, "c2", KnownTurn::Kept).await;
    assert!(matches!(stale, Err(RunnerError::Stale(_))), "{stale:?}");
}

#[tokio::test]
async fn prompts_say_who_said_them() {
    let world = World::new().await;
    let (session, _) = connected(&world).await;
    let prompt = prompted(&world, &session).await;
    let origin = world.services.prompt_origin(&session, &prompt).await.unwrap();
    assert_eq!(origin.author.map(|author| author.id), Some(world.engine(&session).await.owner));
    let nobody = SessionId::parse("nobody").unwrap();
    assert_eq!(world.services.prompt_origin(&nobody, &prompt).await, Ok(Default::default()));
}

#[tokio::test]
async fn titles_are_bounded() {
    let world = World::new().await;
    let (session, _) = connected(&world).await;
    for (title, kept) in [("New", "New"), ("", "New"), ("a\0b", "New"), (&"x".repeat(201), "New")] {
        world.services.runner_titled(&session, "c1", title.to_owned()).await.unwrap();
        let (stored, _) = world.store.engine(&session).await.unwrap().unwrap();
        assert_eq!(stored.title.as_deref(), Some(kept), "{title:?}");
    }
}
