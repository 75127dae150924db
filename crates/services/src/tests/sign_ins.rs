//! Sockets whose token does not sign anybody in any more.

use std::sync::Arc;
use std::time::Duration;

use portway_domain::tokens::TokenSecret;
use portway_ports::pubsub::Topic;

use super::world::World;
use crate::Context;
use crate::error::Error;
use crate::identity::NewToken;

const MINUTE: Duration = Duration::from_secs(60);

async fn key(world: &World, lifetime: Option<Duration>) -> NewToken {
    let context = world.signed_in();
    let end = lifetime.map(|lifetime| context.now.plus(lifetime));
    world.services.make_token(&context, "ci".to_owned(), end).await.unwrap()
}

fn signed_in_with(world: &World, secret: &TokenSecret) -> Context {
    Context { credential: Some(secret.hash()), ..world.signed_in() }
}

#[tokio::test]
async fn a_revoked_token_ends_its_sockets() {
    let world = World::new().await;
    let [session, other] = [world.open().await.id, world.open().await.id];
    let key = key(&world, None).await;
    let context = signed_in_with(&world, &key.secret);
    let program = Arc::new(world.services.principal(&context).await.unwrap());
    let person = Arc::new(world.services.principal(&world.signed_in()).await.unwrap());
    let _open = world.services.join(&session, program.clone());
    let _others = [world.services.join(&session, person.clone()), world.services.join(&other, person)];
    let _events = world.services.watch_user(&context).await.unwrap();
    world.services.revoke_token(&world.signed_in(), &key.token.id).await.unwrap();
    assert_eq!(world.hints.missed(), [Topic::Session(session), Topic::User(program.user.clone())]);
}

#[tokio::test]
async fn a_token_that_another_process_revoked_is_found() {
    let world = World::new().await;
    let session = world.open().await.id;
    let key = key(&world, None).await;
    let program = Arc::new(world.services.principal(&signed_in_with(&world, &key.secret)).await.unwrap());
    let open = world.services.join(&session, program);
    world.services.check_sign_ins().await.unwrap();
    assert_eq!(world.hints.missed(), []);
    let neighbour = world.neighbour();
    neighbour.services.revoke_token(&world.signed_in(), &key.token.id).await.unwrap();
    assert_eq!(world.hints.missed(), []);
    world.services.check_sign_ins().await.unwrap();
    assert_eq!(world.hints.missed(), [Topic::Session(session)]);
    drop(open);
    world.services.check_sign_ins().await.unwrap();
    assert_eq!(world.hints.missed().len(), 1, "it is over");
}

#[tokio::test]
async fn a_token_that_expires_ends_its_sockets() {
    let world = World::new().await;
    let session = world.open().await.id;
    // More than are looked at in one read.
    let mut open = Vec::new();
    for _ in 0..60 {
        let key = key(&world, Some(2 * MINUTE)).await;
        let program = world.services.principal(&signed_in_with(&world, &key.secret)).await.unwrap();
        open.push(world.services.join(&session, Arc::new(program)));
    }
    let key = key(&world, Some(MINUTE)).await;
    let context = signed_in_with(&world, &key.secret);
    let events = world.services.watch_user(&context).await.unwrap();
    let user = world.services.principal(&context).await.unwrap().user;
    world.clock.advance(MINUTE);
    world.services.check_sign_ins().await.unwrap();
    assert_eq!(world.hints.missed(), [Topic::User(user)]);
    assert_eq!(world.services.principal(&signed_in_with(&world, &key.secret)).await, Err(Error::Unauthorized));
    drop(events);
    world.clock.advance(MINUTE);
    world.services.check_sign_ins().await.unwrap();
    assert_eq!(world.hints.missed().len(), 1 + open.len());
}
