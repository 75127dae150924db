//! Brings the schema up to date: all pending files, or none.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portway_sql::dialect::Dialect;
use portway_sql::driver::SqlError;
use portway_sql::migrations::{AppliedMigration, MigrateError, Migration, SQLITE_LEDGER, plan};
use portway_sql::record::Record;

use crate::connection::Connection;
use crate::error::Failure;

/// Runs what is pending and answers how many files that were.
pub(crate) fn migrate(connection: &Connection, all: &[Migration]) -> Result<usize, MigrateError> {
    // Tables are rebuilt by copying, which their references would forbid; they are checked as a whole at the end.
    // Inside a transaction the setting would have no effect.
    connection.rollback();
    pragma(connection, "PRAGMA foreign_keys = OFF")?;
    let result = catch_unwind(AssertUnwindSafe(|| in_transaction(connection, all)));
    connection.rollback();
    pragma(connection, "PRAGMA foreign_keys = ON")?;
    result.unwrap_or_else(|_| Err(SqlError::Unavailable("the migration panicked and was undone".into()).into()))
}

fn in_transaction(connection: &Connection, all: &[Migration]) -> Result<usize, MigrateError> {
    // The write lock keeps a second process out until this one is done.
    connection.begin_write().map_err(Failure::into_error)?;
    pragma(connection, SQLITE_LEDGER)?;
    let applied = connection.query(&AppliedMigration::all(Dialect::Sqlite)).map_err(Failure::into_error)?;
    let pending = plan(&AppliedMigration::decode_all(applied)?, all)?;
    for migration in pending {
        apply(connection, migration)?;
    }
    // The check reads every row, so it is only made when something may have broken a reference.
    if !pending.is_empty() {
        check_references(connection)?;
    }
    connection.commit().map_err(Failure::into_commit_error)?;
    Ok(pending.len())
}

fn apply(connection: &Connection, migration: &Migration) -> Result<(), MigrateError> {
    let failed = |detail: String| MigrateError::Failed { name: migration.name.to_owned(), detail };
    connection.raw().execute_batch(migration.sql).map_err(|error| failed(error.to_string()))?;
    if connection.is_autocommit() {
        return Err(failed("the file ends the transaction it runs in".into()));
    }
    connection.run(&AppliedMigration::enter(Dialect::Sqlite, migration)?).map_err(Failure::into_error)?;
    tracing::info!(name = migration.name, "migration applied");
    Ok(())
}

fn check_references(connection: &Connection) -> Result<(), MigrateError> {
    let broken = |error: rusqlite::Error| Failure::from(error).into_error();
    let mut check = connection
        .raw()
        .prepare("SELECT \"table\", \"parent\" FROM pragma_foreign_key_check LIMIT 1")
        .map_err(broken)?;
    let mut rows = check.query([]).map_err(broken)?;
    match rows.next().map_err(broken)? {
        None => Ok(()),
        Some(row) => {
            Err(MigrateError::ForeignKey { table: row.get(0).map_err(broken)?, parent: row.get(1).map_err(broken)? })
        }
    }
}

fn pragma(connection: &Connection, text: &str) -> Result<(), SqlError> {
    connection.raw().execute_batch(text).map_err(|error| Failure::from(error).into_error())
}
