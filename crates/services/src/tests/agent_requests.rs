use portway_domain::access::Role;
use portway_domain::engine::Link;
use portway_domain::ids::{MemoryId, SessionId};
use portway_domain::memories::{MAX_MEMORIES, MemoryCategory, Relevance};
use portway_domain::tokens::{AccessToken, TokenKind, TokenSecret};
use portway_domain::users::User;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::memories::MemoryFilter;

use super::world::World;
use crate::error::Error;
use crate::memories::NewMemory;
use crate::sessions::NewSession;

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

#[tokio::test]
async fn agents_speak_to_sessions_of_their_owner_only() {
    let world = World::new().await;
    let from = world.open().await.id;
    let to = world.open_ready().await;
    let id = world.services.message_session(&from, &to, "Hello".to_owned(), false).await.unwrap();
    let engine = world.engine(&to).await;
    let owner = engine.owner.clone();
    let turn = engine.turn.unwrap();
    assert_eq!((turn.prompt, turn.queued.author), (id, Some(owner.clone())));
    assert!(matches!(engine.runner.link, Link::Connected { .. }));
    world.services.message_session(&from, &to, "Now!".to_owned(), true).await.unwrap();
    assert!(world.engine(&to).await.turn.unwrap().abort_deadline.is_some());
    let blank = world.services.message_session(&from, &to, " ".to_owned(), false).await;
    assert!(matches!(blank, Err(Error::Invalid { .. })), "{blank:?}");

    // A session of somebody else is as good as none.
    let (mut context, secret) = (world.signed_in(), TokenSecret::runner([5; 32]));
    let user = User::new(context.ids.draw(), "bob@example.org".to_owned(), Role::Member, context.now);
    let token = AccessToken {
        id: context.ids.draw(),
        user: user.id.clone(),
        kind: TokenKind::Api,
        name: "key".to_owned(),
        prefix: secret.prefix(),
        hash: secret.hash(),
        created_at: context.now,
        expires_at: None,
    };
    let set = ChangeSet::new().with(Write::AddUser(user)).with(Write::AddToken(token));
    assert_eq!(world.store.commit(set).await, Ok(Commit::Done));
    context.credential = Some(secret.hash());
    let new = NewSession { workspace: "w".to_owned(), ..NewSession::default() };
    let theirs = world.services.open_session(&context, new).await.unwrap().id;
    let refused = world.services.message_session(&from, &theirs, "Hello".to_owned(), false).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
}
