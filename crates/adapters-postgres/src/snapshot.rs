//! The database at one moment: a transaction that stays open.

use async_trait::async_trait;
use portway_sql::driver::{SqlError, Statement};
use portway_sql::row::Row;
use portway_sql::snapshot::Snapshot;

use crate::error::Failure;
use crate::session::Session;

/// Between two pages whoever reads them may write elsewhere, which takes longer than a program that thinks. A plan that
/// does not know how short a page is might sort the whole table for each of them.
const SETTINGS: &str = "SET LOCAL idle_in_transaction_session_timeout = '10min';
    SET LOCAL plan_cache_mode = force_custom_plan";

/// A transaction begins to see the database with its first query.
const FIRST: &str = "SELECT 1 AS one";

/// A connection in a read transaction, which ends with it.
pub(crate) struct OpenRead(Session);

impl OpenRead {
    pub(crate) async fn begin(mut session: Session) -> Result<Self, SqlError> {
        session.begin_snapshot().await.map_err(Failure::into_error)?;
        session.script(SETTINGS).await.map_err(Failure::into_error)?;
        let first = Statement { text: FIRST.into(), args: Vec::new() };
        session.query(&first).await.map_err(Failure::into_error)?;
        Ok(Self(session))
    }
}

#[async_trait]
impl Snapshot for OpenRead {
    async fn read(&mut self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        self.0.query(&statement).await.map_err(Failure::into_read_error)
    }
}
