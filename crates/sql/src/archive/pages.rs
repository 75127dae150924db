//! The rows of a table, page by page in the order of its key.

use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement, Value};

use super::contents::{Contents, Running};
use super::error::ArchiveError;
use super::progress::Progress;
use super::rows;
use crate::dialect::Dialect;
use crate::driver::{Read, SqlDriver, SqlError, Statement};
use crate::row::{Cell, Row};
use crate::schema::{self, Column, Kind, Table};
use crate::snapshot::{Snapshot, Snapshots};

/// Most rows of a page.
const MAX_ROWS: usize = 500;

/// Most bytes of a page that has more than one row.
const MAX_BYTES: u64 = 1 << 20;

/// What a row takes besides its texts.
const ROW_BYTES: i64 = 64;

/// A database that is read as it was at one moment.
pub struct Source {
    dialect: Dialect,
    schema: u32,
    snapshot: Box<dyn Snapshot>,
}

impl Source {
    /// The database as it is now. `schema` is the number of its last migration.
    ///
    /// # Errors
    /// As [`Snapshots::snapshot`].
    pub async fn open(database: &dyn Snapshots, schema: u32) -> Result<Self, SqlError> {
        Ok(Self { dialect: database.dialect(), schema, snapshot: database.snapshot().await? })
    }

    /// The number of its last migration.
    #[must_use]
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// How many rows and which digests its tables have. Reads everything.
    ///
    /// # Errors
    /// [`ArchiveError::Database`].
    pub async fn contents(&mut self, progress: &mut dyn Progress) -> Result<Contents, ArchiveError> {
        let mut contents = Contents::default();
        for table in schema::kept(self.schema) {
            let total = self.count(table).await?;
            progress.begin(table.name, Some(total));
            let mut running = Running::default();
            let mut pages = self.pages(table, None);
            while let Some(page) = pages.next().await? {
                for cells in &page {
                    running.add_row(table, &pages.columns, cells)?;
                }
                progress.advance(page.len() as u64);
            }
            contents.tables.push(running.finish(table.name));
        }
        Ok(contents)
    }

    /// How many rows a table has.
    pub(super) async fn count(&mut self, table: &'static Table) -> Result<u64, SqlError> {
        let rows = self.snapshot.read(count(self.dialect, table)).await?;
        rows.first().map_or(Ok(0), |row| row.get("total"))
    }

    /// The rows of a table behind that key.
    pub(super) fn pages(&mut self, table: &'static Table, after: Option<Vec<Cell>>) -> Pages<'_> {
        let columns: Vec<&'static Column> = table.kept(self.schema).collect();
        self.pages_of(table, columns, after)
    }

    fn pages_of(
        &mut self,
        table: &'static Table,
        columns: Vec<&'static Column>,
        after: Option<Vec<Cell>>,
    ) -> Pages<'_> {
        Pages { dialect: self.dialect, snapshot: &mut *self.snapshot, table, columns, after, is_last: false }
    }

    /// The rows of a table with other columns than those that are kept.
    pub(super) fn columns_of(&mut self, table: &'static Table, columns: Vec<&'static Column>) -> Pages<'_> {
        self.pages_of(table, columns, None)
    }
}

/// How many rows each kept table of a database with that schema has, without a snapshot.
///
/// # Errors
/// As [`SqlDriver::read`].
pub async fn counts(driver: &dyn SqlDriver, schema: u32) -> Result<Vec<(&'static str, u64)>, SqlError> {
    let mut counts = Vec::new();
    for table in schema::kept(schema) {
        let rows = driver.read(Read::unbounded(vec![count(driver.dialect(), table)])).await?.concat();
        counts.push((table.name, rows.first().map_or(Ok(0), |row| row.get("total"))?));
    }
    Ok(counts)
}

fn count(dialect: Dialect, table: &'static Table) -> Statement {
    let key = table.key.first().copied().unwrap_or_default();
    dialect.statement(&Query::select().expr_as(Expr::col(key).count(), "total").from(table.name).take())
}

