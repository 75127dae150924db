//! A database as an archive.

use std::io::Write;

use serde::Serialize;

use super::contents::{Contents, Running};
use super::error::ArchiveError;
use super::lines::{Closing, Ending, FORMAT, Header, MAX_LINE, Made, Opening, VERSION};
use super::pages::Source;
use super::progress::Progress;
use crate::driver::SqlError;
use crate::schema::{self, Table, fingerprint};

/// Writes everything that a database holds, as it was at one moment, and answers how much that is.
///
/// # Errors
/// [`ArchiveError::Database`] and [`ArchiveError::File`]; what was written is no archive then. [`ArchiveError::TooLarge`]
/// when a row does not fit into a line.
pub async fn write(
    source: &mut Source,
    made: Made,
    out: &mut (dyn Write + Send),
    progress: &mut dyn Progress,
) -> Result<Contents, ArchiveError> {
    let schema = source.schema();
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        schema,
        fingerprint: fingerprint(schema),
        made_at: made.at.to_string(),
        product: made.product,
    };
    write_line(&header, out)?;
    let mut contents = Contents::default();
    for table in schema::kept(schema) {
        write_table(source, table, &mut contents, out, progress).await?;
    }
    let ending = Ending { tables: contents.tables.len(), rows: contents.rows(), digest: contents.digest() };
    write_line(&ending, out)?;
    out.flush().map_err(ArchiveError::File)?;
    Ok(contents)
}

async fn write_table(
    source: &mut Source,
    table: &'static Table,
    contents: &mut Contents,
    out: &mut (dyn Write + Send),
    progress: &mut dyn Progress,
) -> Result<(), ArchiveError> {
    progress.begin(table.name, Some(source.count(table).await?));
    let mut pages = source.pages(table, None);
    let columns = pages.columns.iter().map(|column| column.name.to_owned()).collect();
    write_line(&Opening { table: table.name.to_owned(), columns }, out)?;
    let mut running = Running::default();
    while let Some(page) = pages.next().await? {
        for cells in &page {
            let line = running.add_row(table, &pages.columns, cells)?;
            if line.len() >= MAX_LINE {
                return Err(ArchiveError::TooLarge { table: table.name, limit: MAX_LINE });
            }
            out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(ArchiveError::File)?;
        }
        progress.advance(page.len() as u64);
    }
    let end = running.finish(table.name);
    write_line(&Closing { end: end.clone() }, out)?;
    contents.tables.push(end);
    Ok(())
}

fn write_line(line: &impl Serialize, out: &mut (dyn Write + Send)) -> Result<(), ArchiveError> {
    let mut text = serde_json::to_string(line).map_err(|error| SqlError::Rejected(error.to_string()))?;
    text.push('\n');
    out.write_all(text.as_bytes()).map_err(ArchiveError::File)
}
