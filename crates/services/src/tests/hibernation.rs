use std::time::Duration;

use portway_domain::ids::SessionId;
use portway_domain::sessions::SessionStatus;

use super::world::World;
use crate::prompts::NewPrompt;

/// Waits until the session has that status.
async fn becomes(world: &World, id: &SessionId, status: SessionStatus) {
    while world.engine(id).await.status != status {
        tokio::task::yield_now().await;
    }
}

fn say(text: &str) -> NewPrompt {
    NewPrompt { content: text.to_owned(), ..NewPrompt::default() }
}

#[tokio::test]
async fn a_session_hibernates_and_a_prompt_wakes_it() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let rest = world.services.hibernate_session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(rest.status, SessionStatus::Hibernating);
    world.sandboxes.gone(&id, 1).await;
    becomes(&world, &id, SessionStatus::Hibernated).await;
    let again = world.services.hibernate_session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(again.status, SessionStatus::Hibernated);
    world.services.prompt(&world.as_owner(), &id, say("hello")).await.unwrap();
    assert_eq!(world.engine(&id).await.status, SessionStatus::Restoring);
    world.connect(&id, 2).await;
    assert_eq!(world.engine(&id).await.status, SessionStatus::Running);
    assert_eq!(world.sandboxes.conversation.lock().unwrap().as_deref(), Some("talk 1"), "the agent goes on with it");
    assert_eq!(world.services.pending_commands(&id, 2, 0).await.unwrap()[0].content.as_deref(), Some("hello"));
}

#[tokio::test]
async fn a_session_hibernates_when_nothing_happens() {
    let world = World::new().await;
    let id = world.open_ready().await;
    world.clock.advance(Duration::from_secs(899));
    assert_eq!(world.services.ask_due_sessions().await, Ok(0));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.services.ask_due_sessions().await, Ok(1));
    becomes(&world, &id, SessionStatus::Hibernated).await;
    world.sandboxes.gone(&id, 1).await;
    let woken = world.services.wake_session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(woken.status, SessionStatus::Restoring);
    world.connect(&id, 2).await;
    let awake = world.services.wake_session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(awake.status, SessionStatus::Running);
}

#[tokio::test]
async fn a_busy_session_is_not_put_away() {
    let world = World::new().await;
    let id = world.open_ready().await;
    world.services.prompt(&world.as_owner(), &id, say("hello")).await.unwrap();
    let rest = world.services.hibernate_session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(rest.status, SessionStatus::Running);
    assert!(world.engine(&id).await.turn.is_some());
}
