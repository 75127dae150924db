//! Who has a session open, on one node and on several.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portway_domain::access::{Permission, Principal};
use portway_domain::ids::SessionId;
use portway_ports::pubsub::{Hint, Topic};

use super::world::{Fault, World, faulty, settled};
use crate::nodes::NODE_LEASE;

async fn administrator(world: &World) -> Arc<Principal> {
    Arc::new(world.services.principal(&world.context(Permission::SignedIn)).await.unwrap())
}

/// What was announced about a session on a node: whether somebody came, and how many people were there then.
async fn told(world: &World, session: &SessionId) -> Vec<(bool, usize)> {
    settled().await;
    let topic = Topic::Session(session.clone());
    let about = world.hints.all().into_iter().filter(|(seen, _)| *seen == topic);
    about
        .filter_map(|(_, hint)| match hint {
            Hint::Presence(presence) => Some((presence.joined, presence.users.len())),
            _ => None,
        })
        .collect()
}

/// Two nodes that are there, and a session.
async fn two(first: World) -> (World, World, SessionId) {
    let second = first.neighbour();
    for world in [&first, &second] {
        world.services.is_shared.store(true, Ordering::Relaxed);
        world.services.has_neighbours.store(true, Ordering::Relaxed);
        let until = world.services.moment().now.plus(NODE_LEASE);
        world.store.be_there(&world.node(), until).await.unwrap();
    }
    let session = first.open().await.id;
    (first, second, session)
}

async fn sockets(world: &World, session: &SessionId) -> (usize, usize) {
    settled().await;
    let (users, sockets) = world.services.present(session).await;
    (users.len(), sockets)
}

#[tokio::test]
async fn presence_counts_people_once() {
    let world = World::new().await;
    let session = world.open().await.id;
    let principal = administrator(&world).await;
    let first = world.services.join(&session, principal.clone());
    let second = world.services.join(&session, principal.clone());
    assert_eq!(sockets(&world, &session).await, (1, 2));
    drop(first);
    drop(second);
    assert_eq!(told(&world, &session).await, [(true, 1), (true, 1), (false, 0)]);
    assert_eq!(world.store.sockets_of_node(&world.node(), 0, 9).await.unwrap(), [], "nobody else would read it");
}

#[tokio::test]
async fn who_is_there_is_known_on_each_node() {
    let (first, second, session) = two(World::new().await).await;
    let principal = administrator(&first).await;
    let here = first.services.join(&session, principal.clone());
    let there = second.services.join(&session, principal.clone());
    assert_eq!(sockets(&first, &session).await, (1, 2));
    assert_eq!(sockets(&second, &session).await, (1, 2));
    drop(here);
    assert_eq!(told(&first, &session).await, [(true, 1)], "the same person is there through the other node");
    assert_eq!(sockets(&first, &session).await, (1, 1));
    drop(there);
    assert_eq!(told(&second, &session).await, [(true, 1), (false, 0)]);
    assert_eq!(sockets(&first, &session).await, (0, 0));
}

#[tokio::test]
async fn who_was_there_through_a_node_that_is_gone_leaves() {
    let (first, second, session) = two(World::new().await).await;
    let principal = administrator(&first).await;
    let _lost = first.services.join(&session, principal.clone());
    let later = second.services.moment().now.plus(NODE_LEASE);
    second.store.be_there(&second.node(), later.plus(NODE_LEASE)).await.unwrap();
    second.clock.advance(NODE_LEASE);
    assert_eq!(sockets(&second, &session).await, (0, 0), "from the end of its lease on");
    second.services.take_over(later).await.unwrap();
    assert_eq!(told(&second, &session).await, [(false, 0)]);
    assert_eq!(second.store.sockets_of_node(&first.node(), 0, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_node_that_leaves_takes_its_people_along() {
    let (first, second, session) = two(World::new().await).await;
    let principal = administrator(&first).await;
    let _open = first.services.join(&session, principal.clone());
    assert_eq!(sockets(&second, &session).await, (1, 1));
    first.services.leave_node().await.unwrap();
    assert_eq!(sockets(&second, &session).await, (0, 0));
}

#[tokio::test]
async fn a_node_that_starts_again_forgets_whom_it_had() {
    let (first, second, session) = two(World::new().await).await;
    let principal = administrator(&first).await;
    let _before = first.services.join(&session, principal.clone());
    let again = first.again();
    again.services.is_shared.store(true, Ordering::Relaxed);
    let now = again.services.join(&session, principal.clone());
    assert_eq!(sockets(&second, &session).await, (1, 2));
    again.services.forget_earlier_presence().await.unwrap();
    again.services.write_presence().await.unwrap();
    assert_eq!(sockets(&second, &session).await, (1, 1));
    drop(now);
    assert_eq!(sockets(&second, &session).await, (0, 0));
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later() {
    let (world, faults) = faulty().await;
    let (first, second, session) = two(world).await;
    let principal = administrator(&first).await;
    // Nobody else was known to be on the store yet.
    first.services.is_shared.store(false, Ordering::Relaxed);
    let [one, other] =
        [first.services.join(&session, principal.clone()), first.services.join(&session, principal.clone())];
    first.services.is_shared.store(true, Ordering::Relaxed);
    faults.send(Fault::Unavailable).unwrap();
    assert!(first.services.write_presence().await.is_err());
    assert_eq!(sockets(&second, &session).await, (0, 0));
    first.services.write_presence().await.unwrap();
    assert_eq!(sockets(&second, &session).await, (1, 2));
    faults.send(Fault::Unavailable).unwrap();
    // The first of two tries fails.
    drop(one);
    drop(other);
    assert_eq!(sockets(&second, &session).await, (0, 0));
    assert_eq!(told(&first, &session).await.last(), Some(&(false, 0)));
}
