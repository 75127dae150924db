//! Sessions of MCP clients.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::access::Role;
use portway_domain::mcp::{MAX_CAPABILITIES_BYTES, MAX_MCP_SESSIONS, McpLogLevel, McpSession};
use portway_domain::time::Timestamp;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Step, WriteOutcome};
use portway_sql::row::Row;

use super::world::{Fault, World, faulty};
use crate::context::Context;
use crate::error::Error;
use crate::mcp_sessions::NewMcpSession;

/// A driver that counts, and answers the next write by itself when it is told what.
struct Counting {
    inner: Arc<dyn SqlDriver>,
    calls: Arc<Calls>,
}

#[derive(Default)]
struct Calls {
    reads: AtomicUsize,
    writes: AtomicUsize,
    answer: Mutex<Option<Result<WriteOutcome, SqlError>>>,
}

impl Calls {
    /// Reads and writes since this was asked last.
    fn count(&self) -> (usize, usize) {
        (self.reads.swap(0, Ordering::SeqCst), self.writes.swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl SqlDriver for Counting {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        self.calls.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read(read).await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        self.calls.writes.fetch_add(1, Ordering::SeqCst);
        let answer = self.calls.answer.lock().unwrap().take();
        match answer {
            Some(answer) => answer,
            None => self.inner.write(steps).await,
        }
    }
}

async fn counting() -> (World, Arc<Calls>) {
    let calls = Arc::new(Calls::default());
    let world = World::over(|inner| Arc::new(Counting { inner, calls: calls.clone() })).await;
    (world, calls)
}

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn new() -> NewMcpSession {
    NewMcpSession { revision: "2025-11-25".to_owned(), capabilities: r#"{"roots":{}}"#.to_owned() }
}

async fn begin(world: &World) -> McpSession {
    world.services.begin_mcp_session(&world.signed_in(), new()).await.unwrap()
}

async fn find(world: &World, session: &McpSession) -> Option<McpSession> {
    let found = world.services.find_mcp_session(&world.signed_in(), session.id.as_str()).await.unwrap();
    found.map(|(session, _)| session)
}

/// Until when the session is kept, without using it.
async fn kept_until(world: &World, session: &McpSession) -> Option<Timestamp> {
    let context = world.signed_in();
    let seen = world.store.mcp_session(context.token().unwrap(), &session.id, context.now).await.unwrap();
    seen.value.map(|kept| kept.expires_at)
}

#[tokio::test]
async fn a_session_is_the_same_on_every_node() {
    let world = World::new().await;
    let neighbour = world.neighbour();
    let session = begin(&world).await;
    assert_eq!((session.revision.as_str(), session.log_level), ("2025-11-25", None));
    let found = neighbour.services.find_mcp_session(&neighbour.signed_in(), session.id.as_str()).await;
    assert_eq!(found, Ok(Some((session.clone(), Role::Admin))));
    let level = McpLogLevel::Error;
    let set = neighbour.services.set_mcp_log_level(&neighbour.signed_in(), session.id.as_str(), level).await;
    assert_eq!(set, Ok(true));
    let with_level = McpSession { log_level: Some(level), ..session.clone() };
    assert_eq!(find(&world, &session).await, Some(with_level));
    assert_ne!(begin(&world).await.id, session.id);
}

#[tokio::test]
async fn an_ended_session_is_ended_for_good() {
    let world = World::new().await;
    let neighbour = world.neighbour();
    let (session, other) = (begin(&world).await, begin(&world).await);
    let id = session.id.as_str();
    assert_eq!(neighbour.services.end_mcp_session(&neighbour.signed_in(), id).await, Ok(true));
    assert_eq!(find(&world, &session).await, None);
    assert_eq!(find(&neighbour, &session).await, None);
    let again = world.services.end_mcp_session(&world.signed_in(), id).await;
    let set = world.services.set_mcp_log_level(&world.signed_in(), id, McpLogLevel::Debug).await;
    assert_eq!((again, set), (Ok(false), Ok(false)));
    assert_eq!(find(&world, &session).await, None);
    assert_eq!(find(&world, &other).await, Some(other));
}

#[tokio::test]
async fn somebody_elses_session_is_not_found() {
    let world = World::new().await;
    let session = begin(&world).await;
    let id = session.id.as_str();
    let eve = world.somebody_else().await;
    let as_eve = || Context { credential: Some(eve.hash()), ..world.signed_in() };
    assert_eq!(world.services.admit_mcp(&as_eve()).await, Ok(Role::Member));
    assert_eq!(world.services.find_mcp_session(&as_eve(), id).await, Ok(None));
    assert_eq!(world.services.set_mcp_log_level(&as_eve(), id, McpLogLevel::Debug).await, Ok(false));
    assert_eq!(world.services.end_mcp_session(&as_eve(), id).await, Ok(false));
    assert_eq!(find(&world, &session).await, Some(session));
}

#[tokio::test]
async fn nobody_has_sessions() {
    let world = World::new().await;
    let session = begin(&world).await;
    let nobody = || Context { credential: None, ..world.signed_in() };
    let unauthorized = Error::Unauthorized;
    assert_eq!(world.services.admit_mcp(&nobody()).await, Err(unauthorized.clone()));
    assert_eq!(world.services.begin_mcp_session(&nobody(), new()).await, Err(unauthorized.clone()));
    for id in [session.id.as_str(), "no id!", ""] {
        assert_eq!(world.services.find_mcp_session(&nobody(), id).await, Err(unauthorized.clone()));
        let set = world.services.set_mcp_log_level(&nobody(), id, McpLogLevel::Debug).await;
        assert_eq!(set, Err(unauthorized.clone()));
        assert_eq!(world.services.end_mcp_session(&nobody(), id).await, Err(unauthorized.clone()));
    }
    for id in ["no id!", "", "unknown"] {
        assert_eq!(world.services.find_mcp_session(&world.signed_in(), id).await, Ok(None));
    }
}

#[tokio::test]
async fn a_session_that_is_not_used_expires() {
    let world = World::new().await;
    let session = begin(&world).await;
    world.clock.advance(7 * DAY - Duration::from_millis(1));
    assert!(kept_until(&world, &session).await.is_some());
    world.clock.advance(Duration::from_millis(1));
    let id = session.id.as_str();
    assert_eq!(find(&world, &session).await, None);
    assert_eq!(world.services.set_mcp_log_level(&world.signed_in(), id, McpLogLevel::Debug).await, Ok(false));
    assert_eq!(world.services.end_mcp_session(&world.signed_in(), id).await, Ok(false));
    let now = world.services.moment().now;
    assert_eq!(world.store.has_expired_mcp_sessions(now).await, Ok(true));
    world.services.sweep_expired().await.unwrap();
    assert_eq!(world.store.has_expired_mcp_sessions(now).await, Ok(false));
}

#[tokio::test]
async fn a_use_is_written_down_once_a_day() {
    let world = World::new().await;
    let session = begin(&world).await;
    let begun = kept_until(&world, &session).await.unwrap();
    for _ in 0..24 {
        world.clock.advance(HOUR);
        assert!(find(&world, &session).await.is_some());
        assert_eq!(kept_until(&world, &session).await, Some(begun));
    }
    world.clock.advance(HOUR);
    assert!(find(&world, &session).await.is_some());
    let renewed = begun.plus(DAY + HOUR);
    assert_eq!(kept_until(&world, &session).await, Some(renewed));
    world.clock.advance(DAY);
    assert!(find(&world, &session).await.is_some());
    assert_eq!(kept_until(&world, &session).await, Some(renewed));
    // It lives on for as long as it is used.
    for _ in 0..4 {
        world.clock.advance(6 * DAY - HOUR);
        assert!(find(&world, &session).await.is_some());
    }
}

#[tokio::test]
async fn one_read_finds_caller_and_session() {
    let (world, calls) = counting().await;
    let session = begin(&world).await;
    calls.count();
    assert!(find(&world, &session).await.is_some());
    assert_eq!(calls.count(), (1, 0));
    world.clock.advance(DAY + HOUR);
    assert!(find(&world, &session).await.is_some());
    assert_eq!(calls.count(), (1, 1));
}

#[tokio::test]
async fn a_use_that_cannot_be_written_down_is_one_all_the_same() {
    let (world, calls) = counting().await;
    let session = begin(&world).await;
    world.clock.advance(2 * DAY);
    *calls.answer.lock().unwrap() = Some(Err(SqlError::Unavailable("it is being tested".to_owned())));
    assert!(find(&world, &session).await.is_some());
    // It ended between the read and the write.
    *calls.answer.lock().unwrap() = Some(Ok(WriteOutcome::Conflict { step: 0 }));
    assert_eq!(find(&world, &session).await, None);
}

#[tokio::test]
async fn the_session_that_expires_first_makes_room() {
    let world = World::new().await;
    let mut sessions = Vec::new();
    for _ in 0..MAX_MCP_SESSIONS {
        sessions.push(begin(&world).await);
        world.clock.advance(Duration::from_secs(1));
    }
    world.clock.advance(DAY);
    // The oldest one is used, so the second is the first to expire.
    assert!(find(&world, &sessions[0]).await.is_some());
    begin(&world).await;
    assert!(kept_until(&world, &sessions[0]).await.is_some());
    assert_eq!(kept_until(&world, &sessions[1]).await, None);
    assert!(kept_until(&world, &sessions[2]).await.is_some());
}

#[tokio::test]
async fn capabilities_are_bounded() {
    let world = World::new().await;
    let sized = |bytes| NewMcpSession { capabilities: "x".repeat(bytes), ..new() };
    let most = world.services.begin_mcp_session(&world.signed_in(), sized(MAX_CAPABILITIES_BYTES)).await;
    assert!(most.is_ok());
    let more = world.services.begin_mcp_session(&world.signed_in(), sized(MAX_CAPABILITIES_BYTES + 1)).await;
    assert!(matches!(more, Err(Error::Invalid { field, .. }) if field == "capabilities"));
}

#[tokio::test]
async fn a_session_begins_once_whatever_becomes_of_the_answer() {
    for fault in [Fault::LostAnswer, Fault::LostRequest, Fault::Conflict] {
        let (world, faults) = faulty().await;
        faults.send(fault).unwrap();
        let session = begin(&world).await;
        assert_eq!(find(&world, &session).await, Some(session), "{fault:?}");
    }
}
