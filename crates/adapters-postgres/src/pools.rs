//! The connections, and which of them can be trusted.
//!
//! The pool of `sqlx` asks a connection whether it lives whenever it comes back, which costs a round trip each time and
//! waits for ever for a server that fell silent: soon all connections would be waiting. Here a connection is only asked
//! when there is a reason, and every wait has an end. The one that was used last is used next, so under little load few
//! connections are kept busy and their prepared statements at hand.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portway_sql::driver::SqlError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::error::{Failure, closed};
use crate::options::PostgresOptions;
use crate::session::{Link, Session};

/// A connection that rested longer is asked before it is used.
const RESTED: Duration = Duration::from_secs(30);

/// A connection that rested longer is not kept.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// A connection that is older is not used again: its server process gives back what it gathered, and a name that leads
/// elsewhere by now is noticed.
const OLD: Duration = Duration::from_secs(60 * 60);

/// How long the answer to a question and the end of a connection may take.
const PING: Duration = Duration::from_secs(2);

/// How long a server is waited for that does not accept connections: a restart takes less.
const RESTART: Duration = Duration::from_secs(3);

/// A server that refuses connections is tried again after this time, and then after twice that and so on.
const AGAIN: Duration = Duration::from_millis(20);

/// Connections for one kind of use.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    connect: PgConnectOptions,
    size: u32,
    acquire_timeout: Duration,
    patience: Duration,
    slots: Arc<Semaphore>,
    rest: Mutex<Rest>,
}

/// The connections that nobody uses, and what is known against them.
#[derive(Default)]
struct Rest {
    /// The one that was used last comes last.
    connections: Vec<Resting>,
    doubt: Doubt,
    is_closed: bool,
}

struct Resting {
    link: Link,
    since: Instant,
}

#[derive(Default)]
struct Doubt {
    /// A connection broke then: others that rest since before may be broken as well.
    lost: Option<Instant>,
    /// A prepared statement did not fit any more then: connections that are older have such statements as well.
    stale: Option<Instant>,
}

/// What to do with a connection that rested.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Use,
    Ask,
    Close,
}

impl Doubt {
    fn judge(&self, born: Instant, since: Instant, now: Instant) -> Verdict {
        let is_before = |then: Instant, moment: Option<Instant>| moment.is_some_and(|moment| then <= moment);
        let rested = now.saturating_duration_since(since);
        if is_before(born, self.stale) || now.saturating_duration_since(born) > OLD || rested > IDLE {
            Verdict::Close
        } else if rested > RESTED || is_before(since, self.lost) {
            Verdict::Ask
        } else {
            Verdict::Use
        }
    }
}

