//! Brings the schema up to date: all pending files, or none.

use portway_sql::dialect::Dialect;
use portway_sql::driver::{SqlError, Statement};
use portway_sql::migrations::{AppliedMigration, MigrateError, Migration, plan};
use portway_sql::record::Record;
use portway_sql::row::Row;

use crate::error::Failure;
use crate::session::Session;

/// A second process waits here until the first one is done, as long as that takes; each schema has a lock of its own.
const LOCK: [&str; 3] = [
    "SET LOCAL lock_timeout = 0",
    "SET LOCAL statement_timeout = 0",
    "SELECT pg_advisory_xact_lock(1886351988, hashtext(current_schema()))",
];

/// The ledger is older than every migration, so the runner makes it.
const LEDGER: &str = r#"CREATE TABLE schema_migrations (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    checksum TEXT COLLATE "C" NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL
)"#;

const HAS_LEDGER: &str = "SELECT to_regclass('schema_migrations') IS NOT NULL AS found";

/// The number of the open transaction.
const TRANSACTION: &str = "SELECT pg_current_xact_id()::text AS id";

/// Runs what is pending and answers how many files that were.
pub(crate) async fn migrate(session: &mut Session, all: &[Migration]) -> Result<usize, MigrateError> {
    session.begin().await.map_err(Failure::into_error)?;
    let count = match in_transaction(session, all).await {
        Ok(count) => count,
        Err(error) => {
            session.rollback().await;
            return Err(error);
        }
    };
    match session.commit().await {
        Ok(()) => Ok(count),
        Err(failure @ Failure::Lost { .. }) => Err(failure.into_unknown().into()),
        Err(failure) => Err(failure.into_error().into()),
    }
}

async fn in_transaction(session: &mut Session, all: &[Migration]) -> Result<usize, MigrateError> {
    for text in LOCK {
        session.script(text).await.map_err(Failure::into_error)?;
    }
    make_ledger(session).await?;
    let applied = session.query(&AppliedMigration::all(Dialect::Postgres)).await.map_err(Failure::into_error)?;
    let pending = plan(&AppliedMigration::decode_all(applied)?, all)?;
    for migration in pending {
        apply(session, migration).await?;
    }
    Ok(pending.len())
}

/// Only where there is none: a user who may not make tables can start a program whose schema is there.
async fn make_ledger(session: &mut Session) -> Result<(), SqlError> {
    let found = session.query(&look_for_ledger()).await.map_err(Failure::into_error)?;
    if is_ledger_there(&found)? {
        return Ok(());
    }
    session.script(LEDGER).await.map_err(|failure| match failure.into_error() {
        SqlError::Unavailable(text) => {
            SqlError::Unavailable(format!("the ledger of migrations cannot be made: {text}"))
        }
        other => other,
    })
}

/// Asks whether there is a ledger.
pub(crate) fn look_for_ledger() -> Statement {
    Statement { text: HAS_LEDGER.into(), args: Vec::new() }
}

/// The answer to [`look_for_ledger`].
pub(crate) fn is_ledger_there(rows: &[Row]) -> Result<bool, SqlError> {
    rows.first().map_or(Ok(false), |row| row.get("found"))
}

async fn apply(session: &mut Session, migration: &Migration) -> Result<(), MigrateError> {
    let failed = |detail: String| MigrateError::Failed { name: migration.name.to_owned(), detail };
    let before = transaction(session).await?;
    session.script(migration.sql).await.map_err(|failure| failed(failure.into_error().to_string()))?;
    if transaction(session).await? != before {
        return Err(failed("the file ends the transaction it runs in".into()));
    }
    session.query(&AppliedMigration::enter(Dialect::Postgres, migration)?).await.map_err(Failure::into_error)?;
    tracing::info!(name = migration.name, "migration applied");
    Ok(())
}

async fn transaction(session: &mut Session) -> Result<String, SqlError> {
    let number = Statement { text: TRANSACTION.into(), args: Vec::new() };
    let rows: Vec<Row> = session.query(&number).await.map_err(Failure::into_error)?;
    rows.first().map_or_else(|| Ok(String::new()), |row| row.get("id"))
}
