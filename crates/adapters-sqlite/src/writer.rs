//! The thread that owns the one connection that writes.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portway_sql::driver::{SqlError, Step};
use portway_sql::migrations::{MigrateError, Migration};
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::error::{OpenError, closed};
use crate::group_commit::{Answer, settle};
use crate::migrate::migrate;
use crate::queue::Queue;

/// Most change sets in one transaction.
pub(crate) const GROUP: usize = 256;

/// A statement that panics, for the tests.
#[cfg(test)]
pub(crate) const PANIC: &str = "PANIC";

/// How long the last checkpoint waits for readers of other processes.
const CLOSING_BUSY_TIMEOUT: Duration = Duration::from_millis(250);

enum Job {
    Write { steps: Vec<Step>, reply: oneshot::Sender<Answer> },
    Migrate { all: Vec<Migration>, reply: oneshot::Sender<Result<usize, MigrateError>> },
}

impl Job {
    fn is_write(&self) -> bool {
        matches!(self, Self::Write { .. })
    }

    fn write(self) -> Option<(Vec<Step>, oneshot::Sender<Answer>)> {
        match self {
            Self::Write { steps, reply } => Some((steps, reply)),
            Self::Migrate { .. } => None,
        }
    }
}

/// A handle on the writer thread.
pub(crate) struct Writer {
    queue: Arc<Queue<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn start(connection: Connection, queue_length: usize) -> Result<Self, OpenError> {
        let queue = Arc::new(Queue::new(queue_length));
        let jobs = queue.clone();
        let thread = thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || {
                loop {
                    let taken = jobs.take(GROUP);
                    if taken.is_empty() {
                        break;
                    }
                    work(&connection, &jobs, taken);
                }
                finish(connection.raw());
            })
            .map_err(OpenError::Thread)?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) async fn write(&self, steps: Vec<Step>) -> Answer {
        let (reply, answer) = oneshot::channel();
        if !self.queue.push(Job::Write { steps, reply }).await {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    pub(crate) async fn migrate(&self, all: Vec<Migration>) -> Result<usize, MigrateError> {
        let (reply, answer) = oneshot::channel();
        if !self.queue.push(Job::Migrate { all, reply }).await {
            return Err(closed().into());
        }
        answer.await.unwrap_or_else(|_| Err(lost().into()))
    }

    /// Finishes what was accepted, tidies the file up and ends the thread.
    pub(crate) fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer thread had panicked");
        }
    }
}

fn lost() -> SqlError {
    SqlError::Unknown("the writer thread ended".into())
}

/// Works jobs off in order; neighbouring writes share a transaction, and so do those that come before it ends.
fn work(connection: &Connection, queue: &Queue<Job>, jobs: Vec<Job>) {
    let mut sets = Vec::with_capacity(jobs.len());
    let mut replies = Vec::with_capacity(jobs.len());
    for job in jobs {
        match job {
            Job::Write { steps, reply } => {
                sets.push(steps);
                replies.push(reply);
            }
            Job::Migrate { all, reply } => {
                answer(settle(connection, mem::take(&mut sets), &mut Vec::new), replies.drain(..));
                // Nobody left to tell is no reason to stop.
                let _ = reply.send(migrate(connection, &all));
            }
        }
    }
    let mut late = || {
        let room = GROUP.saturating_sub(replies.len());
        let (sets, more): (Vec<_>, Vec<_>) =
            queue.take_waiting(room, Job::is_write).into_iter().filter_map(Job::write).unzip();
        replies.extend(more);
        sets
    };
    let answers = settle(connection, sets, &mut late);
    answer(answers, replies.into_iter());
}

fn answer(answers: Vec<Answer>, replies: impl Iterator<Item = oneshot::Sender<Answer>>) {
    for (answer, reply) in answers.into_iter().zip(replies) {
        // The caller may have gone; its write is as durable as any.
        let _ = reply.send(answer);
    }
}

/// Leaves an empty log behind. Not needed for durability, so a failure is only logged.
///
/// No statistics are gathered: what they say of a young database, such as that there is one token, would have later
/// lookups scan the whole table instead of using its index.
pub(crate) fn finish(connection: &rusqlite::Connection) {
    let tidy = || {
        connection.busy_timeout(CLOSING_BUSY_TIMEOUT)?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
    };
    match tidy() {
        Ok(0) => {}
        Ok(_) => tracing::debug!("another process still uses the log of the database"),
        Err(error) => tracing::warn!(%error, "the database was not tidied up on close"),
    }
}
