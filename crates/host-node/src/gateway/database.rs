//! The database, by its URL.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_sql::migrations::SQLITE;

use super::error::StartError;

/// Which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DatabaseUrl {
    /// SQLite in the memory of this process, gone with the gateway.
    Memory,
    /// A SQLite file.
    File(PathBuf),
}

/// A text that names no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// It does not begin with a scheme.
    #[error("the database URL has no scheme: use sqlite:///path/file.db or sqlite::memory:")]
    NoScheme,
    /// Its scheme belongs to no database that is supported.
    #[error(
        "databases of the scheme \"{0}\" are not supported: use sqlite:///path/file.db, or sqlite::memory: to keep nothing"
    )]
    Scheme(String),
    /// It names no file.
    #[error("the database URL names no file: use sqlite:///path/file.db, or sqlite::memory: to keep nothing")]
    NoFile,
    /// It has more than a path.
    #[error("the database URL may not have '?' or '#': options of the database are not set by its URL")]
    Options,
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    /// The text may hold a password, so an error shows no more of it than the scheme.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').ok_or(DatabaseUrlError::NoScheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme(&scheme) {
            return Err(DatabaseUrlError::NoScheme);
        }
        if scheme != "sqlite" {
            return Err(DatabaseUrlError::Scheme(scheme));
        }
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match path {
            "" => Err(DatabaseUrlError::NoFile),
            ":memory:" => Ok(Self::Memory),
            path if path.contains(['?', '#']) => Err(DatabaseUrlError::Options),
            path => Ok(Self::File(PathBuf::from(path))),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

/// Keeps other gateways from a database file.
#[derive(Debug)]
pub(super) struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Takes the file `<database>.lock`: two gateways on one file would take each other's work for abandoned.
    pub(super) fn take(database: &Path) -> Result<Self, StartError> {
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

/// Opens the database and brings its schema up to date.
pub(super) async fn open(url: &DatabaseUrl) -> Result<SqliteDatabase, StartError> {
    let database = match url {
        DatabaseUrl::Memory => SqliteDatabase::in_memory()?,
        DatabaseUrl::File(path) => SqliteDatabase::open(&SqliteOptions::new(path))?,
    };
    database.migrate(SQLITE).await?;
    Ok(database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_memory_are_told_apart() {
        let file = |path: &str| Ok(DatabaseUrl::File(PathBuf::from(path)));
        for (text, expected) in [
            ("sqlite:///var/lib/portway.db", file("/var/lib/portway.db")),
            ("SQLite:///a b.db", file("/a b.db")),
            ("sqlite:data.db", file("data.db")),
            ("sqlite://data.db", file("data.db")),
            ("sqlite::memory:", Ok(DatabaseUrl::Memory)),
            ("sqlite://:memory:", Ok(DatabaseUrl::Memory)),
            ("sqlite:", Err(DatabaseUrlError::NoFile)),
            ("sqlite://", Err(DatabaseUrlError::NoFile)),
            ("sqlite:///a.db?mode=ro", Err(DatabaseUrlError::Options)),
            ("/var/lib/portway.db", Err(DatabaseUrlError::NoScheme)),
            ("", Err(DatabaseUrlError::NoScheme)),
            ("my secret:x", Err(DatabaseUrlError::NoScheme)),
        ] {
            assert_eq!(text.parse(), expected, "{text:?}");
        }
    }

    #[test]
    fn another_database_is_refused_without_its_password() {
        let error = "postgres://user:hunter2@host/db".parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(error.contains("\"postgres\"") && error.contains("sqlite:///"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

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
