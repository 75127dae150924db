//! Answers under idempotency keys.

use std::time::Duration;

use super::world::World;
use crate::context::Context;
use crate::error::Error;
use crate::kept_answers::{Claim, Ended, HeldKey};

/// Longer than a key is held.
const TOO_LONG: Duration = Duration::from_secs(121);

fn keyed(world: &World) -> Context {
    world.with_key(world.signed_in(), "key", "digest")
}

async fn hold(world: &World) -> HeldKey {
    match world.services.claim_key(&keyed(world)).await {
        Ok(Claim::Held(held)) => held,
        other => panic!("{other:?}"),
    }
}

async fn refusal(world: &World) -> String {
    match world.services.claim_key(&keyed(world)).await {
        Err(Error::Conflict(text)) => text,
        other => panic!("{other:?}"),
    }
}

async fn kept(world: &World) -> Option<String> {
    match world.services.claim_key(&keyed(world)).await {
        Ok(Claim::Answered(answer)) => Some(answer),
        _ => None,
    }
}

#[tokio::test]
async fn one_request_alone_has_the_key() {
    let world = World::new().await;
    let held = hold(&world).await;
    assert!(refusal(&world).await.contains("being carried out"));
    world.services.release_key(held, Ended::Answered("{}".to_owned())).await;
    assert_eq!(kept(&world).await.as_deref(), Some("{}"));
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let world = World::new().await;
    let held = hold(&world).await;
    world.services.release_key(held, Ended::Answered("{}".to_owned())).await;
    world.clock.advance(Duration::from_secs(24 * 3_600 - 1));
    assert!(kept(&world).await.is_some());
    world.clock.advance(Duration::from_secs(1));
    hold(&world).await;
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let world = World::new().await;
    let held = hold(&world).await;
    world.services.release_key(held, Ended::Failed).await;
    let held = hold(&world).await;
    world.services.release_key(held, Ended::Untold).await;
    assert!(refusal(&world).await.contains("only once"));
}

#[tokio::test]
async fn a_hold_that_nobody_ends_runs_out() {
    let world = World::new().await;
    let lost = hold(&world).await;
    world.clock.advance(TOO_LONG);
    let held = hold(&world).await;
    world.services.release_key(lost, Ended::Answered("late".to_owned())).await;
    assert!(refusal(&world).await.contains("being carried out"));
    world.services.release_key(held, Ended::Answered("in time".to_owned())).await;
    assert_eq!(kept(&world).await.as_deref(), Some("in time"));
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_user() {
    let world = World::new().await;
    let held = hold(&world).await;
    world.services.release_key(held, Ended::Answered("{}".to_owned())).await;
    let other = world.with_key(world.signed_in(), "key", "another digest");
    assert!(matches!(world.services.claim_key(&other).await, Err(Error::IdempotencyKeyReused)));
    let eve = Context { credential: Some(world.somebody_else().await.hash()), ..keyed(&world) };
    assert!(matches!(world.services.claim_key(&eve).await, Ok(Claim::Held(_))));
    let nobody = Context { credential: None, ..keyed(&world) };
    assert!(matches!(world.services.claim_key(&nobody).await, Err(Error::Unauthorized)));
}

#[tokio::test]
async fn what_has_expired_is_removed() {
    let world = World::new().await;
    let held = hold(&world).await;
    world.services.release_key(held, Ended::Answered("{}".to_owned())).await;
    world.services.sweep_expired().await.unwrap();
    assert!(kept(&world).await.is_some());
    world.clock.advance(Duration::from_secs(24 * 3_600));
    let now = world.services.moment().now;
    assert_eq!(world.store.has_expired_keys(now).await, Ok(true));
    world.services.sweep_expired().await.unwrap();
    assert_eq!(world.store.has_expired_keys(now).await, Ok(false));
}
