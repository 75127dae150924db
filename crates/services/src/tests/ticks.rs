use std::time::Duration;

use portway_domain::sessions::SessionStatus;

use super::world::World;

#[tokio::test]
async fn a_tick_starts_what_is_ordered_and_asks_who_is_due() {
    let world = World::new().await;
    let ordered = world.services.work_ordered();
    let session = world.open().await;
    ordered.await;
    world.services.tick().await.unwrap();
    world.sandboxes.started(&session.id, 1).await;
    // Its runner never says hello.
    world.clock.advance(Duration::from_secs(3_600));
    world.services.tick().await.unwrap();
    let status = world.services.session(&world.as_owner(), &session.id).await.unwrap().session.status;
    assert_eq!(status, SessionStatus::Error);
}
