//! The database that a command is for.

use std::sync::Arc;

use portway_services::recovery::Tenancy;
use portway_sql::driver::SqlDriver;
use portway_sql::migrations::{MigrateError, Migration, SQLITE};
use portway_sql::remote::RemoteDatabase;
use portway_sql::snapshot::Snapshots;

use crate::gateway::{self, StartError};

/// The database that a command is for.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// One that gateways of this program work on.
    Own(gateway::Database),
    /// The one of a Worker, which serves nobody else meanwhile.
    Worker(RemoteDatabase),
}

impl Database {
    /// Every migration that this program knows for such a database.
    pub(super) fn migrations(&self) -> &'static [Migration] {
        match self {
            Self::Own(database) => database.migrations(),
            Self::Worker(_) => SQLITE,
        }
    }

    /// Runs those of the migrations that the database lacks, and answers how many those were.
    pub(super) async fn migrate(&self, migrations: &[Migration]) -> Result<usize, MigrateError> {
        match self {
            Self::Own(database) => database.migrate(migrations).await,
            Self::Worker(database) => database.migrate(migrations).await,
        }
    }

    /// What can be read as it was at one moment.
    pub(super) fn snapshots(&self) -> &dyn Snapshots {
        match self {
            Self::Own(database) => database.snapshots(),
            Self::Worker(database) => database,
        }
    }

    /// What runs the statements of the store.
    pub(super) fn driver(&self) -> Arc<dyn SqlDriver> {
        match self {
            Self::Own(database) => database.driver(),
            Self::Worker(database) => Arc::new(database.clone()),
        }
    }

    /// Begins to work on the database, and answers who else does.
    pub(super) async fn enter(&self) -> Result<Tenancy, StartError> {
        match self {
            Self::Own(database) => database.enter().await,
            Self::Worker(_) => Ok(Tenancy::Alone),
        }
    }

    /// Finishes what was asked, and leaves the database in order.
    pub(super) async fn close(&self) {
        match self {
            Self::Own(database) => database.close().await,
            Self::Worker(_) => {}
        }
    }
}
