//! Whether anybody else is there to be told.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::database::PostgresDatabase;

/// A node that was heard of counts as there for so long, until the look at the locks knows it.
const HEARD: Duration = Duration::from_secs(10);

/// Whether other nodes work on the database.
pub(super) struct Company {
    database: Arc<PostgresDatabase>,
    heard: Mutex<Heard>,
    changed: Notify,
}

struct Heard {
    last: Option<Instant>,
    /// Names of those that were heard of, while that matters.
    names: Option<HashSet<String>>,
}

impl Company {
    pub(super) fn new(database: Arc<PostgresDatabase>) -> Self {
        let heard = Heard { last: None, names: Some(HashSet::new()) };
        Self { database, heard: Mutex::new(heard), changed: Notify::new() }
    }

    /// Another node said something. Its name is not known where it is of another release.
    pub(super) fn heard(&self, from: Option<String>) {
        let mut heard = self.lock();
        heard.last = Some(Instant::now());
        if let (Some(names), Some(from)) = (&mut heard.names, from) {
            names.insert(from);
            self.changed.notify_one();
        }
    }

    /// Waits until as many others were heard of, but not longer than `patience`; answers whether they were. To be called
    /// once.
    pub(super) async fn gathers(&self, others: usize, patience: Duration) -> bool {
        let gathering = async {
            while self.lock().names.as_ref().is_some_and(|names| names.len() < others) {
                self.changed.notified().await;
            }
        };
        let is_complete = timeout(patience, gathering).await.is_ok();
        self.lock().names = None;
        is_complete
    }

    pub(super) fn is_there(&self) -> bool {
        self.database.has_company() || self.lock().last.is_some_and(|at| at.elapsed() < HEARD)
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
