//! What an error of SQLite means to a caller.

use std::path::PathBuf;

use portway_sql::driver::SqlError;
use rusqlite::ffi::{self, ErrorCode};

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be created, read or written.
    #[error("cannot open {path}: {source}; check that the folder exists and belongs to this user")]
    File {
        /// The database file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// SQLite refused the file: it is damaged, or no database, or locked for too long.
    #[error("SQLite cannot open {path}: {detail}")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The file system cannot share memory between connections.
    #[error("{path} cannot use a write-ahead log (journal mode is {mode}): keep it on a local disk")]
    NoWriteAheadLog {
        /// The database file.
        path: PathBuf,
        /// The mode that SQLite chose instead.
        mode: String,
    },
    /// A thread of the database could not be started.
    #[error("cannot start a database thread: {0}")]
    Thread(std::io::Error),
}

pub(crate) fn closed() -> SqlError {
    SqlError::Unavailable("the database is closed".into())
}

/// Why one statement failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite refused it.
    Sqlite(rusqlite::Error),
    /// A value could not go in or come out.
    Value(SqlError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    fn code(&self) -> Option<ffi::Error> {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. }) => {
                Some(*error)
            }
            _ => None,
        }
    }

    /// A unique key is taken or a referenced row is missing: the state of the data, not a fault.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code().is_some_and(|error| {
            matches!(
                error.extended_code,
                ffi::SQLITE_CONSTRAINT_UNIQUE
                    | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                    | ffi::SQLITE_CONSTRAINT_ROWID
                    | ffi::SQLITE_CONSTRAINT_FOREIGNKEY
            )
        })
    }

    /// The error of a statement other than `COMMIT`: certainly not applied.
    pub(crate) fn into_error(self) -> SqlError {
        let code = self.code().map(|error| error.code);
        match self {
            Self::Value(error) => error,
            Self::Sqlite(error) => from_code(code, error.to_string()),
        }
    }

    /// The error of a `COMMIT`. Only what fails before the commit record can be in the log is certainly not applied.
    pub(crate) fn into_commit_error(self) -> SqlError {
        let code = self.code().map(|error| error.code);
        match (code, self) {
            (
                Some(
                    ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DiskFull
                    | ErrorCode::ReadOnly
                    | ErrorCode::ConstraintViolation,
                ),
                failure,
            ) => failure.into_error(),
            (_, Self::Sqlite(error)) => SqlError::Unknown(error.to_string()),
            (_, Self::Value(error)) => error,
        }
    }
}

fn from_code(code: Option<ErrorCode>, text: String) -> SqlError {
    match code {
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => SqlError::Rejected(text),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase,
        ) => SqlError::Unavailable(text),
        _ => SqlError::Statement(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> Failure {
        Failure::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn lost_races_are_told_from_bad_values() {
        for code in [
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
            ffi::SQLITE_CONSTRAINT_ROWID,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
        ] {
            assert!(failure(code).is_conflict());
        }
        for code in [
            ffi::SQLITE_CONSTRAINT_CHECK,
            ffi::SQLITE_CONSTRAINT_NOTNULL,
            ffi::SQLITE_CONSTRAINT_DATATYPE,
            ffi::SQLITE_MISMATCH,
            ffi::SQLITE_TOOBIG,
        ] {
            assert!(!failure(code).is_conflict());
            assert!(matches!(failure(code).into_error(), SqlError::Rejected(_)));
        }
    }

    #[test]
    fn trouble_of_the_machine_is_unavailable() {
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_FULL,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_READONLY,
        ] {
            assert!(matches!(failure(code).into_error(), SqlError::Unavailable(_)));
        }
        assert!(matches!(failure(ffi::SQLITE_ERROR).into_error(), SqlError::Statement(_)));
    }

    #[test]
    fn only_a_commit_can_be_of_unknown_outcome() {
        assert!(matches!(failure(ffi::SQLITE_IOERR_FSYNC).into_commit_error(), SqlError::Unknown(_)));
        assert!(matches!(failure(ffi::SQLITE_FULL).into_commit_error(), SqlError::Unavailable(_)));
        assert!(matches!(failure(ffi::SQLITE_BUSY).into_commit_error(), SqlError::Unavailable(_)));
    }
}
