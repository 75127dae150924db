//! Which database, and who may use it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portway_adapters_http::BackendUrl;
use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_services::recovery::Tenancy;
use portway_sql::archive::unfinished;
use portway_sql::migrations;

use super::database::Database;
use super::error::DbError;
use super::{DatabaseArgs, worker};
use crate::config::{Config, ServeArgs};
use crate::data_folder::{self, DataFolder};
use crate::gateway::{self, DatabaseLock, DatabaseUrl, StartError};

/// Whoever counts or empties a large table has more patience than a request.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A database that is kept.
#[derive(Debug)]
pub(super) struct Place {
    url: PlaceUrl,
    /// The data folder that it is in by default.
    folder: Option<PathBuf>,
}

/// Where a database is.
#[derive(Debug)]
enum PlaceUrl {
    /// Where a gateway of this program finds it.
    Own(DatabaseUrl),
    /// Behind a Worker.
    Worker(BackendUrl),
}

/// A database that nobody else uses.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) database: Database,
    _folder: Option<DataFolder>,
    _lock: Option<DatabaseLock>,
}

impl Place {
    /// The database of a gateway.
    pub(super) fn configured(args: &DatabaseArgs) -> Result<Self, DbError> {
        if let Some(url) = args.database.as_deref().filter(|url| worker::is_worker(url)) {
            return Self::named(url);
        }
        let data = args.place.data_folder();
        let (place, database) = (args.place.clone(), args.database.clone());
        // Nobody listens anywhere.
        let config = Config::load(ServeArgs { place, database, insecure: true, ..ServeArgs::default() })?;
        match config.database {
            Some(url) => Self::of(url),
            None => {
                let url = PlaceUrl::Own(DatabaseUrl::File(data_folder::database_in(&data)));
                Ok(Self { url, folder: Some(data) })
            }
        }
    }

    /// The database of a URL.
    pub(super) fn named(url: &str) -> Result<Self, DbError> {
        if worker::is_worker(url) {
            return Ok(Self { url: PlaceUrl::Worker(worker::url(url)?), folder: None });
        }
        Self::of(url.parse()?)
    }

    fn of(url: DatabaseUrl) -> Result<Self, DbError> {
        match url {
            DatabaseUrl::Memory => {
                Err(DbError::refused("sqlite::memory: keeps nothing: name the URL of a file or of a server"))
            }
            url @ DatabaseUrl::File(_) => Ok(Self { url: PlaceUrl::Own(url), folder: None }),
            DatabaseUrl::Postgres(options) => {
                let options = options.statement_timeout(PATIENCE).connections(2);
                Ok(Self { url: PlaceUrl::Own(DatabaseUrl::Postgres(Box::new(options))), folder: None })
            }
        }
    }

    /// Opens the database to look at it, whoever works on it.
    pub(super) async fn look(&self) -> Result<Database, DbError> {
        match &self.url {
            PlaceUrl::Own(DatabaseUrl::File(path)) => {
                if !path.exists() {
                    return Err(DbError::Refused(format!("there is no database {}", path.display())));
                }
                let database = SqliteDatabase::open_read_only(&sqlite(path)).map_err(StartError::from)?;
                Ok(Database::Own(gateway::Database::Sqlite(Arc::new(database))))
            }
            PlaceUrl::Own(url) => Ok(Database::Own(gateway::Database::connect(url).await?)),
            PlaceUrl::Worker(url) => Ok(Database::Worker(worker::open(url)?)),
        }
    }

    /// Opens the database for this program alone, and makes it if it is a file that does not exist.
    pub(super) async fn take(&self) -> Result<Taken, DbError> {
        let (folder, lock) = match &self.url {
            PlaceUrl::Own(DatabaseUrl::File(path)) => (self.data_folder(path)?, Some(DatabaseLock::take(path)?)),
            PlaceUrl::Own(_) | PlaceUrl::Worker(_) => (None, None),
        };
        let database = match &self.url {
            PlaceUrl::Own(DatabaseUrl::File(path)) => create(path)?,
            PlaceUrl::Own(url) => Database::Own(gateway::Database::connect(url).await?),
            PlaceUrl::Worker(url) => Database::Worker(worker::open(url)?),
        };
        if database.enter().await? != Tenancy::Alone {
            database.close().await;
            return Err(DbError::refused(
                "a gateway, or another command like this one, works on the database: stop that one first",
            ));
        }
        Ok(Taken { database, _folder: folder, _lock: lock })
    }

    /// A gateway locks its data folder, and not the database that is in it by default.
    fn data_folder(&self, path: &Path) -> Result<Option<DataFolder>, DbError> {
        if let Some(folder) = &self.folder {
            return Ok(Some(DataFolder::open(folder)?));
        }
        let parent = path.parent().unwrap_or(Path::new(""));
        let is_default = data_folder::database_in(parent) == path && data_folder::lock_in(parent).exists();
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        Ok(if is_default { Some(DataFolder::open(parent)?) } else { None })
    }

    /// What people know the database by, without a password. Two databases have different names.
    pub(super) async fn name(&self, database: &Database) -> Result<String, DbError> {
        match (&self.url, database) {
            (PlaceUrl::Own(DatabaseUrl::Postgres(options)), Database::Own(gateway::Database::Postgres(database))) => {
                let (schema, _) = database.room().await?;
                Ok(format!("\"{}\" on {} (schema {schema})", options.database(), options.server()))
            }
            (PlaceUrl::Worker(url), _) => Ok(url.to_string()),
            (PlaceUrl::Own(DatabaseUrl::File(path)), _) => {
                let path = path.canonicalize().map_err(DbError::file(path))?;
                Ok(path.display().to_string())
            }
            _ => Ok("memory".to_owned()),
        }
    }

    /// How many bytes it takes, if that can be known.
    pub(super) async fn bytes(&self, database: &Database) -> Result<Option<u64>, DbError> {
        match (&self.url, database) {
            (_, Database::Own(gateway::Database::Postgres(database))) => Ok(Some(database.room().await?.1)),
            (PlaceUrl::Own(DatabaseUrl::File(path)), _) => {
                let log = path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().display()));
                let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
                Ok(Some(size(path) + size(&log)))
            }
            _ => Ok(None),
        }
    }
}

/// Makes the file of a database, or opens it.
pub(super) fn create(path: &Path) -> Result<Database, DbError> {
    let database = SqliteDatabase::open(&sqlite(path)).map_err(StartError::from)?;
    Ok(Database::Own(gateway::Database::Sqlite(Arc::new(database))))
}

/// Every page is read once or twice, so nothing is gained by keeping it.
fn sqlite(path: &Path) -> SqliteOptions {
    SqliteOptions::new(path).reader_threads(1).map_file(false)
}

/// The number of the last migration that the database ran, if it can be read whole and this program knows it.
pub(super) async fn readable_schema(database: &Database) -> Result<u32, DbError> {
    let driver = database.driver();
    if let Some(unfinished) = unfinished::find(&*driver).await? {
        return Err(DbError::refused(unfinished));
    }
    let applied = migrations::applied(&*driver).await?;
    migrations::plan(&applied, database.migrations()).map_err(DbError::refused)?;
    applied.last().map(|last| last.id).ok_or_else(|| DbError::refused("the database is empty: no gateway ever used it"))
}
