//! Sessions that others take part in.

use std::time::Duration;

use portway_domain::sharing::{MAX_SHARE_LINKS, ParticipantRole};

use super::world::World;
use crate::error::Error;
use crate::sharing::NewShareLink;

#[tokio::test]
async fn links_that_are_not_revoked_are_bounded() {
    let world = World::new().await;
    let id = world.open_ready().await;
    let make = async || {
        let expires_at = Some(world.services.moment().now.plus(Duration::from_secs(60)));
        let new = NewShareLink { role: ParticipantRole::Viewer, expires_at, max_uses: None };
        world.services.make_share_link(&world.as_owner(), &id, new).await
    };
    let first = make().await.unwrap();
    for _ in 1..MAX_SHARE_LINKS {
        make().await.unwrap();
    }
    world.clock.advance(Duration::from_secs(120));
    assert!(matches!(make().await, Err(Error::TooMany(_))), "also those that have expired count");
    world.services.revoke_share_link(&world.as_owner(), &id, &first.id).await.unwrap();
    make().await.unwrap();
    assert_eq!(world.services.share_links(&world.as_owner(), &id).await.unwrap().len(), MAX_SHARE_LINKS);
}
