//! How much there is, and a digest of it.

use serde::{Deserialize, Serialize};

use super::rows;
use crate::digest::Digest;
use crate::driver::SqlError;
use crate::row::Cell;
use crate::schema::{Column, Table};

/// What a table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 over its rows as lines in the order of its key, in hexadecimal.
    pub digest: String,
}

/// What a database or an archive holds, table by table in the order of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Contents {
    /// The tables.
    pub tables: Vec<TableSum>,
}

impl Contents {
    /// How many rows all tables have together.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// The digest of everything: SHA-256 over name, rows and digest of each table, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Digest::default();
        for TableSum { table, rows, digest: of_table } in &self.tables {
            digest.line(&format!("{table} {rows} {of_table}"));
        }
        digest.finish()
    }

    /// The first table in which the other differs, as it is here and there.
    #[must_use]
    pub fn difference<'a>(&'a self, other: &'a Self) -> Option<(&'a TableSum, &'a TableSum)> {
        self.tables.iter().zip(&other.tables).find(|(ours, theirs)| ours != theirs)
    }
}

/// The sum of a table under construction.
#[derive(Debug, Default)]
pub(super) struct Running {
    line: String,
    digest: Digest,
    pub(super) rows: u64,
}

impl Running {
    /// Adds a row as its line.
    pub(super) fn add(&mut self, line: &str) {
        self.digest.line(line);
        self.rows += 1;
    }

    /// Adds a row, and answers its line.
    ///
    /// # Errors
    /// Those of [`rows::write`].
    pub(super) fn add_row(
        &mut self,
        table: &'static Table,
        columns: &[&'static Column],
        cells: &[Cell],
    ) -> Result<&str, SqlError> {
        self.line.clear();
        rows::write(table.name, columns, cells, &mut self.line)?;
        self.digest.line(&self.line);
        self.rows += 1;
        Ok(&self.line)
    }

    pub(super) fn finish(self, table: &str) -> TableSum {
        TableSum { table: table.to_owned(), rows: self.rows, digest: self.digest.finish() }
    }
}
