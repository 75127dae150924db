//! Why a command did not do what was asked for.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use portway_sql::archive::ArchiveError;
use portway_sql::driver::SqlError;
use portway_sql::migrations::MigrateError;

use crate::config::ConfigError;
use crate::data_folder::DataFolderError;
use crate::gateway::{DatabaseUrlError, StartError};

/// Why a command did not do what was asked for. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum DbError {
    /// Nothing was begun.
    #[error("{0}")]
    Refused(String),
    /// Something was begun and did not come to its end.
    #[error("{0}")]
    Failed(String),
}

impl DbError {
    pub(super) fn refused(reason: impl ToString) -> Self {
        Self::Refused(reason.to_string())
    }

    pub(super) fn failed(reason: impl ToString) -> Self {
        Self::Failed(reason.to_string())
    }

    /// A file that cannot be used.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Refused(format!("{} cannot be used: {error}", path.display()))
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

macro_rules! converted {
    ($($error:ty => $variant:ident),* $(,)?) => {$(
        impl From<$error> for DbError {
            fn from(error: $error) -> Self {
                Self::$variant(error.to_string())
            }
        }
    )*};
}

converted! {
    ArchiveError => Failed,
    ConfigError => Refused,
    DataFolderError => Refused,
    DatabaseUrlError => Refused,
    MigrateError => Failed,
    SqlError => Failed,
    StartError => Refused,
}
