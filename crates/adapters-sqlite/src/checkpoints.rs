//! Writing the log back into the database, beside the writer.
//!
//! A checkpoint copies pages and waits for the disk twice. Done by the writer, as SQLite does by itself, everybody who
//! waits for a commit waits for it too. So a thread of its own writes back while the writer goes on. But the log only
//! begins anew when nothing of it is left, which never happens while it grows: the small rest is the writer's.

use std::ffi::c_int;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::ffi::ErrorCode;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;

use crate::connection::Connection;
use crate::error::OpenError;

/// From this many pages on, 64 MiB, the log is written back. Each time the disk is busy for a while, which commits feel;
/// in a longer log that happens less often, and more of its pages are newer versions of others, of which only the last
/// is written back. SQLite's own 1,000 are chosen for writers that wait for it.
const BEGIN: u32 = 16_000;

/// At most this many pages are left to the writer, which takes about as long as a commit.
const REST: u32 = 100;

/// A log of this many pages, 128 MiB, is the writer's as a whole: the thread cannot keep up.
const FULL: u32 = 32_768;

/// What the writer and the thread know of the log.
#[derive(Default)]
pub(crate) struct Log {
    state: Mutex<State>,
    asked: Condvar,
}

#[derive(Default)]
struct State {
    /// The log is long enough to be written back.
    long: bool,
    /// Pages at the begin of the log that were written back.
    written_back: u32,
    closed: bool,
}

/// Whose turn it is after a commit.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Nobody,
    Thread,
    Writer,
}

impl Log {
    /// Looks after the log of a connection that writes.
    pub(crate) fn attend(self: Arc<Self>, raw: &mut rusqlite::Connection) -> rusqlite::Result<()> {
        raw.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
            self.committed(log, u32::try_from(pages).unwrap_or_default());
            // The commit is on disk, whatever becomes of the log.
            Ok(())
        }))
    }

    fn committed(&self, log: &mut Wal, pages: u32) {
        match self.turn(pages) {
            Turn::Nobody => {}
            Turn::Thread => self.asked.notify_one(),
            Turn::Writer => self.settle(log.checkpoint_v2(CheckpointMode::PASSIVE)),
        }
    }

    /// Takes down how far the log was written back. A failure is no loss, because the log stays: it is tried again after
    /// the next commits.
    fn settle(&self, checkpoint: rusqlite::Result<(c_int, c_int)>) {
        match checkpoint {
            Ok((_, written_back)) => self.lock().written_back = u32::try_from(written_back).unwrap_or_default(),
            // The other one is at it.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
            Err(error) => tracing::warn!(%error, "the log of the database was not written back"),
        }
    }

    fn turn(&self, pages: u32) -> Turn {
        let mut state = self.lock();
        if pages < state.written_back {
            // It began anew.
            state.written_back = 0;
        }
        let rest = pages - state.written_back;
        if pages < BEGIN || rest == 0 {
            return Turn::Nobody;
        }
        if rest <= REST || pages >= FULL {
            return Turn::Writer;
        }
        state.long = true;
        Turn::Thread
    }

    /// Waits until the log is long. False when the database is closed.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        while !state.long && !state.closed {
            state = self.asked.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.long = false;
        !state.closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that writes back.
pub(crate) struct Checkpoints {
    log: Arc<Log>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpoints {
    pub(crate) fn start(log: Arc<Log>, path: &Path, busy_timeout: Duration) -> Result<Self, OpenError> {
        let connection = Connection::writer(path, busy_timeout)?;
        let watched = log.clone();
        let thread = thread::Builder::new()
            .name("sqlite-log".into())
            .spawn(move || {
                while watched.wait() {
                    watched.settle(connection.raw().wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE));
                }
            })
            .map_err(OpenError::Thread)?;
        Ok(Self { log, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        self.log.lock().closed = true;
        self.log.asked.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the log back had panicked");
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(written_back: u32) -> Log {
        let log = Log::default();
        log.lock().written_back = written_back;
        log
    }

    #[test]
    fn a_short_log_is_nobodys() {
        assert_eq!(log(0).turn(BEGIN - 1), Turn::Nobody);
    }

    #[test]
    fn a_long_log_is_the_threads_and_its_rest_the_writers() {
        let log = log(0);
        assert_eq!(log.turn(BEGIN), Turn::Thread);
        assert!(log.wait());
        log.lock().written_back = BEGIN;
        assert_eq!(log.turn(BEGIN + REST + 1), Turn::Thread);
        assert_eq!(log.turn(BEGIN + REST), Turn::Writer);
        assert_eq!(log.turn(BEGIN), Turn::Nobody);
    }

    #[test]
    fn a_log_that_the_thread_cannot_keep_short_is_the_writers() {
        assert_eq!(log(FULL / 2).turn(FULL), Turn::Writer);
    }

    #[test]
    fn a_log_that_began_anew_has_nothing_written_back() {
        let log = log(BEGIN);
        assert_eq!(log.turn(1), Turn::Nobody);
        assert_eq!(log.turn(BEGIN), Turn::Thread);
    }

    #[test]
    fn the_thread_ends_with_the_database() {
        let log = log(0);
        log.lock().closed = true;
        assert!(!log.wait());
    }
}
