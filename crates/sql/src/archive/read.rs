//! An archive, line by line. Nothing of it is believed.

use std::io::{self, BufRead, ErrorKind, Read};

use serde::de::DeserializeOwned;

use super::contents::{Contents, Running};
use super::error::ArchiveError;
use super::lines::{Closing, Cover, Ending, FORMAT, Header, MAX_LINE, Opening, VERSION};
use super::progress::Progress;
use super::rows;
use crate::migrations::SQLITE;
use crate::row::Cell;
use crate::schema::{self, Column, Table, fingerprint};

/// Most bytes of the first line.
const MAX_HEADER: usize = 4096;

/// An archive whose header was read.
pub struct Reader<R> {
    lines: Lines<R>,
    header: Header,
    /// The tables that are to come, the next one last.
    ahead: Vec<&'static Table>,
    open: Option<Open>,
    contents: Contents,
}

/// A table whose rows are read.
struct Open {
    table: &'static Table,
    columns: Vec<&'static Column>,
    running: Running,
}

/// What comes next.
pub(super) enum Item {
    /// A table begins.
    Table(&'static Table),
    /// A row of it, and how many bytes it took.
    Row(Vec<Cell>, usize),
    /// It ends.
    End,
    /// The archive ends, and is whole.
    Whole,
}

/// Begins to read an archive.
///
/// # Errors
/// [`ArchiveError::NoArchive`], [`ArchiveError::Newer`] and [`ArchiveError::OtherSchema`] when this program cannot read it.
pub fn open<R: BufRead>(reader: R) -> Result<Reader<R>, ArchiveError> {
    let mut lines = Lines { reader, number: 0, buffer: Vec::new() };
    let header = match lines.next(MAX_HEADER) {
        Ok(line) => header(line)?,
        Err(ArchiveError::Damaged { detail, .. }) => return Err(ArchiveError::NoArchive(detail)),
        Err(other) => return Err(other),
    };
    let ahead = schema::kept(header.schema).rev().collect();
    Ok(Reader { lines, header, ahead, open: None, contents: Contents::default() })
}

/// Reads a whole archive and compares it with its sums.
///
/// # Errors
/// As [`open`]; [`ArchiveError::Damaged`] with the first line that is not as it should be.
pub fn inspect<R: BufRead>(reader: R, progress: &mut dyn Progress) -> Result<(Header, Contents), ArchiveError> {
    let mut archive = open(reader)?;
    loop {
        match archive.next()? {
            Item::Table(table) => progress.begin(table.name, None),
            Item::Row(..) => progress.advance(1),
            Item::End => {}
            Item::Whole => return Ok((archive.header, archive.contents)),
        }
    }
}

fn header(line: &str) -> Result<Header, ArchiveError> {
    let cover: Cover = serde_json::from_str(line).map_err(|error| ArchiveError::NoArchive(error.to_string()))?;
    if cover.format != FORMAT {
        return Err(ArchiveError::NoArchive("its first line says that it is something else".to_owned()));
    }
    let newer = |what: String, known: String| ArchiveError::Newer { product: cover.product.clone(), what, known };
    if cover.version > VERSION {
        return Err(newer(format!("version {} of the form", cover.version), format!("version {VERSION}")));
    }
    let header: Header = serde_json::from_str(line).map_err(|error| ArchiveError::NoArchive(error.to_string()))?;
    let newest = SQLITE.last().map_or(0, |migration| migration.id);
    if header.schema > newest {
        return Err(newer(format!("schema {}", header.schema), format!("schema {newest}")));
    }
    if header.fingerprint != fingerprint(header.schema) {
        return Err(ArchiveError::OtherSchema(header.schema));
    }
    Ok(header)
}

impl<R: BufRead> Reader<R> {
    /// What the archive begins with.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the tables hold that were read to their end.
    pub(super) fn into_contents(self) -> Contents {
        self.contents
    }

    /// Reads the next line.
    pub(super) fn next(&mut self) -> Result<Item, ArchiveError> {
        let number = self.lines.number + 1;
        let damaged = |detail: String| ArchiveError::damaged(number, detail);
        let line = self.lines.next(MAX_LINE)?;
        match &mut self.open {
            Some(open) if line.starts_with('[') => {
                let cells = rows::read(&open.columns, line).map_err(damaged)?;
                open.running.add(line);
                Ok(Item::Row(cells, line.len()))
            }
            Some(open) => {
                let Closing { end } = parse(line).map_err(damaged)?;
                let sum = std::mem::take(&mut open.running).finish(open.table.name);
                if end != sum {
                    let (name, rows) = (open.table.name, sum.rows);
                    return Err(damaged(format!(
                        "the {rows} rows of {name} before it are not the {} that were written",
                        end.rows
                    )));
                }
                self.contents.tables.push(sum);
                self.open = None;
                Ok(Item::End)
            }
            None => match self.ahead.pop() {
                Some(table) => {
                    let columns: Vec<&'static Column> = table.kept(self.header.schema).collect();
                    let names = columns.iter().map(|column| column.name.to_owned()).collect();
                    let expected = Opening { table: table.name.to_owned(), columns: names };
                    if parse::<Opening>(line).map_err(damaged)? != expected {
                        return Err(damaged(format!("expected the table {} with its columns", table.name)));
                    }
                    self.open = Some(Open { table, columns, running: Running::default() });
                    Ok(Item::Table(table))
                }
                None => {
                    let Contents { tables } = &self.contents;
                    let (rows, digest) = (self.contents.rows(), self.contents.digest());
                    let expected = Ending { tables: tables.len(), rows, digest };
                    if parse::<Ending>(line).map_err(damaged)? != expected {
                        return Err(damaged("the tables before it are not those that were written".to_owned()));
                    }
                    self.lines.end()?;
                    Ok(Item::Whole)
                }
            },
        }
    }
}

fn parse<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| format!("another line was expected here: {error}"))
}

/// Lines of bounded length.
struct Lines<R> {
    reader: R,
    /// Of the line that was read last.
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The next line, without its end.
    fn next(&mut self, limit: usize) -> Result<&str, ArchiveError> {
        self.number += 1;
        let number = self.number;
        let damaged = |detail: &str| ArchiveError::damaged(number, detail);
        self.buffer.clear();
        let mut bounded = (&mut self.reader).take(limit as u64);
        bounded.read_until(b'\n', &mut self.buffer).map_err(|error| broken(number, error))?;
        match self.buffer.pop() {
            Some(b'\n') => {}
            Some(_) if self.buffer.len() + 1 >= limit => {
                return Err(damaged("it is longer than any line that is written"));
            }
            Some(_) => return Err(damaged("it ends in the middle")),
            None => return Err(damaged("it is missing: the archive is not whole")),
        }
        std::str::from_utf8(&self.buffer).map_err(|_| damaged("it is no text"))
    }

    /// Makes sure that nothing comes any more.
    fn end(&mut self) -> Result<(), ArchiveError> {
        let number = self.number + 1;
        match self.reader.fill_buf().map_err(|error| broken(number, error))? {
            [] => Ok(()),
            _ => Err(ArchiveError::damaged(number, "nothing more was expected")),
        }
    }
}

/// What decompression refuses is no trouble of the machine.
fn broken(line: u64, error: io::Error) -> ArchiveError {
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            ArchiveError::damaged(line, format!("it cannot be decompressed: {error}"))
        }
        _ => ArchiveError::File(error),
    }
}
