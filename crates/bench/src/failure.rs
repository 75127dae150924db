//! The one error type of the benchmarks.

use std::io;
use std::path::Path;

/// Why there is no result, worded for whoever started the benchmarks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something of the operating system.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// A server that does not do what the benchmark needs.
    #[error("{0}")]
    Server(String),
    /// The database that the servers are to read cannot be filled.
    #[error("the database cannot be filled: {0}")]
    Seed(String),
    /// The Postgres server does not do what the benchmark needs.
    #[error("Postgres: {0}")]
    Postgres(String),
    /// An answer that is no JSON.
    #[error("an answer is no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// Wraps an error of the operating system with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }

    /// The same for a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(path.display().to_string())
    }
}
