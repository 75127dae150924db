//! A database as another one.

use super::contents::{Contents, Running};
use super::error::ArchiveError;
use super::load::Target;
use super::pages::Source;
use super::progress::Progress;
use super::rows;
use super::unfinished::{self, Unfinished};
use crate::driver::SqlError;
use crate::row::Cell;
use crate::schema::{self, Table};

/// What to do when the copy is not what the source is.
const ADVICE: &str =
    "the source was changed while the copy was interrupted: stop the gateway on it, and begin anew with --restart";

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What both databases hold.
    pub contents: Contents,
    /// How many rows were written this time.
    pub rows: u64,
}

/// Writes all rows of a database into another one, reads them back and compares. [`Target::finish`] comes after it.
///
/// `interrupted` is where an earlier copy of the same database came to.
///
/// # Errors
/// [`ArchiveError`]; a part of the rows is there, and the next call goes on behind it.
pub async fn copy(
    source: &mut Source,
    target: &mut Target<'_>,
    interrupted: Option<&Unfinished>,
    progress: &mut dyn Progress,
) -> Result<Copied, ArchiveError> {
    let mut copied = Copied { contents: Contents::default(), rows: 0 };
    let is_loaded = interrupted.is_some_and(|unfinished| unfinished.is_loaded);
    let place = interrupted.and_then(|unfinished| unfinished.place.as_ref());
    if !is_loaded {
        let reached = place.and_then(|(table, _)| schema::kept(source.schema()).position(|known| known.name == table));
        for table in schema::kept(source.schema()).skip(reached.unwrap_or(0)) {
            let after = match place {
                Some((name, key)) if *name == table.name => Some(key_of(table, key)?),
                _ => None,
            };
            copy_table(source, target, table, after, &mut copied, progress).await?;
        }
    }
    // What an earlier copy wrote was not added up this time.
    if interrupted.is_some() {
        copied.contents = source.contents(progress).await?;
    }
    target.verify(&copied.contents, ADVICE, progress).await?;
    Ok(copied)
}

fn key_of(table: &Table, line: &str) -> Result<Vec<Cell>, SqlError> {
    let columns: Vec<_> = table.key_columns().collect();
    rows::read(&columns, line).map_err(|detail| unfinished::corrupt_key(&detail))
}

async fn copy_table(
    source: &mut Source,
    target: &mut Target<'_>,
    table: &'static Table,
    after: Option<Vec<Cell>>,
    copied: &mut Copied,
    progress: &mut dyn Progress,
) -> Result<(), ArchiveError> {
    progress.begin(table.name, Some(source.count(table).await?));
    let mut running = Running::default();
    let mut pages = source.pages(table, after);
    while let Some(page) = pages.next().await? {
        for cells in &page {
            running.add_row(table, &pages.columns, cells)?;
        }
        let count = page.len() as u64;
        target.add(table, &pages.columns, page).await?;
        copied.rows += count;
        progress.advance(count);
    }
    copied.contents.tables.push(running.finish(table.name));
    Ok(())
}
