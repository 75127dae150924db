//! The storage ports on one driver.

mod attachments;
mod changes;
mod children;
mod diagnosis;
mod idempotency;
mod mcp_sessions;
mod memories;
mod models;
mod nodes;
mod presence;
mod search;
mod sessions;
mod sharing;
mod users;
mod work;
mod workspaces;

use std::fmt;
use std::sync::Arc;
use std::vec;

use async_trait::async_trait;
use portway_domain::access::Principal;
use portway_ports::commit::{ChangeSet, Commit, Committer};
use portway_ports::{Seen, StoreError};

use crate::commit::commit;
use crate::driver::{Read, SqlDriver, SqlError};
use crate::row::Row;

/// Everything that is kept, in a SQL database: all storage ports on one driver.
#[derive(Clone)]
pub struct SqlStore {
    driver: Arc<dyn SqlDriver>,
}

impl SqlStore {
    /// A store on a database whose schema is up to date.
    #[must_use]
    pub fn new(driver: Arc<dyn SqlDriver>) -> Self {
        Self { driver }
    }

    async fn read(&self, read: Read) -> Result<Answers, SqlError> {
        Ok(Answers(self.driver.read(read).await?.into_iter()))
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("dialect", &self.driver.dialect()).finish_non_exhaustive()
    }
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Unavailable(detail) => Self::Unavailable(detail),
            SqlError::Unknown(detail) => Self::Unknown(detail),
            SqlError::Rejected(_) | SqlError::Corrupt { .. } | SqlError::Statement(_) => Self::Fault(error.to_string()),
        }
    }
}

#[async_trait]
impl Committer for SqlStore {
    async fn commit(&self, changes: ChangeSet) -> Result<Commit, StoreError> {
        commit(&*self.driver, changes).await
    }
}

/// The answers to the statements of one read, in their order.
struct Answers(vec::IntoIter<Vec<Row>>);

impl Answers {
    fn next(&mut self) -> Result<Vec<Row>, SqlError> {
        self.0.next().ok_or_else(|| SqlError::Statement("the driver left a statement unanswered".into()))
    }
}

/// Hides everything from a caller who is nobody.
fn seen<T>(caller: Option<Principal>, value: impl FnOnce(&Principal) -> Option<T>) -> Seen<Option<T>> {
    let value = caller.as_ref().and_then(value);
    Seen { caller, value }
}
