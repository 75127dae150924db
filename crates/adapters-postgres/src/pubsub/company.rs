//! Whether anybody else is there to be told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::database::PostgresDatabase;

/// A node that was heard of counts as there for so long, until the look at the locks knows it.
const HEARD: Duration = Duration::from_secs(10);

/// Whether other nodes work on the database.
pub(super) struct Company {
    database: Arc<PostgresDatabase>,
    heard: Mutex<Option<Instant>>,
}

impl Company {
    pub(super) fn new(database: Arc<PostgresDatabase>) -> Self {
        Self { database, heard: Mutex::default() }
    }

    /// Another node said something.
    pub(super) fn heard(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn is_there(&self) -> bool {
        let heard = || *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        self.database.has_company() || heard().is_some_and(|at| at.elapsed() < HEARD)
    }
}