impl Pool {
    /// Opens no connection yet.
    pub(crate) fn new(options: &PostgresOptions, connect: PgConnectOptions) -> Self {
        let slots = Arc::new(Semaphore::new(usize::try_from(options.connections).unwrap_or(1)));
        let shared = Shared {
            connect,
            size: options.connections,
            acquire_timeout: options.acquire_timeout,
            patience: options.patience(),
            slots,
            rest: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A connection for one use. May be dropped while it waits.
    pub(crate) async fn session(&self) -> Result<Session, SqlError> {
        if let Some(session) = self.at_hand() {
            return Ok(session);
        }
        // In a box, or every use would carry the room that a new connection takes.
        let found = timeout(self.shared.acquire_timeout, Box::pin(self.find())).await;
        found.unwrap_or_else(|_| Err(SqlError::Unavailable("no connection to Postgres came about in time".into())))
    }

    /// The connection that was used last, if there is nothing to wait for.
    fn at_hand(&self) -> Option<Session> {
        let slot = self.shared.slots.clone().try_acquire_owned().ok()?;
        let mut rest = self.rest();
        let last = rest.connections.last()?;
        if rest.is_closed || rest.doubt.judge(last.link.born, last.since, Instant::now()) != Verdict::Use {
            return None;
        }
        let resting = rest.connections.pop()?;
        Some(self.lend(resting.link, slot))
    }

    async fn find(&self) -> Result<Session, SqlError> {
        if self.rest().is_closed {
            return Err(closed());
        }
        let slot = self.shared.slots.clone().acquire_owned().await.map_err(|_| closed())?;
        while let Some((verdict, mut link)) = self.take() {
            match verdict {
                Verdict::Use => return Ok(self.lend(link, slot)),
                Verdict::Ask if matches!(timeout(PING, link.connection.ping()).await, Ok(Ok(()))) => {
                    return Ok(self.lend(link, slot));
                }
                Verdict::Ask => {}
                Verdict::Close => end(link.connection),
            }
        }
        let connection = self.connect().await.map_err(|error| Failure::from(error).into_error())?;
        Ok(self.lend(Link::new(connection, self.shared.patience), slot))
    }

    fn take(&self) -> Option<(Verdict, Link)> {
        let mut rest = self.rest();
        let Resting { link, since } = rest.connections.pop()?;
        Some((rest.doubt.judge(link.born, since, Instant::now()), link))
    }

    fn lend(&self, link: Link, slot: OwnedSemaphorePermit) -> Session {
        Session::new(link, self.clone(), slot)
    }

    /// Takes a connection back that is at rest.
    pub(crate) fn give_back(&self, link: Link) {
        let since = Instant::now();
        let mut rest = self.rest();
        // The one that was used least is the first to go.
        let is_idle = |resting: &mut Resting| since.saturating_duration_since(resting.since) > IDLE;
        let idle = rest.connections.first_mut().is_some_and(is_idle).then(|| rest.connections.remove(0));
        if !rest.is_closed {
            rest.connections.push(Resting { link, since });
            drop(rest);
        } else {
            drop(rest);
            end(link.connection);
        }
        if let Some(idle) = idle {
            end(idle.link.connection);
        }
    }

    /// Waits for a server that does not accept connections at the moment.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let begin = Instant::now();
        let mut pause = AGAIN;
        loop {
            match self.shared.connect.connect().await {
                Err(error) if may_pass(&error) && begin.elapsed() < RESTART => sleep(pause).await,
                result => return result,
            }
            pause = (2 * pause).min(Duration::from_secs(1));
        }
    }

    /// Draws conclusions for the other connections.
    pub(crate) fn learn(&self, failure: &Failure) {
        let now = Some(Instant::now());
        let mut rest = self.rest();
        match failure {
            Failure::Lost { .. } => rest.doubt.lost = now,
            failure if failure.is_stale() => rest.doubt.stale = now,
            _ => {}
        }
    }

    /// Waits until all connections are back, and closes them.
    pub(crate) async fn close(&self) {
        self.rest().is_closed = true;
        // Whoever waits for a connection already comes first.
        if let Ok(all) = self.shared.slots.acquire_many(self.shared.size).await {
            all.forget();
            self.shared.slots.close();
        }
        let connections = std::mem::take(&mut self.rest().connections);
        for resting in connections {
            farewell(resting.link.connection).await;
        }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.shared.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that starts, or has no room for another connection at the moment.
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound),
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "53300")),
        _ => false,
    }
}

/// Tells the server that a connection ends, while others go on.
fn end(connection: PgConnection) {
    tokio::spawn(farewell(connection));
}

async fn farewell(connection: PgConnection) {
    // Without an answer the server finds out by itself.
    let _ = timeout(PING, connection.close()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn later() -> Instant {
        Instant::now() + 2 * OLD
    }

    #[test]
    fn a_connection_is_asked_after_a_rest_or_a_loss() {
        let now = later();
        let quiet = Doubt::default();
        assert_eq!(quiet.judge(now - 90 * SECOND, now - 29 * SECOND, now), Verdict::Use);
        assert_eq!(quiet.judge(now - 90 * SECOND, now - 31 * SECOND, now), Verdict::Ask);
        let lost = Doubt { lost: Some(now - 5 * SECOND), stale: None };
        assert_eq!(lost.judge(now - 90 * SECOND, now - 4 * SECOND, now), Verdict::Use, "it was used since");
        assert_eq!(lost.judge(now - 90 * SECOND, now - 6 * SECOND, now), Verdict::Ask);
    }

    #[test]
    fn a_connection_with_statements_that_do_not_fit_is_closed() {
        let now = later();
        let stale = Doubt { lost: None, stale: Some(now - 5 * SECOND) };
        assert_eq!(stale.judge(now - 6 * SECOND, now - SECOND, now), Verdict::Close);
        assert_eq!(stale.judge(now - 4 * SECOND, now - SECOND, now), Verdict::Use);
    }

    #[test]
    fn a_connection_does_not_live_for_ever() {
        let now = later();
        let quiet = Doubt::default();
        assert_eq!(quiet.judge(now - OLD - SECOND, now - SECOND, now), Verdict::Close);
        assert_eq!(quiet.judge(now - IDLE - 2 * SECOND, now - IDLE - SECOND, now), Verdict::Close);
    }
}
