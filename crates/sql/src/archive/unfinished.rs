//! The mark of a database whose contents are not complete yet, and how far they are.

use std::fmt;

use sea_query::{ColumnDef, Expr, ExprTrait, Query, Table as TableStatement};

use crate::dialect::Dialect;
use crate::driver::{Read, SqlDriver, SqlError, Statement, Step};
use crate::record::{Record, record};

/// There is one at most.
const ID: i64 = 1;

record! {
    #[derive(Debug, Clone)]
    struct MarkRow in "unfinished_transfer" {
        id: i64,
        task: String,
        source: String,
        schema_number: u32,
        table_name: Option<String>,
        last_key: Option<String>,
        is_loaded: bool,
    }
}

/// What fills a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A backup is restored.
    Restore,
    /// Another database is copied.
    Copy,
}

impl Task {
    fn as_str(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Copy => "copy",
        }
    }
}

/// A database that is being filled, or was when that was interrupted. Its text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// What fills it.
    pub task: Task,
    /// With what: an archive or a database, for people to read.
    pub source: String,
    /// The number of the last migration of what it is filled with.
    pub schema: u32,
    /// The table and the line of the key of the row that was written last.
    pub(super) place: Option<(String, String)>,
    /// Whether all rows were written.
    pub(super) is_loaded: bool,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, source, .. } = self;
        match task {
            Task::Restore => write!(
                f,
                "the database holds a part of the backup {source} only: run `portway db restore` again to restore it whole"
            ),
            Task::Copy => write!(
                f,
                "the database holds a part of {source} only: run `portway db copy` again to finish it, or with --restart to \
                 begin anew"
            ),
        }
    }
}

/// What fills the database, if its contents are not complete.
///
/// # Errors
/// As [`SqlDriver::read`].
pub async fn find(driver: &dyn SqlDriver) -> Result<Option<Unfinished>, SqlError> {
    let dialect = driver.dialect();
    if !has_table(driver, MarkRow::TABLE).await? {
        return Ok(None);
    }
    let found = driver.read(Read::bounded(vec![dialect.statement(&MarkRow::select())])).await?.concat();
    let Some(row) = MarkRow::decode_first(found)? else {
        return Ok(None);
    };
    let task = if row.task == Task::Copy.as_str() { Task::Copy } else { Task::Restore };
    let place = row.table_name.zip(row.last_key);
    Ok(Some(Unfinished { task, source: row.source, schema: row.schema_number, place, is_loaded: row.is_loaded }))
}

/// Whether there is a table.
pub(crate) async fn has_table(driver: &dyn SqlDriver, name: &str) -> Result<bool, SqlError> {
    let found = driver.read(Read::bounded(vec![driver.dialect().has_table(name)])).await?.concat();
    found.first().map_or(Ok(false), |row| row.get("found"))
}

/// The key of the row that was written last is none.
pub(super) fn corrupt_key(detail: &str) -> SqlError {
    SqlError::Corrupt { table: MarkRow::TABLE, column: "last_key".to_owned(), detail: detail.to_owned() }
}

/// Marks a database as unfinished.
pub(super) fn begin(dialect: Dialect, task: Task, source: &str, schema: u32) -> Result<Vec<Step>, SqlError> {
    let mut table = TableStatement::create();
    table.table(MarkRow::TABLE);
    for column in MarkRow::COLUMNS {
        let mut column = ColumnDef::new(*column);
        match column.get_column_name().as_str() {
            "id" => column.big_integer().not_null().primary_key(),
            "schema_number" => column.big_integer().not_null(),
            "is_loaded" => column.boolean().not_null(),
            _ => column.text(),
        };
        table.col(column);
    }
    let row = MarkRow {
        id: ID,
        task: task.as_str().to_owned(),
        source: source.to_owned(),
        schema_number: schema,
        table_name: None,
        last_key: None,
        is_loaded: false,
    };
    Ok(vec![Step::new(dialect.schema(&table)), Step::guarded(row.insert(dialect)?)])
}

/// Notes the row that was written last.
pub(super) fn reach(dialect: Dialect, table: &'static str, key: &str) -> Step {
    let update = Query::update()
        .table(MarkRow::TABLE)
        .values([("table_name", Expr::from(table)), ("last_key", Expr::from(key))])
        .and_where(Expr::col("id").eq(ID))
        .take();
    Step::guarded(dialect.statement(&update))
}

/// Notes that all rows were written.
pub(super) fn loaded(dialect: Dialect) -> Step {
    let update =
        Query::update().table(MarkRow::TABLE).value("is_loaded", true).and_where(Expr::col("id").eq(ID)).take();
    Step::guarded(dialect.statement(&update))
}

/// Takes the mark away.
pub(super) fn end(dialect: Dialect) -> Statement {
    dialect.schema(&TableStatement::drop().table(MarkRow::TABLE).take())
}
