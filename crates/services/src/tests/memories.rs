use std::time::Duration;

use portway_domain::access::Permission;
use portway_domain::ids::MemoryId;
use portway_domain::memories::{MAX_MEMORIES, MAX_MEMORY_CHARS, MemoryCategory, Relevance};
use portway_domain::search::Query;
use portway_ports::memories::MemoryFilter;

use super::world::{Fault, World, faulty};
use crate::error::Error;
use crate::memories::NewMemory;

fn note(content: &str) -> NewMemory {
    NewMemory { category: MemoryCategory::General, content: content.to_owned() }
}

fn all() -> MemoryFilter {
    MemoryFilter::new(None, None, MAX_MEMORIES)
}

#[tokio::test]
async fn a_memory_is_kept_until_it_is_forgotten() {
    let world = World::new().await;
    let memory = world.services.remember(&world.signed_in(), note("tabs")).await.unwrap();
    assert_eq!((memory.relevance, memory.created_at), (Relevance::NEW, memory.last_accessed_at));
    assert_eq!(world.services.memories(&world.signed_in(), &all()).await, Ok(vec![memory.clone()]));
    world.services.forget_memory(&world.signed_in(), &memory.id).await.unwrap();
    assert_eq!(world.services.memories(&world.signed_in(), &all()).await.unwrap(), []);
    let again = world.services.forget_memory(&world.signed_in(), &memory.id).await;
    assert!(matches!(again, Err(Error::NotFound { resource: "Memory", .. })), "{again:?}");
}

#[tokio::test]
async fn only_what_is_recalled_becomes_more_relevant() {
    let world = World::new().await;
    let tabs = world.services.remember(&world.signed_in(), note("Prefers tabs")).await.unwrap();
    world.services.remember(&world.signed_in(), note("Likes tea")).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let filter = MemoryFilter::new(None, Some(Query::parse("tab spaces")), 10);
    assert_eq!(world.services.memories(&world.signed_in(), &filter).await, Ok(vec![tabs.clone()]));
    let context = world.signed_in();
    let recalled = world.services.recall_memories(&context, &filter).await.unwrap();
    assert_eq!(recalled, [tabs.used(context.now)]);
    assert_eq!(recalled[0].relevance.tenths(), 11);
    let listed = world.services.memories(&world.signed_in(), &all()).await.unwrap();
    assert_eq!(listed[0], recalled[0]);
    assert_eq!(listed[1].relevance, Relevance::NEW);
    let nothing = MemoryFilter::new(None, Some(Query::parse("coffee")), 10);
    assert_eq!(world.services.recall_memories(&world.signed_in(), &nothing).await.unwrap(), []);
}

#[tokio::test]
async fn the_least_relevant_goes_and_never_the_new_one() {
    let world = World::new().await;
    let mut ids: Vec<MemoryId> = Vec::new();
    for number in 0..MAX_MEMORIES {
        world.clock.advance(Duration::from_secs(1));
        ids.push(world.services.remember(&world.signed_in(), note(&format!("number {number}"))).await.unwrap().id);
    }
    // The oldest ones were used; everything is more relevant than a new one.
    world.services.recall_memories(&world.signed_in(), &all()).await.unwrap();
    let filter = MemoryFilter::new(None, Some(Query::parse("\"number 0\"")), 1);
    world.services.recall_memories(&world.signed_in(), &filter).await.unwrap();
    let new = world.services.remember(&world.signed_in(), note("new")).await.unwrap();
    let newer = world.services.remember(&world.signed_in(), note("newer")).await.unwrap();
    let left: Vec<MemoryId> = world
        .services
        .memories(&world.signed_in(), &all())
        .await
        .unwrap()
        .into_iter()
        .map(|memory| memory.id)
        .collect();
    assert_eq!(left.len(), MAX_MEMORIES as usize);
    assert!(left.contains(&newer.id) && left.contains(&ids[0]));
    assert!(!left.contains(&new.id), "it was the least relevant when the newer one came");
    assert_eq!(ids.iter().filter(|id| !left.contains(id)).count(), 1);
}

#[tokio::test]
async fn content_is_bounded() {
    let world = World::new().await;
    for bad in [String::new(), "é".repeat(MAX_MEMORY_CHARS + 1)] {
        let refused = world.services.remember(&world.signed_in(), note(&bad)).await;
        assert!(matches!(refused, Err(Error::Invalid { ref field, .. }) if field == "content"), "{refused:?}");
    }
    assert!(world.services.remember(&world.signed_in(), note(&"é".repeat(MAX_MEMORY_CHARS))).await.is_ok());
}

#[tokio::test]
async fn a_key_remembers_once() {
    let world = World::new().await;
    let context = || world.with_key(world.signed_in(), "key", "digest");
    let first = world.services.remember(&context(), note("tabs")).await.unwrap();
    assert_eq!(world.services.remember(&context(), note("tabs")).await.unwrap(), first);
    let other = world.with_key(world.signed_in(), "key", "other");
    assert_eq!(world.services.remember(&other, note("spaces")).await, Err(Error::IdempotencyKeyReused));
    assert_eq!(world.services.memories(&world.signed_in(), &all()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_memory_is_written_once_whatever_the_store_answers() {
    for fault in [Fault::LostAnswer, Fault::LostRequest, Fault::Conflict] {
        let (world, faults) = faulty().await;
        faults.send(fault).unwrap();
        let memory = world.services.remember(&world.signed_in(), note("tabs")).await.unwrap();
        assert_eq!(world.services.memories(&world.signed_in(), &all()).await.unwrap(), [memory], "{fault:?}");
    }
}

#[tokio::test]
async fn nobody_reaches_the_memories_of_another() {
    let world = World::new().await;
    let memory = world.services.remember(&world.signed_in(), note("hers")).await.unwrap();
    let mut context = world.services.context(&world.somebody_else().await, Permission::SignedIn);
    assert_eq!(world.services.memories(&context, &all()).await.unwrap(), []);
    assert_eq!(world.services.recall_memories(&context, &all()).await.unwrap(), []);
    let refused = world.services.forget_memory(&context, &memory.id).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })));
    context.credential = None;
    assert_eq!(world.services.memories(&context, &all()).await, Err(Error::Unauthorized));
    assert_eq!(world.services.remember(&context, note("x")).await, Err(Error::Unauthorized));
    assert_eq!(world.services.memories(&world.signed_in(), &all()).await.unwrap(), [memory]);
}
