//! An archive as a database.

use std::io::BufRead;

use super::contents::Contents;
use super::error::ArchiveError;
use super::load::Target;
use super::progress::Progress;
use super::read::{Item, Reader};
use crate::row::Cell;
use crate::schema::{Column, Table};

/// Most rows and bytes that are written at once.
const MAX_ROWS: usize = 500;
const MAX_BYTES: usize = 1 << 20;

/// Writes all rows of an archive, reads them back and compares. [`Target::finish`] comes after it, or
/// [`Target::clear`] if it fails.
///
/// # Errors
/// [`ArchiveError`]; a part of the rows may be there.
pub async fn restore<R: BufRead + Send>(
    mut archive: Reader<R>,
    target: &mut Target<'_>,
    progress: &mut dyn Progress,
) -> Result<Contents, ArchiveError> {
    let mut page: Option<Page> = None;
    loop {
        match archive.next()? {
            Item::Table(table) => {
                progress.begin(table.name, None);
                page = Some(Page::of(table, archive.header().schema));
            }
            Item::Row(cells, bytes) => {
                if let Some(page) = &mut page {
                    page.rows.push(cells);
                    page.bytes += bytes;
                    if page.rows.len() >= MAX_ROWS || page.bytes >= MAX_BYTES {
                        page.write(target, progress).await?;
                    }
                }
            }
            Item::End => {
                if let Some(page) = &mut page {
                    page.write(target, progress).await?;
                }
            }
            Item::Whole => break,
        }
    }
    let contents = archive.into_contents();
    target.verify(&contents, "restore it once more", progress).await?;
    Ok(contents)
}

/// Rows of a table that were not written yet.
struct Page {
    table: &'static Table,
    columns: Vec<&'static Column>,
    rows: Vec<Vec<Cell>>,
    bytes: usize,
}

impl Page {
    fn of(table: &'static Table, schema: u32) -> Self {
        Self { table, columns: table.kept(schema).collect(), rows: Vec::new(), bytes: 0 }
    }

    async fn write(&mut self, target: &mut Target<'_>, progress: &mut dyn Progress) -> Result<(), ArchiveError> {
        let rows = std::mem::take(&mut self.rows);
        let count = rows.len() as u64;
        self.bytes = 0;
        target.add(self.table, &self.columns, rows).await?;
        progress.advance(count);
        Ok(())
    }
}
