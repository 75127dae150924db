//! A database that is filled, page by page.

use std::collections::HashMap;

use sea_query::{Expr, Query, Value};

use super::contents::Contents;
use super::error::ArchiveError;
use super::pages::Source;
use super::progress::Progress;
use super::rows;
use super::unfinished::{self, Task, Unfinished};
use crate::dialect::Dialect;
use crate::driver::{Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use crate::migrations::{self, Migration};
use crate::row::Cell;
use crate::schema::{self, Column, Kind, Origin, Table};
use crate::snapshot::Snapshots;
use crate::{memories, search};

/// Most rows of one insert. Pages are made of inserts of powers of two, so that few different texts are prepared.
const MAX_INSERT: usize = 256;

/// Messages whose words are made in one write.
const INDEXED: u32 = 256;

/// What there is in a database that is to be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetState {
    /// Nothing. Its schema is that of this migration; 0 is none.
    Empty(u32),
    /// What was not finished.
    Unfinished(Unfinished),
    /// Rows of that table and maybe of others.
    Filled(&'static str),
}

impl TargetState {
    /// Looks at a database.
    ///
    /// # Errors
    /// [`SqlError`] when it does not answer.
    pub async fn of(driver: &dyn SqlDriver) -> Result<Self, SqlError> {
        if let Some(unfinished) = unfinished::find(driver).await? {
            return Ok(Self::Unfinished(unfinished));
        }
        let schema = migrations::applied(driver).await?.len();
        let schema = u32::try_from(schema).unwrap_or(u32::MAX);
        for table in schema::kept(schema) {
            let key = table.key.iter().copied();
            let first = driver.dialect().statement(&Query::select().columns(key).from(table.name).limit(1).take());
            if !driver.read(Read::bounded(vec![first])).await?.concat().is_empty() {
                return Ok(Self::Filled(table.name));
            }
        }
        Ok(Self::Empty(schema))
    }
}

/// A database that is filled, with the schema of what it is filled with. Nobody else may work on it.
pub struct Target<'a> {
    database: &'a dyn Snapshots,
    schema: u32,
    inserts: Inserts,
}

impl<'a> Target<'a> {
    /// Begins to fill an empty database. It is [unfinished](Unfinished) until [`Target::finish`]. `source` says to people
    /// what it is filled with.
    ///
    /// # Errors
    /// [`SqlError`] when it cannot be written.
    pub async fn begin(database: &'a dyn Snapshots, schema: u32, task: Task, source: &str) -> Result<Self, SqlError> {
        let steps = unfinished::begin(database.dialect(), task, source, schema)?;
        committed(database.write(steps).await?)?;
        Ok(Self::resume(database, schema))
    }

    /// Goes on with an unfinished database.
    #[must_use]
    pub fn resume(database: &'a dyn Snapshots, schema: u32) -> Self {
        let (dialect, most_arguments) = (database.dialect(), database.most_arguments());
        Self { database, schema, inserts: Inserts { dialect, most_arguments, texts: HashMap::new() } }
    }

