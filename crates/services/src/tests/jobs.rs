use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use portway_domain::ids::SandboxId;
use portway_domain::sessions::SessionStatus;
use portway_domain::tokens::TokenHash;
use portway_ports::sandboxes::{SandboxError, SandboxRef, Sandboxes};
use portway_ports::system::Clock;

use super::world::{World, settled};
use crate::error::Error;

async fn status(world: &World, id: &portway_domain::ids::SessionId) -> (SessionStatus, Option<String>) {
    let session = world.services.session(&world.as_owner(), id).await.unwrap().session;
    (session.status, session.error_message)
}

#[tokio::test]
async fn only_the_secret_of_the_present_runner_is_let_in() {
    let world = World::new().await;
    let session = world.open().await;
    assert_eq!(world.services.admit_runner(&session.id, &TokenHash::of("x")).await, Err(Error::Unauthorized));
    world.start_jobs();
    let token = world.sandboxes.started(&session.id, 1).await;
    assert_eq!(world.services.admit_runner(&session.id, &token).await, Ok(()));
    assert_eq!(world.services.admit_runner(&session.id, &TokenHash::of("x")).await, Err(Error::Unauthorized));
    world.services.terminate_session(&world.as_owner(), &session.id).await.unwrap();
    assert_eq!(world.services.admit_runner(&session.id, &token).await, Err(Error::Unauthorized));
}

#[tokio::test]
async fn a_refused_sandbox_fails_the_session_with_its_reason() {
    let world = World::new().await;
    *world.sandboxes.refusal.lock().unwrap() = Some(SandboxError::Refused("no such folder".to_owned()));
    let session = world.open().await;
    world.start_jobs();
    while status(&world, &session.id).await.0 == SessionStatus::Initializing {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&world, &session.id).await, (SessionStatus::Error, Some("no such folder".to_owned())));
}

