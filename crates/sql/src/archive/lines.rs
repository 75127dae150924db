//! The lines of an archive that are no rows.
//!
//! The first line is the header. Each table is a line that opens it, its rows as arrays, and a line that closes it with
//! their sum. The last line has the sum of everything.

use portway_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::contents::TableSum;

/// What every archive says it is.
pub(super) const FORMAT: &str = "portway archive";

/// The version of the form that this program writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;

/// Most bytes of a line.
pub(super) const MAX_LINE: usize = 64 << 20;

/// Who made an archive, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// When.
    pub at: Timestamp,
    /// The version of the program.
    pub product: String,
}

/// What an archive begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    /// The number of the last migration that the database had run.
    pub schema: u32,
    /// SHA-256 over what is kept in such a schema.
    pub(super) fingerprint: String,
    /// When it was made, in RFC 3339.
    pub made_at: String,
    /// The version of the program that made it.
    pub product: String,
}

/// What can be told of an archive that this program may not know.
#[derive(Debug, Deserialize)]
pub(super) struct Cover {
    pub(super) format: String,
    pub(super) version: u32,
    #[serde(default)]
    pub(super) product: String,
}

/// Opens a table.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opening {
    pub(super) table: String,
    pub(super) columns: Vec<String>,
}

/// Closes a table.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closing {
    pub(super) end: TableSum,
}

/// Closes an archive.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ending {
    pub(super) tables: usize,
    pub(super) rows: u64,
    pub(super) digest: String,
}