    /// Writes rows of a table, and that they are there.
    pub(super) async fn add(
        &mut self,
        table: &'static Table,
        columns: &[&'static Column],
        rows: Vec<Vec<Cell>>,
    ) -> Result<(), ArchiveError> {
        let Some(last) = rows.last() else {
            return Ok(());
        };
        let mut key = String::new();
        let cells = |name: &&str| columns.iter().position(|column| column.name == *name).and_then(|at| last.get(at));
        let cells: Vec<Cell> = table.key.iter().filter_map(cells).cloned().collect();
        rows::write(table.name, &table.key_columns().collect::<Vec<_>>(), &cells, &mut key)?;
        let mut steps = self.inserts.of(table, columns, rows)?;
        steps.push(unfinished::reach(self.database.dialect(), table.name, &key));
        match self.database.write(steps).await? {
            WriteOutcome::Committed(_) => Ok(()),
            WriteOutcome::Conflict { .. } => Err(ArchiveError::Refused { table: table.name }),
        }
    }

    /// Compares what was written with what it should be, after the last row.
    pub(super) async fn verify(
        &mut self,
        expected: &Contents,
        advice: &'static str,
        progress: &mut dyn Progress,
    ) -> Result<(), ArchiveError> {
        let dialect = self.database.dialect();
        committed(self.database.write(vec![unfinished::loaded(dialect)]).await?)?;
        let found = Source::open(self.database, self.schema).await?.contents(&mut Verifying(progress)).await?;
        match expected.difference(&found) {
            None => Ok(()),
            Some((ours, theirs)) => Err(ArchiveError::Differs {
                table: ours.table.clone(),
                expected: ours.rows,
                found: theirs.rows,
                advice,
            }),
        }
    }

    /// Makes what is not kept, once the schema is that of this program, and takes the mark away.
    ///
    /// # Errors
    /// [`SqlError`] when it cannot be written; it is unfinished then.
    pub async fn finish(self, progress: &mut dyn Progress) -> Result<(), SqlError> {
        let dialect = self.database.dialect();
        for table in schema::kept(self.schema) {
            let numbers = table.columns.iter().filter(|column| column.kind == Kind::RowNumber);
            for counter in numbers.filter_map(|column| dialect.count_on(table.name, column.name)) {
                committed(self.database.write(vec![Step::new(counter)]).await?)?;
            }
        }
        self.index(progress).await?;
        committed(self.database.write(vec![Step::new(unfinished::end(dialect))]).await?)
    }

    /// Makes the words of messages.
    async fn index(&self, progress: &mut dyn Progress) -> Result<(), SqlError> {
        let dialect = self.database.dialect();
        progress.begin("search index", None);
        loop {
            let unindexed = Read::unbounded(vec![search::messages::unindexed_rows(dialect, INDEXED)]);
            let rows = self.database.read(unindexed).await?.concat();
            if rows.is_empty() {
                return Ok(());
            }
            let fill = search::messages::decode_unindexed_rows(dialect, &rows)?;
            committed(self.database.write(vec![search::messages::fill_rows(dialect, fill)]).await?)?;
            progress.advance(rows.len() as u64);
        }
    }

    /// Removes all rows and the mark: as if nothing had been begun.
    ///
    /// # Errors
    /// [`SqlError`] when it cannot be written; it is unfinished then.
    pub async fn clear(self) -> Result<(), SqlError> {
        let dialect = self.database.dialect();
        for table in schema::kept(self.schema).rev() {
            let delete = dialect.statement(&Query::delete().from_table(table.name).take());
            committed(self.database.write(vec![Step::new(delete)]).await?)?;
        }
        committed(self.database.write(vec![Step::new(unfinished::end(dialect))]).await?)
    }
}

fn committed(outcome: WriteOutcome) -> Result<(), SqlError> {
    match outcome {
        WriteOutcome::Committed(_) => Ok(()),
        WriteOutcome::Conflict { .. } => {
            Err(SqlError::Unavailable("somebody else changed the database meanwhile".into()))
        }
    }
}

/// Says that what goes on is a comparison.
struct Verifying<'a>(&'a mut dyn Progress);

impl Progress for Verifying<'_> {
    fn begin(&mut self, what: &str, total: Option<u64>) {
        self.0.begin(&format!("verifying {what}"), total);
    }

    fn advance(&mut self, rows: u64) {
        self.0.advance(rows);
    }
}

