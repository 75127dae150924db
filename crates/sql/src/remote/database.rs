//! The database, from the outside.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::calls::{Call, Reply};
use crate::dialect::Dialect;
use crate::driver::{Cost, Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use crate::migrations::{MigrateError, Migration};
use crate::row::Row;
use crate::snapshot::{Snapshot, Snapshots};

/// Passes calls to the program that has the database.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Passes a [`Call`] on and answers with the [`Reply`], both as JSON.
    ///
    /// # Errors
    /// [`TransportError`] when there is no reply.
    async fn call(&self, call: String) -> Result<String, TransportError>;
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody was asked, or who was asked refused.
    #[error("{0}")]
    NotAsked(String),
    /// What was asked may have been done.
    #[error("{0}")]
    NoReply(String),
}

/// A SQLite database, such as one of D1, that another program has. Nobody but this one may use it meanwhile.
#[derive(Clone)]
pub struct RemoteDatabase {
    transport: Arc<dyn Transport>,
    most_arguments: usize,
}

impl fmt::Debug for RemoteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteDatabase").finish_non_exhaustive()
    }
}

impl RemoteDatabase {
    /// The database that those calls are for. Its statements may have so many arguments.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, most_arguments: usize) -> Self {
        Self { transport, most_arguments }
    }

    /// Runs those of the migrations that the database lacks, and answers how many those were.
    ///
    /// # Errors
    /// [`MigrateError`] when the database does not take them.
    pub async fn migrate(&self, migrations: &[Migration]) -> Result<usize, MigrateError> {
        let to = migrations.last().map_or(0, |last| last.id);
        match self.call(&Call::Migrate { to }).await? {
            Reply::Migrated { count } => Ok(count),
            other => Err(unexpected(&other).into()),
        }
    }

    async fn call(&self, call: &Call) -> Result<Reply, SqlError> {
        let changes = !matches!(call, Call::Read { .. });
        let text = serde_json::to_string(call).map_err(|error| SqlError::Statement(error.to_string()))?;
        let reply = self.transport.call(text).await.map_err(|error| match error {
            TransportError::NoReply(detail) if changes => SqlError::Unknown(detail),
            TransportError::NoReply(detail) | TransportError::NotAsked(detail) => SqlError::Unavailable(detail),
        })?;
        match serde_json::from_str(&reply) {
            Ok(Reply::Failed { kind, detail }) => Err(kind.error(detail)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(SqlError::Unavailable(format!("the reply cannot be read: {error}"))),
        }
    }
}

fn unexpected(reply: &Reply) -> SqlError {
    let what = match reply {
        Reply::Rows(_) => "rows",
        Reply::Conflict { .. } => "a conflict",
        Reply::Migrated { .. } => "migrations",
        Reply::Failed { .. } => "a failure",
    };
    SqlError::Unavailable(format!("the database answered with {what}, which nobody asked for"))
}

#[async_trait]
impl SqlDriver for RemoteDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn most_arguments(&self) -> usize {
        self.most_arguments
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        let statements = read.statements.iter().map(TryInto::try_into).collect::<Result<_, SqlError>>()?;
        match self.call(&Call::Read { statements, is_bounded: read.cost == Cost::Bounded }).await? {
            Reply::Rows(results) => results.into_iter().map(super::calls::SentRows::into_rows).collect(),
            other => Err(unexpected(&other)),
        }
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        let steps = steps.iter().map(TryInto::try_into).collect::<Result<_, SqlError>>()?;
        match self.call(&Call::Write { steps }).await? {
            Reply::Rows(results) => {
                let results = results.into_iter().map(super::calls::SentRows::into_rows).collect::<Result<_, _>>()?;
                Ok(WriteOutcome::Committed(results))
            }
            Reply::Conflict { step } => Ok(WriteOutcome::Conflict { step }),
            other => Err(unexpected(&other)),
        }
    }
}

/// Nobody else uses the database, so it stays as it is.
#[async_trait]
impl Snapshots for RemoteDatabase {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SqlError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Snapshot for RemoteDatabase {
    async fn read(&mut self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        Ok(SqlDriver::read(self, Read::unbounded(vec![statement])).await?.concat())
    }
}
