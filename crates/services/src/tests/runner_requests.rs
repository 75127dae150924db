use portway_domain::ids::SessionId;
use portway_domain::runner_requests::{FailureCode, RequestFailure, RunnerRequest, RunnerResponse};
use portway_ports::pubsub::{Hint, Responded};

use super::world::World;
use crate::prompts::NewPrompt;

/// What was told about requests so far.
fn told(world: &World) -> Vec<Responded> {
    let responded = world.hints.all().into_iter().filter_map(|(_, hint)| match hint {
        Hint::Responded(responded) => Some(responded),
        _ => None,
    });
    responded.collect()
}

/// Asks, and waits for the end of it.
async fn ask(world: &World, session: &SessionId, request: RunnerRequest) -> Result<(), FailureCode> {
    let before = told(world).len();
    world.services.ask_runner(&world.as_owner(), session, request.clone()).await.unwrap();
    let responded = loop {
        match told(world).pop() {
            Some(last) if told(world).len() > before => break last,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!(responded.request, request);
    match responded.response {
        RunnerResponse::Failed(RequestFailure { code, .. }) => Err(code),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn without_a_runner_nobody_is_asked() {
    let world = World::new().await;
    let session = world.open().await.id;
    assert_eq!(ask(&world, &session, RunnerRequest::Diff).await, Err(FailureCode::Unavailable));
    world.services.terminate_session(&world.as_owner(), &session).await.unwrap();
    assert_eq!(ask(&world, &session, RunnerRequest::Diff).await, Err(FailureCode::NotAvailable));
    assert!(!world.hints.all().iter().any(|(_, hint)| matches!(hint, Hint::RunnerAsked(_))));
}

#[tokio::test]
async fn a_runner_that_does_not_answer_is_not_waited_for_without_end() {
    let world = World::new().await;
    let session = world.open_ready().await;
    assert_eq!(ask(&world, &session, RunnerRequest::Review).await, Err(FailureCode::Unavailable));
    let asked = world.hints.all().into_iter().find_map(|(_, hint)| match hint {
        Hint::RunnerAsked(asked) => Some(asked),
        _ => None,
    });
    assert_eq!(asked.unwrap().connection, "connection 1");
}

#[tokio::test]
async fn no_new_conversation_begins_during_a_turn() {
    let world = World::new().await;
    let session = world.open_ready().await;
    let prompt = NewPrompt { content: "x".to_owned(), ..NewPrompt::default() };
    world.services.prompt(&world.as_owner(), &session, prompt).await.unwrap();
    assert_eq!(ask(&world, &session, RunnerRequest::NewSession).await, Err(FailureCode::Conflict));
}
