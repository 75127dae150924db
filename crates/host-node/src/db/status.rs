//! `portway db status`.

use portway_sql::archive::{counts, unfinished};
use portway_sql::migrations;
use serde::Serialize;

use super::database::Database;
use super::error::DbError;
use super::place::Place;
use super::{DatabaseArgs, say};
use crate::gateway;

/// What there is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    kind: Kind,
    /// Where it is, without a password.
    place: String,
    /// Number of the last migration that the database ran; 0 for none.
    schema: u32,
    /// Number of the last migration of this program.
    known_schema: u32,
    /// Migrations that are still to be run.
    pending: Vec<&'static str>,
    /// What keeps a gateway from using it, and what to do about it.
    problem: Option<String>,
    /// Not known of a Worker's.
    bytes: Option<u64>,
    tables: Vec<TableStatus>,
}

/// What a database is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Sqlite,
    Postgres,
    Worker,
}

#[derive(Debug, Serialize)]
struct TableStatus {
    table: &'static str,
    rows: u64,
}

pub(super) async fn run(args: &DatabaseArgs, json: bool) -> Result<(), DbError> {
    let place = Place::configured(args)?;
    let database = place.look().await?;
    let status = Status::of(&place, &database).await?;
    database.close().await;
    if json {
        say(&serde_json::to_string_pretty(&status).map_err(DbError::failed)?);
    } else {
        say(&status.text());
    }
    Ok(())
}

impl Status {
    async fn of(place: &Place, database: &Database) -> Result<Self, DbError> {
        let driver = database.driver();
        let applied = migrations::applied(&*driver).await?;
        let schema = applied.last().map_or(0, |last| last.id);
        let (pending, mut problem) = match migrations::plan(&applied, database.migrations()) {
            Ok(pending) => (pending.iter().map(|migration| migration.name).collect(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if let Some(unfinished) = unfinished::find(&*driver).await? {
            problem = Some(unfinished.to_string());
        }
        let known_schema = database.migrations().last().map_or(0, |newest| newest.id);
        let tables = counts(&*driver, schema.min(known_schema)).await?;
        Ok(Self {
            kind: match database {
                Database::Own(gateway::Database::Sqlite(_)) => Kind::Sqlite,
                Database::Own(gateway::Database::Postgres(_)) => Kind::Postgres,
                Database::Worker(_) => Kind::Worker,
            },
            place: place.name(database).await?,
            schema,
            known_schema,
            pending,
            problem,
            bytes: place.bytes(database).await?,
            tables: tables.into_iter().map(|(table, rows)| TableStatus { table, rows }).collect(),
        })
    }

    fn text(&self) -> String {
        let kind = match self.kind {
            Kind::Sqlite => "SQLite",
            Kind::Postgres => "Postgres",
            Kind::Worker => "D1 of the Worker",
        };
        let size = self.bytes.map(|bytes| format!(", {} KiB", bytes >> 10)).unwrap_or_default();
        let mut text = format!("database  {kind}, {}{size}\n", self.place);
        text.push_str(&format!("schema    {}; this program knows {}\n", self.schema, self.known_schema));
        match (&self.problem, &*self.pending) {
            (Some(problem), _) => text.push_str(&format!("PROBLEM   {problem}\n")),
            (None, []) => {}
            (None, pending) => {
                text.push_str(&format!("pending   {}: the gateway runs them when it starts\n", pending.join(", ")));
            }
        }
        text.push('\n');
        let lines = self.tables.iter().map(|table| format!("{:>12}  {}\n", table.rows, table.table));
        text.extend(lines);
        let total: u64 = self.tables.iter().map(|table| table.rows).sum();
        text + &format!("{total:>12}  rows in all")
    }
}