/// Inserts of many rows, whose texts are rendered once.
struct Inserts {
    dialect: Dialect,
    most_arguments: usize,
    texts: HashMap<(&'static str, usize), String>,
}

impl Inserts {
    /// The steps that add rows.
    fn of(
        &mut self,
        table: &'static Table,
        columns: &[&'static Column],
        rows: Vec<Vec<Cell>>,
    ) -> Result<Vec<Step>, SqlError> {
        let mut names: Vec<&'static str> = columns.iter().map(|column| column.name).collect();
        names.extend(derived(table).map(|column| column.name));
        let mut steps = Vec::new();
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let count = portion(rows.len().min(self.most_arguments / names.len().max(1)));
            let mut args = Vec::with_capacity(count * names.len());
            for cells in rows.by_ref().take(count) {
                let derived = self.derive(table, columns, &cells)?;
                for (column, cell) in columns.iter().zip(cells) {
                    args.push(rows::argument(table.name, column, cell, self.dialect)?);
                }
                args.extend(derived);
            }
            let text = self.text(table, &names, count)?.into();
            steps.push(Step::new(Statement { text, args }));
        }
        Ok(steps)
    }

    fn text(&mut self, table: &'static Table, names: &[&'static str], count: usize) -> Result<String, SqlError> {
        if let Some(text) = self.texts.get(&(table.name, count)) {
            return Ok(text.clone());
        }
        let mut insert = Query::insert();
        insert.into_table(table.name).columns(names.iter().copied());
        for _ in 0..count {
            let row = names.iter().map(|_| Expr::val(0));
            insert.values(row).map_err(|error| SqlError::Statement(error.to_string()))?;
        }
        let text = self.dialect.statement(&insert).text.into_owned();
        self.texts.insert((table.name, count), text.clone());
        Ok(text)
    }

    /// The values of the columns that follow from others and may not be empty.
    fn derive(&self, table: &Table, columns: &[&'static Column], cells: &[Cell]) -> Result<Vec<Value>, SqlError> {
        derived(table)
            .map(|column| match (table.name, column.name) {
                ("memories", "words") => {
                    let [category, content] = ["category", "content"].map(|name| {
                        let at = columns.iter().position(|column| column.name == name);
                        match at.and_then(|at| cells.get(at)) {
                            Some(Cell::Text(text)) => text.as_str(),
                            _ => "",
                        }
                    });
                    Ok(memories::words(self.dialect, category, content).into())
                }
                (table, column) => Err(SqlError::Statement(format!("nothing makes {table}.{column}"))),
            })
            .collect()
    }
}

/// The columns that a row has to come with although they are not kept.
fn derived(table: &Table) -> impl Iterator<Item = &'static Column> {
    table.columns.iter().filter(|column| column.origin == Origin::Derived && !column.nullable)
}

/// How many of so many rows come with the next insert: one at least.
fn portion(left: usize) -> usize {
    if left >= MAX_INSERT { MAX_INSERT } else { 1 << left.checked_ilog2().unwrap_or(0) }
}

/// Which migrations a database has to have run before it is filled with what has that schema.
#[must_use]
pub fn up_to(all: &[Migration], schema: u32) -> &[Migration] {
    let end = all.iter().position(|migration| migration.id > schema).unwrap_or(all.len());
    all.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TABLES;

    #[test]
    fn few_different_inserts_add_any_number_of_rows() {
        for total in 0..1_200 {
            let (mut left, mut steps) = (total, 0);
            while left > 0 {
                let count = portion(left);
                assert!(count.is_power_of_two() && count <= left && count <= MAX_INSERT);
                left -= count;
                steps += 1;
            }
            assert!(steps <= 13, "{total}: {steps}");
        }
    }

    #[test]
    fn no_insert_has_more_arguments_than_a_database_takes() {
        // SQLite takes 32766 of them, Postgres 65535.
        assert!(TABLES.iter().all(|table| table.columns.len() * MAX_INSERT <= 32_766));
    }

    #[test]
    fn everything_that_is_needed_is_made() {
        let inserts = Inserts { dialect: Dialect::Sqlite, most_arguments: usize::MAX, texts: HashMap::new() };
        for table in TABLES {
            inserts.derive(table, &[], &[]).unwrap();
        }
    }
}
