//! Why a backup, a restoration or a copy did not come to its end.

use std::io;

use crate::driver::SqlError;

/// Why a backup, a restoration or a copy did not come to its end. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] SqlError),
    /// The archive cannot be read or written.
    #[error("the archive cannot be read or written: {0}")]
    File(#[source] io::Error),
    /// The archive is not what was written once.
    #[error("line {line} of the archive: {detail}; it is damaged or was changed: use another backup")]
    Damaged {
        /// The line, counted from one.
        line: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// It is no archive at all.
    #[error("line 1: this is no archive of Portway ({0}): name a file that `portway db backup` wrote")]
    NoArchive(String),
    /// A newer program wrote the archive.
    #[error(
        "line 1: the archive was written by Portway {product} with {what}, which this program ({known}) does not know: use that \
         version or a newer one"
    )]
    Newer {
        /// The version of that program.
        product: String,
        /// What is newer.
        what: String,
        /// What this program knows.
        known: String,
    },
    /// The archive has another idea of its schema than this program.
    #[error(
        "line 1: the schema {0} of the archive is not the one that this program knows by that number: use the program that \
         wrote it"
    )]
    OtherSchema(u32),
    /// A row is too large for a line.
    #[error("a row of {table} has more than {limit} bytes, which no archive can hold")]
    TooLarge {
        /// The table.
        table: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The database did not take a row.
    #[error(
        "{table} has a row that refers to a missing one or whose key is taken: the source is damaged, look at it with \
         `portway doctor`"
    )]
    Refused {
        /// The table.
        table: &'static str,
    },
    /// What was written is not what was read.
    #[error("{table} has {found} rows with another content than the {expected} rows that were to be written; {advice}")]
    Differs {
        /// The table.
        table: String,
        /// Rows in the source.
        expected: u64,
        /// Rows in the target.
        found: u64,
        /// What to do about it.
        advice: &'static str,
    },
}

impl ArchiveError {
    /// A defect of a line.
    pub(crate) fn damaged(line: u64, detail: impl Into<String>) -> Self {
        Self::Damaged { line, detail: detail.into() }
    }
}
