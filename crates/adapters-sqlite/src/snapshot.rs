//! The database at one moment: a read transaction that stays open.

use std::sync::Mutex;

use async_trait::async_trait;
use portway_sql::driver::{SqlError, Statement};
use portway_sql::row::Row;
use portway_sql::snapshot::Snapshot;

use crate::connection::Connection;
use crate::error::Failure;

/// A transaction begins to see the database with its first query.
const FIRST: &str = "SELECT count(*) FROM sqlite_schema";

/// A connection in a read transaction, which ends with it. The write-ahead log cannot be written back whole meanwhile.
pub(crate) struct OpenRead(Mutex<Connection>);

impl OpenRead {
    pub(crate) fn begin(connection: Connection) -> Result<Self, SqlError> {
        connection.control("BEGIN DEFERRED").map_err(Failure::into_error)?;
        let first = Statement { text: FIRST.into(), args: Vec::new() };
        connection.query(&first).map_err(Failure::into_error)?;
        Ok(Self(Mutex::new(connection)))
    }
}

#[async_trait]
impl Snapshot for OpenRead {
    async fn read(&mut self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        let connection = self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        connection.query(&statement).map_err(Failure::into_error)
    }
}