#[tokio::test]
async fn an_unreachable_backend_is_tried_again_and_then_given_up() {
    let world = World::new().await;
    *world.sandboxes.refusal.lock().unwrap() = Some(SandboxError::Unavailable("not there".to_owned()));
    let session = world.open().await;
    world.start_jobs();
    while status(&world, &session.id).await.0 == SessionStatus::Initializing {
        world.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    // After 0, 1, 3, 7, 15 and 31 seconds; the next one would come after the session gave up.
    assert_eq!(world.sandboxes.orders.load(Ordering::SeqCst), 6);
    assert_eq!(status(&world, &session.id).await, (SessionStatus::Error, Some("not there".to_owned())));
}

#[tokio::test]
async fn a_claim_is_carried_out_even_if_its_caller_is_dropped() {
    let world = World::new().await;
    let session = world.open().await;
    assert_eq!(world.services.start_due_jobs().now_or_never(), None, "it takes a while");
    while world.next_job_at().await.is_some() {
        tokio::task::yield_now().await;
    }
    for _ in 0..1_000 {
        settled().await;
        if world.sandboxes.lives(&session.id, 1) {
            return;
        }
    }
    panic!("the job was claimed and is not done");
}

#[tokio::test]
async fn what_a_failed_start_may_have_left_is_stopped_where_it_was_tried() {
    let world = World::new().await;
    let neighbour = world.neighbour();
    for node in [&world, &neighbour] {
        let until = node.clock.now().plus(Duration::from_secs(900));
        node.store.be_there(&node.node(), until).await.unwrap();
    }
    world.sandboxes.loses_answers.store(true, Ordering::SeqCst);
    let session = world.open().await;
    assert_eq!(world.services.start_due_jobs().await, Ok(1));
    while world.next_job_at().await.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(world.sandboxes.lives(&session.id, 1), "and nobody knows");

    for node in [&world, &neighbour] {
        node.clock.advance(Duration::from_secs(2));
    }
    neighbour.start_jobs();
    neighbour.sandboxes.started(&session.id, 2).await;
    world.start_jobs();
    world.sandboxes.gone(&session.id, 1).await;
    neighbour.connect(&session.id, 2).await;
    assert!(!neighbour.sandboxes.lives(&session.id, 1));
}

#[tokio::test]
async fn what_starts_when_its_session_has_ended_is_stopped() {
    for is_deleted in [false, true] {
        let world = World::new().await;
        let session = world.open().await;
        world.sandboxes.loses_answers.store(true, Ordering::SeqCst);
        let held = world.sandboxes.gate.clone().lock_owned().await;
        world.start_jobs();
        while world.sandboxes.orders.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        world.services.terminate_session(&world.as_owner(), &session.id).await.unwrap();
        if is_deleted {
            let ids = std::slice::from_ref(&session.id);
            world.services.delete_sessions(&world.signed_in(), ids).await.unwrap();
            while world.store.engine(&session.id).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        }
        while world.sandboxes.ended.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        drop(held);
        let sandbox = SandboxRef::new(session.id, 1);
        while !world.sandboxes.was_here(&sandbox).await || world.sandboxes.lives(&sandbox.session, 1) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_runner_that_never_says_hello_fails_the_session_in_time() {
    let world = World::new().await;
    let session = world.open().await;
    world.start_jobs();
    world.sandboxes.started(&session.id, 1).await;
    assert_eq!(world.services.ask_due_sessions().await, Ok(0));
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.services.ask_due_sessions().await, Ok(1));
    let (status, error) = status(&world, &session.id).await;
    assert_eq!(status, SessionStatus::Error);
    assert!(error.is_some_and(|text| text.contains("did not connect within 60 seconds")));
    world.sandboxes.gone(&session.id, 1).await;
    assert_eq!(world.services.ask_due_sessions().await, Ok(0));
}

#[tokio::test]
async fn a_dead_sandbox_is_noticed_and_replaced_when_a_prompt_comes() {
    let world = World::new().await;
    let id = world.open_ready().await;
    assert_eq!(*world.sandboxes.conversation.lock().unwrap(), None);
    world.sandboxes.kill(&id, 1);
    loop {
        let detail = world.services.session(&world.as_owner(), &id).await.unwrap();
        if !detail.facts.sandbox {
            assert_eq!(detail.session.status, SessionStatus::Running);
            break;
        }
        tokio::task::yield_now().await;
    }
    let say = crate::prompts::NewPrompt { content: "again".to_owned(), ..crate::prompts::NewPrompt::default() };
    let prompt = world.services.prompt(&world.as_owner(), &id, say).await.unwrap();
    world.sandboxes.started(&id, 2).await;
    assert_eq!(world.sandboxes.conversation.lock().unwrap().as_deref(), Some("talk 1"), "it is gone on with");
    world.connect(&id, 2).await;
    assert_eq!(world.engine(&id).await.turn.map(|turn| turn.prompt), Some(prompt));
}

#[tokio::test]
async fn a_sandbox_is_stopped_by_the_name_that_its_backend_gave_it() {
    let world = World::new().await;
    let name = SandboxId::parse("sb-7").ok();
    world.sandboxes.name.lock().unwrap().clone_from(&name);
    let id = world.open_ready().await;
    while world.engine(&id).await.runner.sandbox != name {
        tokio::task::yield_now().await;
    }
    world.services.terminate_session(&world.as_owner(), &id).await.unwrap();
    world.sandboxes.gone(&id, 1).await;
    let expected = SandboxRef { session: id, generation: 1, id: name };
    assert_eq!(*world.sandboxes.ended.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_start_waits_until_the_backend_can_be_asked() {
    let world = World::new().await;
    world.sandboxes.is_unreachable.store(true, Ordering::SeqCst);
    let session = world.open().await;
    world.start_jobs();
    let second = world.services.moment().now.plus(Duration::from_secs(1));
    while world.next_job_at().await != Some(second) {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.sandboxes.orders.load(Ordering::SeqCst), 0);
    world.sandboxes.is_unreachable.store(false, Ordering::SeqCst);
    while !world.sandboxes.lives(&session.id, 1) {
        world.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}
