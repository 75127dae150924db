use portway_domain::access::{Permission, SessionRole};
use portway_domain::engine::{Actor, RunnerReport};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::runner_requests::{FailureCode, RequestFailure, RunnerRequest, RunnerResponse};
use portway_ports::pubsub::{Hint, Responded};

use super::world::World;
use crate::error::Error;
use crate::prompts::NewPrompt;
use crate::reverts::{MAX_MESSAGES, Reversion};

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
    let prompt = world.engine(&session).await.turn.unwrap().prompt;
    assert_eq!(ask(&world, &session, RunnerRequest::Revert { prompt }).await, Err(FailureCode::Conflict));
}

/// What is shown of the transcript: the texts of people, and of the gateway only that it said something.
async fn shown(world: &World, session: &SessionId) -> Vec<String> {
    let (_, transcript) =
        world.services.transcript(&world.context(Permission::Session(SessionRole::Viewer)), session).await.unwrap();
    transcript.messages.into_iter().map(|message| message.content).collect()
}

/// Says something, and lets the agent answer nothing.
async fn talk(world: &World, session: &SessionId, text: &str) -> MessageId {
    let prompt = NewPrompt { content: text.to_owned(), ..NewPrompt::default() };
    let prompt = world.services.prompt(&world.as_owner(), session, prompt).await.unwrap();
    let frame = world.engine(session).await.runner.last_frame + 1;
    let done = RunnerReport::Completed { prompt: prompt.clone(), aborted: false };
    world.services.runner_reported(session, 1, vec![(frame, done)]).await.unwrap();
    prompt
}

async fn reversion(world: &World, session: &SessionId, prompt: &MessageId) -> Result<Reversion, Error> {
    let engine = world.engine(session).await;
    let owner = Actor { user: engine.owner.clone(), name: "ada".to_owned() };
    world.services.reversion(&engine, prompt, owner).await
}

#[tokio::test]
async fn what_was_said_since_the_agent_was_asked_stays() {
    let world = World::new().await;
    let session = world.open_ready().await;
    talk(&world, &session, "one").await;
    let two = talk(&world, &session, "two").await;
    talk(&world, &session, "three").await;
    let asked = reversion(&world, &session, &two).await.unwrap();
    talk(&world, &session, "later").await;
    assert_eq!(world.services.revert(&session, asked.clone()).await, RunnerResponse::Done { result: None });
    assert_eq!(shown(&world, &session).await, ["one", "later"]);
    let version = world.engine(&session).await.seq;
    assert_eq!(world.services.revert(&session, asked).await, RunnerResponse::Done { result: None });
    assert_eq!(world.engine(&session).await.seq, version, "there is nothing left to take back");
}

#[tokio::test]
async fn only_what_people_said_is_gone_back_to() {
    let world = World::new().await;
    let session = world.open_ready().await;
    let prompt = talk(&world, &session, "one").await;
    let reset = RunnerReport::SessionReset;
    let frame = world.engine(&session).await.runner.last_frame + 1;
    world.services.runner_reported(&session, 1, vec![(frame, reset)]).await.unwrap();
    let engine = world.engine(&session).await;
    let of_the_gateway =
        world.services.ports.store.messages_between(&session, 0, engine.seq, 9).await.unwrap().pop().unwrap();
    for id in [of_the_gateway, MessageId::parse("other").unwrap()] {
        let missing = Error::NotFound { resource: "Prompt", id: id.to_string() };
        let refused =
            world.services.ask_runner(&world.as_owner(), &session, RunnerRequest::Revert { prompt: id }).await;
        assert_eq!(refused, Err(missing));
    }
    // Nobody answers in this world.
    assert_eq!(ask(&world, &session, RunnerRequest::Revert { prompt }).await, Err(FailureCode::Unavailable));
    assert_eq!(shown(&world, &session).await.len(), 2);
}

#[tokio::test]
async fn so_much_is_gone_back_over_at_most() {
    let world = World::new().await;
    let session = world.open_ready().await;
    let prompt = talk(&world, &session, "one").await;
    let report = |number: u64| (number, RunnerReport::SessionReset);
    let from = world.engine(&session).await.runner.last_frame + 1;
    let allowed = u64::from(MAX_MESSAGES) - 1;
    world.services.runner_reported(&session, 1, (from..from + allowed).map(report).collect()).await.unwrap();
    assert!(reversion(&world, &session, &prompt).await.is_ok());
    world.services.runner_reported(&session, 1, vec![report(from + allowed)]).await.unwrap();
    assert!(matches!(reversion(&world, &session, &prompt).await, Err(Error::Conflict(_))));
}
