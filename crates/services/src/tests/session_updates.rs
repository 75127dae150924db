//! What those who watch everything of theirs are told about who comes into a session and who goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_ports::pubsub::{Hint, Topic};
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Step, WriteOutcome};
use portway_sql::row::Row;
use tokio::sync::Notify;

use super::world::{World, settled};
use crate::Services;

/// A driver that keeps one read back when it is told to.
struct SlowDriver {
    inner: Arc<dyn SqlDriver>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_closed: AtomicBool,
    opened: Notify,
}

impl Gate {
    /// The next read waits until [`Gate::open`].
    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    fn open(&self) {
        self.opened.notify_one();
    }
}

#[async_trait]
impl SqlDriver for SlowDriver {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        if self.gate.is_closed.swap(false, Ordering::SeqCst) {
            self.gate.opened.notified().await;
        }
        self.inner.read(read).await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        self.inner.write(steps).await
    }
}

async fn slow() -> (World, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let keeper = gate.clone();
    let world = World::over(|inner| Arc::new(SlowDriver { inner, gate: keeper })).await;
    (world, gate)
}

/// What the owner of the session was told, and how many people were there then.
async fn told(world: &World, session: &SessionId) -> Vec<(String, usize)> {
    settled().await;
    let of_session = |hint: Hint| match hint {
        Hint::Bus(event) if event.session == *session && event.kind == "session.update" => Some(event.data),
        _ => None,
    };
    let told = world.hints.all().into_iter().filter_map(|(_, hint)| of_session(hint));
    told.map(|data| (data["event"].as_str().unwrap().to_owned(), data["connectedUsers"].as_array().unwrap().len()))
        .collect()
}

/// Whether somebody came, as those who have the session open were told.
fn announced(world: &World, session: &SessionId) -> Vec<bool> {
    let topic = Topic::Session(session.clone());
    let about = world.hints.all().into_iter().filter(|(of, _)| *of == topic);
    about
        .filter_map(|(_, hint)| match hint {
            Hint::Presence(presence) => Some(presence.joined),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn whoever_leaves_at_once_has_come_before() {
    for is_shared in [false, true] {
        let (world, gate) = slow().await;
        world.services.is_shared.store(is_shared, Ordering::Relaxed);
        world.services.has_neighbours.store(is_shared, Ordering::Relaxed);
        let session = world.open().await.id;
        let _watch = world.services.watch_user(&world.signed_in()).await.unwrap();
        let principal = Arc::new(world.services.principal(&world.signed_in()).await.unwrap());
        gate.close();
        let visit = world.services.join(&session, principal);
        settled().await;
        drop(visit);
        assert_eq!(told(&world, &session).await, [], "somebody has to be looked up first");
        gate.open();
        let events: Vec<_> = told(&world, &session).await.into_iter().map(|(event, _)| event).collect();
        assert_eq!(events, ["user.joined", "user.left"], "shared: {is_shared}");
        assert_eq!(announced(&world, &session), [true, false], "shared: {is_shared}");
    }
}

#[tokio::test]
async fn whoever_is_back_is_there_at_last() {
    let (world, gate) = slow().await;
    let session = world.open().await.id;
    let _watch = world.services.watch_user(&world.signed_in()).await.unwrap();
    let principal = Arc::new(world.services.principal(&world.signed_in()).await.unwrap());
    let visit = world.services.join(&session, principal.clone());
    assert_eq!(told(&world, &session).await, [("user.joined".to_owned(), 1)]);
    gate.close();
    drop(visit);
    settled().await;
    let _again = world.services.join(&session, principal);
    settled().await;
    gate.open();
    assert_eq!(told(&world, &session).await.last(), Some(&("user.joined".to_owned(), 1)));
}

#[tokio::test]
async fn sockets_for_everything_may_be_open_in_another_process() {
    for (is_beside_others, expected) in [(false, 0), (true, 1)] {
        let set_up = |services: Services| if is_beside_others { services.beside_others() } else { services };
        let world = World::with_services(set_up).await;
        let session = world.open().await.id;
        let principal = Arc::new(world.services.principal(&world.signed_in()).await.unwrap());
        let _visit = world.services.join(&session, principal);
        assert_eq!(told(&world, &session).await.len(), expected);
    }
}
