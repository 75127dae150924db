//! What a database remembers of the files that it ran.

use portway_domain::time::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query};

use super::{MigrateError, Migration, plan};
use crate::archive::unfinished::has_table;
use crate::dialect::Dialect;
use crate::driver::{Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use crate::record::{Record, record};

/// Makes the ledger on SQLite and its kin unless it is there. It is older than every migration, so each runner begins
/// with this.
pub const SQLITE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

record! {
    /// A line of the ledger of applied migrations.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AppliedMigration in "schema_migrations" {
        /// Number of the migration.
        pub id: u32,
        /// Its name when it was applied.
        pub name: String,
        /// Its checksum when it was applied.
        pub checksum: String,
        /// When it was applied.
        pub applied_at: Timestamp,
    }
}

impl AppliedMigration {
    /// The whole ledger, oldest migration first.
    #[must_use]
    pub fn all(dialect: Dialect) -> Statement {
        dialect.statement(&Self::select().order_by("id", Order::Asc).take())
    }

    /// Enters a migration into the ledger, by the clock of the database.
    ///
    /// # Errors
    /// None in practice: [`SqlError::Statement`] when columns and values do not fit.
    pub fn enter(dialect: Dialect, migration: &Migration) -> Result<Statement, SqlError> {
        let values = [
            Expr::from(i64::from(migration.id)),
            Expr::from(migration.name),
            Expr::from(migration.checksum()),
            dialect.clock(),
        ];
        let mut insert = Query::insert();
        insert.into_table(Self::TABLE).columns(Self::COLUMNS.iter().copied());
        insert.values(values).map_err(|error| SqlError::Statement(error.to_string()))?;
        Ok(dialect.statement(&insert))
    }

    /// A write that proves two things at once: the database can be written, and `newest` is the last migration it ran.
    /// Otherwise it ends in an error or a conflict. It changes nothing.
    fn probe(dialect: Dialect, newest: &Migration) -> Step {
        let newer = Query::select()
            .expr(Expr::val(1))
            .from_as(Self::TABLE, "newer")
            .and_where(Expr::col(("newer", "id")).gt(i64::from(newest.id)))
            .take();
        let probe = Query::update()
            .table(Self::TABLE)
            .value("name", Expr::col("name"))
            .and_where(Expr::col("id").eq(i64::from(newest.id)))
            .and_where(Expr::col("checksum").eq(newest.checksum()))
            .and_where(Expr::exists(newer).not())
            .take();
        Step::guarded(dialect.statement(&probe))
    }
}

/// What a database ran, oldest first; nothing if it never ran any.
///
/// # Errors
/// [`SqlError`] when the database does not answer.
pub async fn applied(driver: &dyn SqlDriver) -> Result<Vec<AppliedMigration>, SqlError> {
    if !has_table(driver, AppliedMigration::TABLE).await? {
        return Ok(Vec::new());
    }
    let lines = driver.read(Read::bounded(vec![AppliedMigration::all(driver.dialect())])).await?;
    AppliedMigration::decode_all(lines.concat())
}

/// Which of the migrations a database with a ledger lacks, without running any.
///
/// # Errors
/// [`MigrateError`] when it could not be migrated, for example because a newer program did that.
pub async fn pending(driver: &dyn SqlDriver, all: &[Migration]) -> Result<usize, MigrateError> {
    let applied = driver.read(Read::bounded(vec![AppliedMigration::all(driver.dialect())])).await?;
    let applied = AppliedMigration::decode_all(applied.into_iter().flatten().collect())?;
    Ok(plan(&applied, all)?.len())
}

/// Proves that the database can be written, and that `newest` is the last migration it ran; `None` when this program
/// has not run any on it yet.
///
/// # Errors
/// [`SqlError`] when the write fails; [`SqlError::Unavailable`] also when the schema is another one.
pub async fn probe(driver: &dyn SqlDriver, newest: Option<Migration>) -> Result<(), SqlError> {
    let newest = newest.ok_or_else(|| SqlError::Unavailable("the schema was not migrated yet".into()))?;
    let probe = AppliedMigration::probe(driver.dialect(), &newest);
    match driver.write(vec![probe]).await? {
        WriteOutcome::Committed(_) => Ok(()),
        WriteOutcome::Conflict { .. } => Err(SqlError::Unavailable(format!(
            "the schema is not that of migration {}: another binary migrated the database",
            newest.name
        ))),
    }
}
