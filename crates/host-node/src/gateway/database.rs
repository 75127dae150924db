//! The database of a gateway, whichever it is.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portway_adapters_postgres::PostgresDatabase;
use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_ports::StoreError;
use portway_ports::health::Health;
use portway_services::recovery::Tenancy;
use portway_sql::archive::unfinished;
use portway_sql::driver::SqlDriver;
use portway_sql::migrations::{MigrateError, Migration, POSTGRES, SQLITE};
use portway_sql::snapshot::Snapshots;

use super::background::Sharing;
use super::database_url::DatabaseUrl;
use super::error::StartError;

/// How long a server may take to finish what it was asked when the gateway stops.
const CLOSE: Duration = Duration::from_secs(10);

/// The database of a gateway. Clones share it.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(Arc<SqliteDatabase>),
    Postgres(Arc<PostgresDatabase>),
}

impl Database {
    /// Opens the database and brings its schema up to date. One whose contents are not complete is refused.
    pub(super) async fn open(url: &DatabaseUrl) -> Result<Self, StartError> {
        let database = Self::connect(url).await?;
        if let Some(unfinished) = unfinished::find(&*database.driver()).await? {
            return Err(StartError::Unfinished(unfinished.to_string()));
        }
        database.migrate(database.migrations()).await?;
        if let DatabaseUrl::Postgres(options) = url {
            tracing::info!(server = options.server(), database = options.database(), "everything is kept in Postgres");
        }
        Ok(database)
    }

    /// Opens the database, and makes it if it is a file that does not exist. The schema is not touched.
    pub(crate) async fn connect(url: &DatabaseUrl) -> Result<Self, StartError> {
        Ok(match url {
            DatabaseUrl::Memory => Self::Sqlite(Arc::new(SqliteDatabase::in_memory()?)),
            DatabaseUrl::File(path) => Self::Sqlite(Arc::new(SqliteDatabase::open(&SqliteOptions::new(path))?)),
            DatabaseUrl::Postgres(options) => Self::Postgres(Arc::new(PostgresDatabase::open(options).await?)),
        })
    }

    /// Every migration that this program knows for such a database.
    pub(crate) fn migrations(&self) -> &'static [Migration] {
        match self {
            Self::Sqlite(_) => SQLITE,
            Self::Postgres(_) => POSTGRES,
        }
    }

    /// Runs those of the migrations that the database lacks, and answers how many those were.
    pub(crate) async fn migrate(&self, migrations: &[Migration]) -> Result<usize, MigrateError> {
        match self {
            Self::Sqlite(database) => database.migrate(migrations).await,
            Self::Postgres(database) => database.migrate(migrations).await,
        }
    }

    /// What can be read as it was at one moment.
    pub(crate) fn snapshots(&self) -> &dyn Snapshots {
        match self {
            Self::Sqlite(database) => &**database,
            Self::Postgres(database) => &**database,
        }
    }

    /// What runs the statements of the store.
    pub(crate) fn driver(&self) -> Arc<dyn SqlDriver> {
        match self {
            Self::Sqlite(database) => database.clone(),
            Self::Postgres(database) => database.clone(),
        }
    }

    /// Begins to work on the database, and answers who else does. Others that come wait until [`Database::share`].
    pub(crate) async fn enter(&self) -> Result<Tenancy, StartError> {
        match self {
            // A file is locked, and nobody else knows the memory.
            Self::Sqlite(_) => Ok(Tenancy::Alone),
            Self::Postgres(database) => Ok(tenancy(database.enter().await?)),
        }
    }

    /// Lets others in.
    pub(super) async fn share(&self) -> Result<(), StartError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(database) => Ok(database.share().await?),
        }
    }

    /// Who else works on the database, so far as is known.
    pub(super) async fn tenancy(&self) -> Tenancy {
        match self {
            Self::Sqlite(_) => Tenancy::Alone,
            Self::Postgres(database) => tenancy(database.is_alone().await),
        }
    }

    /// Whether others may work on the database at the same time.
    pub(super) fn sharing(&self) -> Sharing {
        match self {
            Self::Sqlite(_) => Sharing::Never,
            Self::Postgres(_) => Sharing::Possible,
        }
    }

    /// Finishes what was asked, and leaves the database in order.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(database) => {
                let database = database.clone();
                // It blocks until the threads of the database have ended.
                let closing = tokio::task::spawn_blocking(move || database.close());
                if closing.await.is_err() {
                    tracing::error!("the database was not closed cleanly; it repairs itself at the next start");
                }
            }
            Self::Postgres(database) => {
                if tokio::time::timeout(CLOSE, database.close()).await.is_err() {
                    tracing::warn!("the database did not finish in time; it undoes what was not committed");
                }
            }
        }
    }
}

fn tenancy(is_alone: bool) -> Tenancy {
    if is_alone { Tenancy::Alone } else { Tenancy::Shared }
}

#[async_trait]
impl Health for Database {
    async fn probe(&self) -> Result<(), StoreError> {
        let probed = match self {
            Self::Sqlite(database) => database.probe().await,
            Self::Postgres(database) => database.probe().await,
        };
        probed.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

/// Keeps other gateways from a database file.
#[derive(Debug)]
pub(crate) struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Takes the file `<database>.lock`: two gateways on one file would take each other's work for abandoned.
    pub(crate) fn take(database: &Path) -> Result<Self, StartError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |source| StartError::DatabaseLock { path: path.clone(), source };
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StartError::DatabaseInUse(database.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_one_gateway() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x.db");
        let first = DatabaseLock::take(&path).unwrap();
        assert!(matches!(DatabaseLock::take(&path), Err(StartError::DatabaseInUse(in_use)) if in_use == path));
        drop(first);
        assert!(DatabaseLock::take(&path).is_ok());
    }
}
