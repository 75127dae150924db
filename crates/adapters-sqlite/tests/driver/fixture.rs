//! A small schema, and a database of each kind that has it.

use std::path::PathBuf;

use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_sql::driver::{Read, SqlDriver, Statement, Step, WriteOutcome};
use portway_sql::migrations::Migration;
use portway_sql::row::Row;
use sea_query::Value;
use tempfile::TempDir;

pub(crate) const SCHEMA: &[Migration] = &[
    Migration {
        id: 1,
        name: "0001_items",
        sql: "CREATE TABLE items (
            id TEXT PRIMARY KEY,
            slug TEXT UNIQUE,
            parent TEXT REFERENCES items (id),
            version INTEGER NOT NULL DEFAULT 1,
            score INTEGER CHECK (score >= 0)
        ) STRICT;",
    },
    Migration {
        id: 2,
        name: "0002_values",
        sql: "CREATE TABLE cells (
            id INTEGER PRIMARY KEY,
            int INTEGER,
            real REAL,
            text TEXT,
            blob BLOB
        ) STRICT;",
    },
];

/// A database that disappears with the test.
pub(crate) struct Fixture {
    pub(crate) database: SqliteDatabase,
    pub(crate) kind: &'static str,
    folder: Option<TempDir>,
}

impl Fixture {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("data.db")
    }
}

/// A migrated database in a file.
pub(crate) async fn file() -> Fixture {
    file_with(|options| options).await
}

/// A migrated database in a file that is opened in a special way.
pub(crate) async fn file_with(adjust: impl FnOnce(SqliteOptions) -> SqliteOptions) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let options = adjust(SqliteOptions::new(folder.path().join("data.db")));
    let database = SqliteDatabase::open(&options).unwrap();
    database.migrate(SCHEMA).await.unwrap();
    Fixture { database, kind: "file", folder: Some(folder) }
}

/// A migrated database of each kind.
pub(crate) async fn each() -> [Fixture; 2] {
    let memory = SqliteDatabase::in_memory().unwrap();
    memory.migrate(SCHEMA).await.unwrap();
    let memory = Fixture { database: memory, kind: "memory", folder: None };
    [file().await, memory]
}

pub(crate) fn statement(text: &str, args: Vec<Value>) -> Statement {
    Statement { text: text.to_owned().into(), args }
}

pub(crate) fn insert(id: &str) -> Step {
    Step::new(statement("INSERT INTO items (id) VALUES (?)", vec![id.into()]))
}

pub(crate) fn bump(id: &str, version: i64) -> Step {
    Step::guarded(statement(
        "UPDATE items SET version = version + 1 WHERE id = ? AND version = ?",
        vec![id.into(), version.into()],
    ))
}

impl Fixture {
    /// The rows of one bounded statement.
    pub(crate) async fn rows(&self, text: &str, args: Vec<Value>) -> Vec<Row> {
        let read = Read::bounded(vec![statement(text, args)]);
        self.database.read(read).await.unwrap().remove(0)
    }

    /// The ids of all items, in order.
    pub(crate) async fn ids(&self) -> Vec<String> {
        self.rows("SELECT id FROM items ORDER BY id", vec![]).await.iter().map(|row| row.get("id").unwrap()).collect()
    }

    /// Writes what has to succeed.
    pub(crate) async fn must_commit(&self, steps: Vec<Step>) {
        let outcome = self.database.write(steps).await.unwrap();
        assert!(matches!(outcome, WriteOutcome::Committed(_)), "{outcome:?}");
    }
}
