//! Looking at everything that a database holds as it was at one moment, while others go on writing.

use async_trait::async_trait;

use crate::driver::{SqlDriver, SqlError, Statement};
use crate::row::Row;

/// A database as it was at one moment. Dropping it gives back what it holds.
///
/// It has a connection of its own. A database keeps what was changed since then for as long as a snapshot lives, so none
/// should rest.
#[async_trait]
pub trait Snapshot: Send {
    /// Runs a statement that changes nothing. It may run on the calling thread, so the answer is a page of bounded size.
    ///
    /// # Errors
    /// As [`SqlDriver::read`]; the snapshot is of no use any more after [`SqlError::Unavailable`].
    async fn read(&mut self, statement: Statement) -> Result<Vec<Row>, SqlError>;
}

/// A database of which snapshots can be taken.
#[async_trait]
pub trait Snapshots: SqlDriver {
    /// The database as it is now.
    ///
    /// # Errors
    /// [`SqlError::Unavailable`] when it does not answer or is only in memory.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SqlError>;
}
