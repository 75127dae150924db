use futures_util::future::join_all;
use portway_domain::engine::{Command, RunnerReport};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{FinishReason, TextKind};
use portway_domain::sessions::QueueMode;
use portway_ports::sessions::MessageRange;

use super::world::World;
use crate::error::Error;
use crate::prompts::NewPrompt;

fn say(text: &str) -> NewPrompt {
    NewPrompt { content: text.to_owned(), ..NewPrompt::default() }
}

async fn contents(world: &World, id: &SessionId) -> Vec<String> {
    let range = MessageRange { after: 0, limit: 100 };
    let messages = world.services.messages(&world.as_owner(), id, range).await.unwrap();
    messages.into_iter().map(|message| message.content).collect()
}

#[tokio::test]
async fn a_prompt_becomes_a_command_and_its_answer_a_message() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let prompt = world.services.prompt(&world.as_owner(), &id, say("hello")).await.unwrap();
    let pending = world.services.pending_commands(&id, 1, 0).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].content.as_deref(), Some("hello"));
    assert_eq!(pending[0].command, Command::Prompt { prompt: prompt.clone(), earlier: Vec::new(), model: None });
    world.services.commands_taken(&id, 1, 1).await.unwrap();
    assert!(world.services.pending_commands(&id, 1, 0).await.unwrap().is_empty());
    let message = MessageId::parse(format!("{prompt}.1")).unwrap();
    let text =
        |delta: &str| RunnerReport::Text { message: message.clone(), kind: TextKind::Text, delta: delta.to_owned() };
    let reports =
        vec![(2, RunnerReport::MessageCreated { message: message.clone() }), (3, text("good ")), (4, text("day"))];
    assert_eq!(world.services.runner_reported(&id, 1, reports).await, Ok(4));
    assert_eq!(contents(&world, &id).await, ["hello", "good day"]);
    let reports = vec![
        (4, text("twice")),
        (5, RunnerReport::MessageFinished { message: None, reason: FinishReason::EndTurn, error: None }),
        (6, RunnerReport::Completed { prompt, aborted: false }),
    ];
    assert_eq!(world.services.runner_reported(&id, 1, reports).await, Ok(6));
    assert_eq!(contents(&world, &id).await, ["hello", "good day"]);
    assert!(!world.services.is_busy());
}

#[tokio::test]
async fn prompts_at_once_are_all_kept_and_ordered() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let sent = join_all((0..20).map(|n| {
        let (services, context, id) = (world.services.clone(), world.as_owner(), id.clone());
        async move { services.prompt(&context, &id, say(&format!("prompt {n}"))).await.unwrap() }
    }))
    .await;
    let detail = world.services.session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(detail.message_count, 20);
    let engine = world.engine(&id).await;
    let mut waiting: Vec<MessageId> = vec![engine.turn.unwrap().prompt];
    waiting.extend(engine.queue.into_iter().map(|queued| queued.id));
    let range = MessageRange { after: 0, limit: 100 };
    let messages = world.services.messages(&world.as_owner(), &id, range).await.unwrap();
    let kept: Vec<MessageId> = messages.into_iter().map(|message| message.id).collect();
    assert_eq!(waiting, kept);
    assert!(sent.iter().all(|id| kept.contains(id)));
}

#[tokio::test]
async fn one_key_says_it_once() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let said = join_all((0..6).map(|_| {
        let context = world.with_key(world.as_owner(), "key", "digest");
        let (services, id) = (world.services.clone(), id.clone());
        async move { services.prompt(&context, &id, say("once")).await.unwrap() }
    }))
    .await;
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(contents(&world, &id).await, ["once"]);
}

#[tokio::test]
async fn what_cannot_be_a_prompt_is_refused() {
    let world = World::new().await;
    let id = world.open_ready().await;
    for text in [" \n", "a\0b", &"x".repeat(100_001)] {
        let refused = world.services.prompt(&world.as_owner(), &id, say(text)).await;
        assert!(matches!(refused, Err(Error::Invalid { field, .. }) if field == "content"));
    }
    world.services.terminate_session(&world.as_owner(), &id).await.unwrap();
    let context = world.with_key(world.as_owner(), "key", "digest");
    let refused = world.services.prompt(&context, &id, say("too late")).await;
    assert_eq!(refused, Err(Error::SessionEnded { status: "terminated" }));
    let kept = world.store.session_state(&world.admin.hash(), &id, Some("key"), world.as_owner().now).await.unwrap();
    assert_eq!(kept.value.unwrap().remembered, None, "a refused prompt used up its key");
    assert!(contents(&world, &id).await.is_empty());
}

#[tokio::test]
async fn collected_prompts_reach_the_runner_as_one_text() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let collected = |text: &str| NewPrompt { queue_mode: Some(QueueMode::Collect), ..say(text) };
    for text in ["one", "two"] {
        world.services.prompt(&world.as_owner(), &id, collected(text)).await.unwrap();
    }
    assert!(world.services.pending_commands(&id, 1, 0).await.unwrap().is_empty());
    world.services.prompt(&world.as_owner(), &id, say("three")).await.unwrap();
    let pending = world.services.pending_commands(&id, 1, 0).await.unwrap();
    let texts: Vec<_> = pending.iter().map(|pending| pending.content.as_deref()).collect();
    assert_eq!(texts, [Some("one\n\n---\n\ntwo")]);
    assert_eq!(contents(&world, &id).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_withdrawn_prompt_leaves_the_transcript() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let taken = world.services.prompt(&world.as_owner(), &id, say("taken")).await.unwrap();
    let waiting = world.services.prompt(&world.as_owner(), &id, say("waiting")).await.unwrap();
    let not_waiting = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Conflict(_))), "{result:?}");
    not_waiting(world.services.withdraw(&world.as_owner(), &id, &taken).await);
    world.services.withdraw(&world.as_owner(), &id, &waiting).await.unwrap();
    not_waiting(world.services.withdraw(&world.as_owner(), &id, &waiting).await);
    not_waiting(world.services.promote(&world.as_owner(), &id, &waiting).await);
    assert_eq!(contents(&world, &id).await, ["taken"]);
}

#[tokio::test]
async fn a_cleared_queue_says_how_many_there_were() {
    let world = World::new().await;
    let id = world.open_ready().await;
    for n in 0..3 {
        world.services.prompt(&world.as_owner(), &id, say(&n.to_string())).await.unwrap();
    }
    assert_eq!(world.services.clear_queue(&world.as_owner(), &id).await, Ok(2));
    assert_eq!(world.services.clear_queue(&world.as_owner(), &id).await, Ok(0));
}
