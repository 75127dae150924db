//! Whether what a database holds is what the program takes it for.

use super::error::ArchiveError;
use super::pages::Source;
use super::progress::Progress;
use crate::driver::SqlError;
use crate::record::Record;
use crate::row::Row;
use crate::schema::{self, Column, Table};
use crate::{
    attachments, audit, changed_files, commands, deadlines, engines, jobs, mcp_sessions, memories, messages, models,
    open_message, participants, questions, removals, sessions, share_links, tokens, users, workspaces,
};

/// How the rows of a table are read by the program.
#[derive(Clone, Copy)]
pub(crate) struct Records {
    table: &'static str,
    columns: &'static [&'static str],
    decode: fn(Vec<Row>) -> Result<(), SqlError>,
}

impl Records {
    /// As that record.
    pub(crate) const fn of<T: Record>() -> Self {
        Self::with::<T>(decode::<T>)
    }

    /// As that record, and what becomes of it.
    pub(crate) const fn with<T: Record>(decode: fn(Vec<Row>) -> Result<(), SqlError>) -> Self {
        Self { table: T::TABLE, columns: T::COLUMNS, decode }
    }
}

fn decode<T: Record>(rows: Vec<Row>) -> Result<(), SqlError> {
    T::decode_all(rows).map(drop)
}

/// Everything that is read as a record.
const ALL: &[Records] = &[
    users::RECORDS,
    tokens::RECORDS,
    sessions::RECORDS,
    participants::RECORDS,
    share_links::RECORDS,
    engines::RECORDS,
    messages::RECORDS,
    attachments::RECORDS,
    open_message::PARTS,
    open_message::SEGMENTS,
    models::RECORDS,
    questions::RECORDS,
    removals::RECORDS,
    workspaces::RECORDS,
    changed_files::RECORDS,
    audit::RECORDS,
    commands::RECORDS,
    deadlines::RECORDS,
    jobs::RECORDS,
    memories::RECORDS,
    mcp_sessions::RECORDS,
];

/// Reads every row of a database with the schema of this program as the program would: each state of an engine, each
/// message, each command is decoded. Answers how many those were.
///
/// # Errors
/// [`SqlError::Corrupt`] with table and column of the first value that is not of its type.
pub async fn check_records(source: &mut Source, progress: &mut dyn Progress) -> Result<u64, ArchiveError> {
    let mut checked = 0;
    for records in ALL {
        let Some(table) = schema::kept(source.schema()).find(|table| table.name == records.table) else {
            continue;
        };
        progress.begin(&format!("decoding {}", table.name), Some(source.count(table).await?));
        let key = table.key_columns().filter(|column| !records.columns.contains(&column.name));
        let key: Vec<&'static Column> = key.collect();
        let columns = key.iter().copied().chain(columns(table, records)).collect();
        let mut pages = source.columns_of(table, columns);
        while let Some(rows) = pages.next_rows().await? {
            let count = rows.len() as u64;
            (records.decode)(rows.into_iter().map(|row| without(row, key.len())).collect())?;
            checked += count;
            progress.advance(count);
        }
    }
    Ok(checked)
}

fn columns(table: &'static Table, records: &Records) -> impl Iterator<Item = &'static Column> {
    records.columns.iter().filter_map(|name| table.columns.iter().find(|column| column.name == *name))
}

/// A row without its first cells.
fn without(row: Row, count: usize) -> Row {
    let names = row.names().get(count..).unwrap_or_default().into();
    Row::new(names, row.into_cells().into_iter().skip(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TABLES;

    #[test]
    fn records_have_the_columns_of_their_tables() {
        for records in ALL {
            let table = TABLES.iter().find(|table| table.name == records.table).unwrap();
            assert_eq!(columns(table, records).count(), records.columns.len(), "{}", records.table);
        }
    }
}
