use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::sessions::SessionStatus;
use portway_domain::tokens::TokenHash;
use portway_domain::users::DEFAULT_ACTIVE_SESSIONS;
use portway_ports::pages::PageRequest;
use portway_ports::sessions::SessionFilter;

use super::world::World;
use crate::error::Error;
use crate::sessions::NewSession;

fn new_session() -> NewSession {
    NewSession { workspace: "w".to_owned(), ..NewSession::default() }
}

#[tokio::test]
async fn no_more_sessions_than_the_limit_even_at_once() {
    let world = World::new().await;
    let attempts = (0..DEFAULT_ACTIVE_SESSIONS + 5).map(|_| {
        let context = world.signed_in();
        let services = world.services.clone();
        async move { services.open_session(&context, new_session()).await }
    });
    let results = join_all(attempts).await;
    let opened = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(opened, DEFAULT_ACTIVE_SESSIONS as usize);
    let quota = Error::SessionQuota { active: DEFAULT_ACTIVE_SESSIONS, limit: DEFAULT_ACTIVE_SESSIONS };
    assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|error| *error == quota));
}

#[tokio::test]
async fn one_key_opens_one_session() {
    let world = World::new().await;
    let attempts = (0..8).map(|_| {
        let context = world.with_key(world.signed_in(), "key", "digest");
        let services = world.services.clone();
        async move { services.open_session(&context, new_session()).await }
    });
    let ids: Vec<_> = join_all(attempts).await.into_iter().map(|result| result.unwrap().id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
    let other = world.with_key(world.signed_in(), "key", "another digest");
    assert_eq!(world.services.open_session(&other, new_session()).await, Err(Error::IdempotencyKeyReused));
    let (_, page) = world
        .services
        .list_sessions(&world.signed_in(), SessionFilter::default(), PageRequest::new(20, None))
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
}

#[tokio::test]
async fn strangers_and_low_roles_see_nothing() {
    let world = World::new().await;
    let session = world.open().await;
    let mut stranger = world.as_owner();
    stranger.credential = Some(TokenHash::of("unknown"));
    assert_eq!(world.services.session(&stranger, &session.id).await, Err(Error::Unauthorized));
    stranger.credential = None;
    assert_eq!(world.services.session(&stranger, &session.id).await, Err(Error::Unauthorized));
    let nobody = portway_domain::ids::SessionId::parse("nobody").unwrap();
    let missing = world.services.session(&world.as_owner(), &nobody).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn only_a_local_administrator_names_a_folder() {
    let world = World::new().await;
    let new = NewSession { directory: Some("/tmp".to_owned()), ..new_session() };
    let mut context = world.signed_in();
    context.local = false;
    let refused = world.services.open_session(&context, new.clone()).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
    let relative = NewSession { directory: Some("tmp".to_owned()), ..new_session() };
    let refused = world.services.open_session(&world.signed_in(), relative).await;
    assert!(matches!(refused, Err(Error::Invalid { field, .. }) if field == "directory"));
    assert!(world.services.open_session(&world.signed_in(), new).await.is_ok());
}

#[tokio::test]
async fn where_sandboxes_are_elsewhere_administrators_anywhere_name_folders() {
    let world = World::new().await;
    world.sandboxes.are_elsewhere.store(true, Ordering::SeqCst);
    let new = NewSession { directory: Some("/tmp".to_owned()), ..new_session() };
    let mut far = world.signed_in();
    far.local = false;
    assert!(world.services.open_session(&far, new.clone()).await.is_ok());
    let member = world.services.context(&world.somebody_else().await, Permission::SignedIn);
    let refused = world.services.open_session(&member, new).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
}

#[tokio::test]
async fn an_unknown_agent_is_named() {
    let world = World::new().await;
    let new = NewSession { agent: Some("nobody".to_owned()), ..new_session() };
    let refused = world.services.open_session(&world.signed_in(), new).await.unwrap_err();
    assert_eq!(
        refused,
        Error::Invalid {
            field: "agent".to_owned(),
            message: "no agent of that name is configured; there are: demo".to_owned(),
        }
    );
}

#[tokio::test]
async fn a_terminated_session_loses_its_sandbox_and_stays_terminated() {
    let world = World::new().await;
    let id = world.open_ready().await;
    world.services.terminate_session(&world.as_owner(), &id).await.unwrap();
    world.services.terminate_session(&world.as_owner(), &id).await.unwrap();
    world.sandboxes.gone(&id, 1).await;
    let detail = world.services.session(&world.as_owner(), &id).await.unwrap();
    assert_eq!(detail.session.status, SessionStatus::Terminated);
    let active = world.store.opening(&world.admin.hash(), None, world.signed_in().now).await.unwrap();
    assert_eq!(active.value.unwrap().active, 0);
}

#[tokio::test]
async fn a_session_that_ends_in_mid_turn_is_no_longer_busy() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let say = crate::prompts::NewPrompt { content: "hello".to_owned(), ..crate::prompts::NewPrompt::default() };
    world.services.prompt(&world.as_owner(), &id, say).await.unwrap();
    world.services.commands_taken(&id, 1, 1).await.unwrap();
    assert!(world.services.is_busy());
    world.services.terminate_session(&world.as_owner(), &id).await.unwrap();
    assert!(!world.services.is_busy());
}

#[tokio::test]
async fn a_new_title_is_in_lists() {
    let world = World::new().await;
    let session = world.open().await;
    world.services.rename_session(&world.as_owner(), &session.id, "Better".to_owned()).await.unwrap();
    let viewer = world.context(Permission::Session(SessionRole::Viewer));
    let detail = world.services.session(&viewer, &session.id).await.unwrap();
    assert_eq!(detail.session.title.as_deref(), Some("Better"));
}
