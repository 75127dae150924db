use std::time::Duration;

use portway_domain::access::{Permission, Role};

use super::world::World;
use crate::error::Error;
use crate::identity::ProfileChange;

#[tokio::test]
async fn there_is_one_first_administrator() {
    let world = World::new().await;
    assert_eq!(world.services.bootstrap(None).await, Ok(None));
    assert_eq!(world.services.me(&world.signed_in()).await.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn a_key_works_until_it_expires_or_is_revoked() {
    let world = World::new().await;
    let now = world.signed_in().now;
    let expires_at = Some(now.plus(Duration::from_secs(60)));
    let made = world.services.make_token(&world.signed_in(), "ci".to_owned(), expires_at).await.unwrap();
    let mut context = world.signed_in();
    context.credential = Some(made.secret.hash());
    assert!(world.services.me(&context).await.is_ok());
    context.now = now.plus(Duration::from_secs(60));
    assert_eq!(world.services.me(&context).await, Err(Error::Unauthorized));
    context.now = now;
    world.services.revoke_token(&world.signed_in(), &made.token.id).await.unwrap();
    assert_eq!(world.services.me(&context).await, Err(Error::Unauthorized));
    let again = world.services.revoke_token(&world.signed_in(), &made.token.id).await;
    assert!(matches!(again, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn signing_out_keeps_keys_for_programs() {
    let world = World::new().await;
    world.services.sign_out(&world.signed_in()).await.unwrap();
    assert!(world.services.me(&world.signed_in()).await.is_ok());
}

#[tokio::test]
async fn absent_fields_of_a_profile_stay() {
    let world = World::new().await;
    let change = ProfileChange { git_name: Some("Ada".to_owned()), ..ProfileChange::default() };
    let user = world.services.change_me(&world.signed_in(), change).await.unwrap();
    assert_eq!(user.git_name.as_deref(), Some("Ada"));
    let stored = world.services.me(&world.signed_in()).await.unwrap();
    assert_eq!(stored.name.as_deref(), Some("Administrator"));
    assert_eq!(stored, user);
}

#[tokio::test]
async fn administrators_only_means_so() {
    let world = World::new().await;
    let mut user = world.services.me(&world.signed_in()).await.unwrap();
    assert!(world.services.me(&world.context(Permission::Admin)).await.is_ok());
    let version = user.version;
    user.role = Role::Member;
    let set = portway_ports::commit::ChangeSet::new().with(portway_ports::commit::Write::SetUser { user, version });
    world.store.commit(set).await.unwrap();
    let refused = world.services.me(&world.context(Permission::Admin)).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
}
