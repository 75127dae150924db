//! The schema that the migrations add up to, as data: what a backup holds, and in which order.
//!
//! Tests compare it with what the migrations of each database leave. It is told from the migrations alone what a
//! database of an older schema has: everything says with which migration it came.

mod tables;

use crate::digest::Digest;

pub use self::tables::TABLES;

/// What a column holds. Each database has a type of its own for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Bytes,
    /// Yes or no.
    Flag,
    /// An integer of 64 bits.
    Integer,
    /// A JSON document, whose members may be reordered.
    Json,
    /// A floating point number.
    Real,
    /// An integer that the database gives each row.
    RowNumber,
    /// Text.
    Text,
    /// A point in time, exact to the microsecond.
    Time,
}

/// Whether a column is kept or follows from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is kept.
    Kept,
    /// It follows from what is kept, and each database writes it in its own way.
    Derived,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be empty.
    pub nullable: bool,
    /// Whether it has to be kept.
    pub origin: Origin,
    /// The migration that it came with; 0 if that is the one of the table.
    since: u32,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns in order.
    pub columns: &'static [Column],
    /// The columns of its primary key, in order.
    pub key: &'static [&'static str],
    /// Whether it holds what is only true for a moment, and is left out of backups and copies.
    pub is_transient: bool,
    /// The migration that it came with.
    since: u32,
}

impl Column {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: false, origin: Origin::Kept, since: 0 }
    }

    /// The same that may be empty.
    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same that came later than its table, with that migration.
    const fn since(mut self, migration: u32) -> Self {
        self.since = migration;
        self
    }

    /// The same that follows from others.
    const fn derived(mut self) -> Self {
        self.origin = Origin::Derived;
        self
    }
}

impl Table {
    const fn new(since: u32, name: &'static str, key: &'static [&'static str], columns: &'static [Column]) -> Self {
        Self { name, columns, key, is_transient: false, since }
    }

    /// The columns that are kept in a database of that schema, in order.
    pub fn kept(&self, schema: u32) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().filter(move |column| column.origin == Origin::Kept && column.since <= schema)
    }

    /// The columns of the primary key, in order.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static Column> {
        self.key.iter().filter_map(|name| self.columns.iter().find(|column| column.name == *name))
    }
}

/// The tables that are kept in a database of that schema (the number of its last migration), each behind those that it
/// refers to.
pub fn kept(schema: u32) -> impl DoubleEndedIterator<Item = &'static Table> {
    TABLES.iter().filter(move |table| table.since <= schema && !table.is_transient)
}

/// SHA-256 over everything that is kept in a database of that schema: programs that agree on it can read each other's
/// backups.
#[must_use]
pub fn fingerprint(schema: u32) -> String {
    let mut digest = Digest::default();
    for table in kept(schema) {
        digest.line(&format!("{} {}", table.name, table.key.join(",")));
        for Column { name, kind, nullable, .. } in table.kept(schema) {
            digest.line(&format!("{name} {kind:?} {nullable}"));
        }
    }
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::SQLITE;

    #[test]
    fn keys_are_kept_and_never_empty() {
        for table in TABLES {
            assert_eq!(table.key_columns().count(), table.key.len(), "{}", table.name);
            assert!(!table.key.is_empty(), "{}", table.name);
            let is_plain = |column: &Column| !column.nullable && column.origin == Origin::Kept && column.since == 0;
            assert!(table.key_columns().all(is_plain), "{}", table.name);
        }
    }

    #[test]
    fn everything_came_with_a_migration() {
        let newest = SQLITE.last().unwrap().id;
        for table in TABLES {
            assert!((1..=newest).contains(&table.since), "{}", table.name);
            assert!(table.columns.iter().all(|column| column.since <= newest), "{}", table.name);
            let sql = SQLITE[table.since as usize - 1].sql;
            assert!(sql.contains(&format!("CREATE TABLE {} (", table.name)), "{}", table.name);
        }
    }

    #[test]
    fn an_older_schema_has_less() {
        assert!(kept(1).all(|table| ["users", "access_tokens", "idempotency_keys"].contains(&table.name)));
        assert_eq!(kept(0).count(), 0);
        assert_ne!(fingerprint(1), fingerprint(2));
        assert_eq!(fingerprint(1).len(), 64);
    }
}