/// Goes through the rows of a table.
pub(super) struct Pages<'a> {
    dialect: Dialect,
    snapshot: &'a mut dyn Snapshot,
    table: &'static Table,
    pub(super) columns: Vec<&'static Column>,
    /// The key of the last row that was read.
    after: Option<Vec<Cell>>,
    is_last: bool,
}

impl Pages<'_> {
    /// The next rows, none at the end. They are the cells of the columns.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Vec<Cell>>>, SqlError> {
        Ok(self.next_rows().await?.map(|rows| rows.into_iter().map(Row::into_cells).collect()))
    }

    /// The next rows, none at the end.
    pub(super) async fn next_rows(&mut self) -> Result<Option<Vec<Row>>, SqlError> {
        if self.is_last {
            return Ok(None);
        }
        let sizes = self.snapshot.read(self.sizes()?).await?;
        let sizes: Vec<u64> = sizes.iter().map(|row| row.get("size")).collect::<Result<_, _>>()?;
        let count = fitting(&sizes);
        self.is_last = count == sizes.len() && count < MAX_ROWS;
        if count == 0 {
            return Ok(None);
        }
        let rows = self.snapshot.read(self.page(count)?).await?;
        if let Some(last) = rows.last() {
            self.after = Some(self.key_of(last.cells()));
        }
        Ok(Some(rows))
    }

    /// The key of a row.
    pub(super) fn key_of(&self, cells: &[Cell]) -> Vec<Cell> {
        let place = |key: &&str| self.columns.iter().position(|column| column.name == *key);
        self.table.key.iter().filter_map(place).filter_map(|place| cells.get(place).cloned()).collect()
    }

    /// How large the next rows are, as `size`: a page is chosen without reading what does not fit into it.
    fn sizes(&self) -> Result<Statement, SqlError> {
        let texts = self.columns.iter().filter_map(|column| match column.kind {
            Kind::Text | Kind::Bytes => Some(Expr::col(column.name)),
            Kind::Json => Some(Expr::col(column.name).cast_as("text")),
            Kind::Flag | Kind::Integer | Kind::Real | Kind::RowNumber | Kind::Time => None,
        });
        let row = Expr::Constant(Value::BigInt(Some(ROW_BYTES)));
        let size = texts.fold(row, |sum, text| sum.add(self.dialect.octets(text)));
        let mut select = self.next_of_key()?;
        select.expr_as(size, "size").limit(MAX_ROWS as u64);
        Ok(self.dialect.statement(&select))
    }

    fn page(&self, count: usize) -> Result<Statement, SqlError> {
        let mut select = self.next_of_key()?;
        select.columns(self.columns.iter().map(|column| column.name)).limit(count as u64);
        Ok(self.dialect.statement(&select))
    }

    fn next_of_key(&self) -> Result<SelectStatement, SqlError> {
        let mut select = Query::select();
        select.from(self.table.name);
        if let Some(after) = &self.after {
            let values = self.table.key_columns().zip(after).map(|(column, cell)| {
                rows::argument(self.table.name, column, cell.clone(), self.dialect).map(Expr::val)
            });
            let values = values.collect::<Result<Vec<_>, _>>()?;
            let key = Expr::tuple(self.table.key.iter().map(|name| Expr::col(*name)));
            select.and_where(key.gt(Expr::tuple(values)));
        }
        for name in self.table.key {
            select.order_by(*name, Order::Asc);
        }
        Ok(select)
    }
}

/// How many of the rows are a page: at least one, if there is one.
fn fitting(sizes: &[u64]) -> usize {
    let mut bytes = 0_u64;
    let within = |size: &&u64| {
        bytes = bytes.saturating_add(**size);
        bytes <= MAX_BYTES
    };
    sizes.iter().take_while(within).count().max(usize::from(!sizes.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_row_or_fits() {
        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&[MAX_BYTES * 9, 1]), 1);
        assert_eq!(fitting(&[MAX_BYTES - 1, 1, 1]), 2);
        assert_eq!(fitting(&[1; MAX_ROWS]), MAX_ROWS);
        assert_eq!(fitting(&[1, u64::MAX, u64::MAX]), 1);
    }
}
