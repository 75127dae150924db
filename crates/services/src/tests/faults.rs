//! What a store that fails does to an operation: it happens once or not at all.

use std::sync::atomic::Ordering;

use portway_domain::children::ParentStop;
use portway_domain::engine::Event;
use portway_domain::ids::SessionId;
use portway_domain::jobs::{Job, Work};
use portway_ports::commit::Write;
use portway_ports::pubsub::Topic;
use portway_ports::sessions::MessageRange;

use super::world::{Fault, World, faulty};
use crate::error::Error;
use crate::prompts::NewPrompt;
use crate::sessions::NewSession;

async fn prompts(world: &World, id: &SessionId) -> usize {
    let range = MessageRange { after: 0, limit: 100 };
    world.services.messages(&world.as_owner(), id, range).await.unwrap().len()
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_a_lost_race_repeated() {
    for fault in [Fault::LostAnswer, Fault::LostRequest, Fault::Conflict] {
        let (world, faults) = faulty().await;
        let id = world.open_ready().await;
        faults.send(fault).unwrap();
        let say = NewPrompt { content: "hello".to_owned(), ..NewPrompt::default() };
        world.services.prompt(&world.as_owner(), &id, say).await.unwrap();
        assert_eq!(prompts(&world, &id).await, 1, "{fault:?}");
        assert_eq!(world.engine(&id).await.runner.last_command, 1, "{fault:?}");
    }
}

#[tokio::test]
async fn the_same_step_of_another_node_is_not_taken_for_ones_own() {
    let (world, faults) = faulty().await;
    let id = world.open_ready().await;
    let neighbour = world.neighbour().services;
    let mut lock = world.services.locks.lock(&id).await;
    let (_, before) = world.store.engine(&id).await.unwrap().unwrap();
    let stop = [Event::StoppedByParent { reason: ParentStop::ParentEnded }];
    neighbour.apply(&id, stop.to_vec(), Vec::new(), neighbour.moment()).await.unwrap();
    let moment = world.services.moment();
    let work = Work::DeleteSession { session: id.clone() };
    let job = Job { id: moment.ids.clone().draw(), work, node: None, attempts: 0, run_at: moment.now };
    faults.send(Fault::LostRequest).unwrap();
    let more = [Write::AddJob(job)];
    let attempted = world.services.attempt(&mut lock, before, &stop, &more, &moment).await.unwrap();
    assert!(attempted.is_none(), "its job is not there");
}

#[tokio::test]
async fn watchers_read_again_when_nobody_knows_what_happened() {
    let (world, faults) = faulty().await;
    let id = world.open_ready().await;
    faults.send(Fault::LostTwice).unwrap();
    let say = NewPrompt { content: "hello".to_owned(), ..NewPrompt::default() };
    let refused = world.services.prompt(&world.as_owner(), &id, say).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    assert_eq!(prompts(&world, &id).await, 1, "it happened");
    assert_eq!(world.hints.missed(), [Topic::Session(id)]);
}

#[tokio::test]
async fn a_request_that_is_given_up_is_looked_for() {
    let (world, faults) = faulty().await;
    let id = world.open_ready().await;
    faults.send(Fault::Silent).unwrap();
    let say = NewPrompt { content: "hello".to_owned(), ..NewPrompt::default() };
    let happens = async {
        while prompts(&world, &id).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    let context = world.as_owner();
    tokio::select! {
        answer = world.services.prompt(&context, &id, say) => panic!("{answer:?}"),
        () = happens => {}
    }
    assert_eq!(world.hints.missed(), [], "not before it can have happened");
    while world.hints.missed().is_empty() {
        tokio::task::yield_now().await;
        world.clock.advance(std::time::Duration::from_millis(50));
    }
    assert_eq!(world.hints.missed()[0], Topic::Session(id));
}

#[tokio::test]
async fn an_unavailable_store_changes_nothing_and_says_so() {
    let (world, faults) = faulty().await;
    let id = world.open_ready().await;
    faults.send(Fault::Unavailable).unwrap();
    let say = NewPrompt { content: "hello".to_owned(), ..NewPrompt::default() };
    let refused = world.services.prompt(&world.as_owner(), &id, say).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
    assert_eq!(prompts(&world, &id).await, 0);
}

#[tokio::test]
async fn a_session_is_opened_once_whatever_the_store_answers() {
    for fault in [Fault::LostAnswer, Fault::LostRequest, Fault::Conflict] {
        let (world, faults) = faulty().await;
        faults.send(fault).unwrap();
        let new = NewSession { workspace: "w".to_owned(), ..NewSession::default() };
        let session = world.services.open_session(&world.signed_in(), new).await.unwrap();
        world.start_jobs();
        world.sandboxes.started(&session.id, 1).await;
        let opening = world.store.opening(&world.admin.hash(), None, world.signed_in().now).await.unwrap();
        assert_eq!(opening.value.unwrap().active, 1, "{fault:?}");
        assert_eq!(world.sandboxes.orders.load(Ordering::SeqCst), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn endless_conflicts_end_with_an_error() {
    let (world, faults) = faulty().await;
    let id = world.open_ready().await;
    for _ in 0..64 {
        faults.send(Fault::Conflict).unwrap();
    }
    let say = NewPrompt { content: "hello".to_owned(), ..NewPrompt::default() };
    let refused = world.services.prompt(&world.as_owner(), &id, say).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })));
}
