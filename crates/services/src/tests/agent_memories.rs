//! Memories of the owner of an agent's session.

use portway_domain::ids::{MemoryId, SessionId};
use portway_domain::memories::{MAX_MEMORIES, MemoryCategory, Relevance};
use portway_ports::memories::MemoryFilter;

use super::world::World;
use crate::error::Error;
use crate::memories::NewMemory;

fn all() -> MemoryFilter {
    MemoryFilter::new(None, None, MAX_MEMORIES)
}

#[tokio::test]
async fn agents_share_the_memories_of_their_owner() {
    let world = World::new().await;
    let session = world.open().await.id;
    let note = |content: &str| NewMemory { category: MemoryCategory::General, content: content.to_owned() };
    let memory = world.services.remember_for(&session, note("tabs")).await.unwrap();
    assert_eq!(world.services.memories(&world.signed_in(), &all()).await, Ok(vec![memory.clone()]));
    let recalled = world.services.recall_for(&session, &all()).await.unwrap();
    assert_eq!((recalled.len(), recalled[0].relevance.tenths()), (1, Relevance::NEW.tenths() + 1));
    assert_eq!(world.services.memories(&world.signed_in(), &all()).await, Ok(recalled));
    let long = world.services.remember_for(&session, note("")).await;
    assert!(matches!(long, Err(Error::Invalid { .. })), "{long:?}");
    world.services.forget_for(&session, &memory.id).await.unwrap();
    let again = world.services.forget_for(&session, &memory.id).await;
    assert!(matches!(again, Err(Error::NotFound { resource: "Memory", .. })), "{again:?}");
    let nobody = SessionId::parse("nobody").unwrap();
    assert!(matches!(world.services.recall_for(&nobody, &all()).await, Err(Error::NotFound { .. })));
    let missing = world.services.forget_for(&session, &MemoryId::parse("none").unwrap()).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}
