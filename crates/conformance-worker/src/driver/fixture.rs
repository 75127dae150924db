//! A small schema, and short ways to use it.

use portway_adapters_cloudflare::D1Database;
use portway_conformance::{Failure, check};
use portway_sql::driver::{Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use portway_sql::migrations::Migration;
use portway_sql::row::Row;
use sea_query::Value;

use super::Outcome;
use crate::backend::D1;

pub(super) const SCHEMA: &[Migration] = &[
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

pub(super) fn statement(text: &'static str, args: Vec<Value>) -> Statement {
    Statement { text: text.into(), args }
}

pub(super) fn step(text: &'static str) -> Step {
    Step::new(statement(text, vec![]))
}

pub(super) fn insert(id: &str) -> Step {
    Step::new(statement("INSERT INTO items (id) VALUES (?)", vec![id.into()]))
}

pub(super) fn bump(id: &str, version: i64) -> Step {
    let text = "UPDATE items SET version = version + 1 WHERE id = ? AND version = ?";
    Step::guarded(statement(text, vec![id.into(), version.into()]))
}

/// A database with the small schema.
pub(super) struct Fixture(pub(super) D1Database);

impl Fixture {
    pub(super) async fn open(backend: D1) -> Outcome<Self> {
        backend.migrated(SCHEMA).await.map(Self)
    }

    /// The rows of one statement.
    #[track_caller]
    pub(super) fn rows(
        &self,
        text: &'static str,
        args: Vec<Value>,
    ) -> impl Future<Output = Outcome<Vec<Row>>> + Send + '_ {
        let failed = Failure::new("a read failed");
        async move {
            let results = self.0.read(Read::bounded(vec![statement(text, args)])).await;
            let results = results.map_err(|error| Failure::new(format!("{failed}: {error}")))?;
            Ok(results.into_iter().flatten().collect())
        }
    }

    /// The ids of all items, in order.
    pub(super) async fn ids(&self) -> Outcome<Vec<String>> {
        let rows = self.rows("SELECT id FROM items ORDER BY id", vec![]).await?;
        rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>().map_err(Failure::new)
    }

    /// Writes what has to succeed.
    #[track_caller]
    pub(super) fn done(&self, steps: Vec<Step>) -> impl Future<Output = Outcome> + Send + '_ {
        let failed = Failure::new("a write failed");
        async move {
            let outcome = self.0.write(steps).await;
            check!(matches!(outcome, Ok(WriteOutcome::Committed(_))), "{failed}: {outcome:?}");
            Ok(())
        }
    }

    /// Writes what has to end in an error.
    #[track_caller]
    pub(super) fn error(&self, steps: Vec<Step>) -> impl Future<Output = Outcome<SqlError>> + Send + '_ {
        let failed = Failure::new("a write should have failed");
        async move {
            match self.0.write(steps).await {
                Err(error) => Ok(error),
                outcome => Err(Failure::new(format!("{failed}: {outcome:?}"))),
            }
        }
    }
}
