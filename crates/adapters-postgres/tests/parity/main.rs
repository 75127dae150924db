//! Both databases have the same schema: the migrations of each are run, and what they leave is compared piece by piece.
#![cfg(test)]

mod expected;
mod neutral;
mod postgres;
#[path = "../scratch/mod.rs"]
mod scratch;
mod sqlite;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use portway_adapters_postgres::PostgresDatabase;
use portway_adapters_sqlite::SqliteDatabase;
use portway_sql::driver::{SqlDriver, Statement, Step};
use portway_sql::migrations::{POSTGRES, SQLITE};

use crate::expected::deviations;
use crate::neutral::{Schema, differences};
use crate::scratch::Scratch;

/// What one of the databases has and the other does not need, such as the columns that full-text search needs there, or
/// pieces of which both have their own kind. Each entry is the beginning of the line that a difference is told in.
///
/// Virtual tables of SQLite and what belongs to them, and columns of the type `tsvector` and their indexes, are left out
/// by themselves.
const EXEMPT: &[&str] = &[];

fn main() -> ExitCode {
    let trials = vec![
        Trial::test("parity::sqlite_has_the_expected_schema", || run(sqlite_has_the_expected_schema)),
        scratch::trial("parity::postgres_has_the_expected_schema", || run(postgres_has_the_expected_schema)),
        scratch::trial("parity::both_schemas_are_the_same", || run(both_schemas_are_the_same)),
        scratch::trial("parity::text_that_is_looked_up_is_compared_by_bytes", || run(text_is_compared_by_bytes)),
        scratch::trial("parity::every_kind_of_difference_is_found", || run(every_kind_of_difference_is_found)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn run(test: impl AsyncFnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(test())
}

async fn sqlite_has_the_expected_schema() -> Result<(), Failed> {
    let sqlite = SqliteDatabase::in_memory()?;
    sqlite.migrate(SQLITE).await?;
    told(&deviations(&sqlite::schema(&sqlite).await?))?;
    // Otherwise a comparison that sees nothing would pass.
    for (sql, found) in [
        ("ALTER TABLE jobs ADD COLUMN more TEXT", "column jobs.more"),
        ("ALTER TABLE jobs DROP COLUMN last_error", "column jobs.last_error"),
        ("CREATE TABLE more (id TEXT NOT NULL PRIMARY KEY) STRICT", "table more"),
        ("DROP TABLE deadlines", "table deadlines"),
        ("ALTER TABLE users ADD COLUMN of TEXT REFERENCES sessions (id)", "table users: put it behind sessions"),
    ] {
        let step = Step::new(Statement { text: sql.into(), args: vec![] });
        sqlite.write(vec![step]).await?;
        let lines = deviations(&sqlite::schema(&sqlite).await?);
        assert!(lines.iter().any(|line| line.starts_with(found)), "{sql}: {lines:#?}");
    }
    Ok(())
}

async fn postgres_has_the_expected_schema() -> Result<(), Failed> {
    let (scratch, postgres) = migrated().await?;
    let lines = deviations(&postgres::schema(&postgres).await?);
    close(scratch, postgres).await;
    told(&lines)
}

fn told(lines: &[String]) -> Result<(), Failed> {
    if lines.is_empty() { Ok(()) } else { Err(format!("{lines:#?}").into()) }
}

async fn both_schemas_are_the_same() -> Result<(), Failed> {
    let sqlite = SqliteDatabase::in_memory()?;
    sqlite.migrate(SQLITE).await?;
    let (scratch, postgres) = migrated().await?;
    let (ours, theirs) = (sqlite::schema(&sqlite).await?, postgres::schema(&postgres).await?);
    close(scratch, postgres).await;
    assert!(ours.tables.len() > 10, "only {:?} were found", ours.tables.keys());
    let is_exempt = |line: &&String| EXEMPT.iter().any(|beginning| line.starts_with(beginning));
    let found = differences(&ours, &theirs);
    for beginning in EXEMPT {
        assert!(found.iter().any(|line| line.starts_with(beginning)), "{beginning} is no difference any more");
    }
    let found: Vec<String> = found.iter().filter(|line| !is_exempt(line)).cloned().collect();
    told(&found)
}

async fn text_is_compared_by_bytes() -> Result<(), Failed> {
    let (scratch, postgres) = migrated().await?;
    let wrong = postgres::looked_up_by_locale(&postgres).await?;
    close(scratch, postgres).await;
    if wrong.is_empty() { Ok(()) } else { Err(format!("write COLLATE \"C\" at {wrong:?}").into()) }
}

/// Otherwise a comparison that sees nothing would pass.
async fn every_kind_of_difference_is_found() -> Result<(), Failed> {
    let sqlite = SqliteDatabase::in_memory()?;
    sqlite.migrate(SQLITE).await?;
    let scratch = Scratch::create().await;
    let postgres = PostgresDatabase::open(&scratch.options()).await?;
    for (sql, found) in [
        ("DROP TABLE deadlines", "table deadlines"),
        ("CREATE TABLE more (id BIGINT)", "table more"),
        ("ALTER TABLE jobs DROP COLUMN last_error", "column jobs.last_error"),
        ("ALTER TABLE jobs ALTER COLUMN attempts TYPE TEXT", "column jobs.attempts"),
        ("ALTER TABLE jobs ALTER COLUMN attempts DROP NOT NULL", "column jobs.attempts"),
        ("ALTER TABLE jobs ALTER COLUMN attempts SET DEFAULT 0", "column jobs.attempts"),
        ("ALTER TABLE users DROP CONSTRAINT users_role_check", "column users.role"),
        ("ALTER TABLE audit_log DROP CONSTRAINT audit_log_pkey", "column audit_log.s"),
        ("DROP INDEX jobs_due", "index on jobs"),
        ("DROP INDEX jobs_due; CREATE INDEX jobs_due ON jobs (run_at, lease_until, id)", "index on jobs"),
        ("DROP INDEX jobs_due; CREATE INDEX jobs_due ON jobs (run_at, id DESC, lease_until)", "index on jobs"),
        ("DROP INDEX jobs_due; CREATE UNIQUE INDEX jobs_due ON jobs (run_at, id, lease_until)", "index on jobs"),
        ("DROP INDEX jobs_leased; CREATE INDEX jobs_leased ON jobs (lease_until)", "index on jobs"),
        ("ALTER TABLE deadlines DROP CONSTRAINT deadlines_session_id_fkey", "reference of deadlines"),
        (
            "ALTER TABLE deadlines DROP CONSTRAINT deadlines_session_id_fkey,
                ADD FOREIGN KEY (session_id) REFERENCES sessions (id)",
            "reference of deadlines",
        ),
    ] {
        scratch.run(&format!("DROP SCHEMA {0} CASCADE; CREATE SCHEMA {0}", scratch.name)).await;
        postgres.migrate(POSTGRES).await?;
        scratch.run(sql).await;
        let schemas = (sqlite::schema(&sqlite).await?, postgres::schema(&postgres).await?);
        let lines = differences(&schemas.0, &schemas.1);
        assert!(lines.iter().any(|line| line.starts_with(found)), "{sql}: {lines:#?}");
    }
    close(scratch, postgres).await;
    Ok(())
}

async fn migrated() -> Result<(Scratch, PostgresDatabase), Failed> {
    let scratch = Scratch::create().await;
    let postgres = PostgresDatabase::open(&scratch.options()).await?;
    postgres.migrate(POSTGRES).await?;
    Ok((scratch, postgres))
}

async fn close(scratch: Scratch, postgres: PostgresDatabase) {
    postgres.close().await;
    scratch.remove().await;
}

/// The rows that a query of the catalog gives.
async fn rows(
    driver: &dyn SqlDriver,
    text: &str,
    args: Vec<sea_query::Value>,
) -> Result<Vec<portway_sql::row::Row>, Failed> {
    use portway_sql::driver::{Read, Statement};
    let statement = Statement { text: text.to_owned().into(), args };
    Ok(driver.read(Read::unbounded(vec![statement])).await?.concat())
}

/// A schema under construction.
fn empty(tables: impl IntoIterator<Item = String>) -> Schema {
    Schema { tables: tables.into_iter().map(|name| (name, neutral::Table::default())).collect() }
}
