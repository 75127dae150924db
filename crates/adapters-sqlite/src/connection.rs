//! One connection: how it is opened and how it runs statements.

use std::cell::{Cell as Flag, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use portway_sql::driver::{Read, SqlError, Statement};
use portway_sql::row::{Cell, ColumnNames, QUERY_RESULT, Row};
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;
use rusqlite::types::ValueRef;

use crate::bind::bind;
use crate::checkpoints::Log;
use crate::error::{Failure, OpenError};

const CACHED_STATEMENTS: usize = 256;

/// How much of a file is mapped at most, in bytes.
const MAPPED: i64 = 256 * 1024 * 1024;

/// A connection with its prepared statements.
pub(crate) struct Connection {
    raw: rusqlite::Connection,
    names: RefCell<ColumnNames>,
    committing: Flag<bool>,
}

/// What a statement did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The rows of its `RETURNING` clause or query; none otherwise.
    pub(crate) rows: Vec<Row>,
    /// How many rows it changed itself, without triggers and cascades; for a query how many it found.
    pub(crate) affected: u64,
}

impl Connection {
    /// The one connection that writes: write-ahead log, every commit on disk before it is answered.
    pub(crate) fn writer(path: &Path, busy_timeout: Duration) -> Result<Self, OpenError> {
        let refused = |error: rusqlite::Error| refused(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let raw = rusqlite::Connection::open_with_flags(path, flags).map_err(refused)?;
        raw.busy_timeout(busy_timeout).map_err(refused)?;
        let mode = write_ahead(&raw, busy_timeout).map_err(refused)?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(OpenError::NoWriteAheadLog { path: path.to_owned(), mode });
        }
        raw.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -16000;
             PRAGMA journal_size_limit = 134217728;
             PRAGMA temp_store = MEMORY;",
        )
        .map_err(refused)?;
        Self::new(raw).map_err(refused)
    }

    /// The same connection, whose log is looked after by `log` instead of by SQLite itself.
    pub(crate) fn attended_by(mut self, log: Arc<Log>) -> Result<Self, OpenError> {
        let path = self.raw.path().map(PathBuf::from).unwrap_or_default();
        log.attend(&mut self.raw).map_err(|error| refused(&path, &error))?;
        Ok(self)
    }

    /// A connection that cannot write, for reads of few pages. It copies them, which is cheaper than to map the file:
    /// after each write of another connection SQLite takes the map down, and every thread of the process feels that.
    pub(crate) fn reader(path: &Path, busy_timeout: Duration) -> Result<Self, OpenError> {
        let refused = |error: rusqlite::Error| refused(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let raw = rusqlite::Connection::open_with_flags(path, flags).map_err(refused)?;
        raw.busy_timeout(busy_timeout).map_err(refused)?;
        raw.execute_batch(
            "PRAGMA query_only = ON;
             PRAGMA cache_size = -4000;
             PRAGMA temp_store = MEMORY;",
        )
        .map_err(refused)?;
        Self::new(raw).map_err(refused)
    }

    /// Maps the file instead of copying its pages, for reads of many.
    pub(crate) fn map(&self, path: &Path) -> Result<(), OpenError> {
        let mapped = self.raw.pragma_update_and_check(None, "mmap_size", MAPPED, |row| row.get::<_, i64>(0));
        mapped.map(drop).map_err(|error| refused(path, &error))
    }

    /// A database of its own that ends with the connection.
    pub(crate) fn memory() -> Result<Self, OpenError> {
        let refused = |error: rusqlite::Error| refused(Path::new(":memory:"), &error);
        let raw = rusqlite::Connection::open_in_memory().map_err(refused)?;
        raw.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;").map_err(refused)?;
        Self::new(raw).map_err(refused)
    }

    fn new(raw: rusqlite::Connection) -> rusqlite::Result<Self> {
        raw.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        // Plans that depend on the bound values are made anew with every binding, which costs more than the query.
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self { raw, names: RefCell::new(ColumnNames::new(CACHED_STATEMENTS)), committing: Flag::new(false) })
    }

    /// The connection below, for what is no ordinary statement.
    pub(crate) fn raw(&self) -> &rusqlite::Connection {
        &self.raw
    }

    /// Runs a statement, whatever it does.
    pub(crate) fn run(&self, statement: &Statement) -> Result<Ran, Failure> {
        #[cfg(test)]
        assert_ne!(statement.text, crate::writer::PANIC, "asked for by a test");
        let mut prepared = self.raw.prepare_cached(&statement.text)?;
        bind(&mut prepared, &statement.args)?;
        if prepared.column_count() == 0 {
            let affected = prepared.raw_execute()?;
            return Ok(Ran { rows: Vec::new(), affected: u64::try_from(affected).unwrap_or(u64::MAX) });
        }
        // A write with RETURNING is a query to SQLite: it has to be run to its end.
        let rows = self.rows(&statement.text, &mut prepared)?;
        let affected =
            if prepared.readonly() { u64::try_from(rows.len()).unwrap_or(u64::MAX) } else { self.raw.changes() };
        Ok(Ran { rows, affected })
    }

    /// Runs the statements of a read in one snapshot.
    pub(crate) fn read(&self, read: &Read) -> Result<Vec<Vec<Row>>, SqlError> {
        if let [only] = &*read.statements {
            let rows = self.query(only).map_err(Failure::into_error)?;
            return Ok(vec![rows]);
        }
        let snapshot = Snapshot::begin(self).map_err(Failure::into_error)?;
        let results = read
            .statements
            .iter()
            .map(|statement| self.query(statement).map_err(Failure::into_error))
            .collect::<Result<_, _>>()?;
        snapshot.end().map_err(Failure::into_error)?;
        Ok(results)
    }

    /// Runs a statement that changes nothing.
    pub(crate) fn query(&self, statement: &Statement) -> Result<Vec<Row>, Failure> {
        let mut prepared = self.raw.prepare_cached(&statement.text)?;
        if !prepared.readonly() {
            return Err(Failure::Value(SqlError::Statement("a read cannot change the database".into())));
        }
        bind(&mut prepared, &statement.args)?;
        self.rows(&statement.text, &mut prepared)
    }

    fn rows(&self, text: &str, prepared: &mut rusqlite::Statement<'_>) -> Result<Vec<Row>, Failure> {
        let names = self.names(text, prepared);
        let mut rows = Vec::new();
        let mut cursor = prepared.raw_query();
        while let Some(row) = cursor.next()? {
            let mut cells = Vec::with_capacity(names.len());
            for index in 0..names.len() {
                cells.push(cell(row.get_ref(index)?, || names[index].clone())?);
            }
            rows.push(Row::new(names.clone(), cells));
        }
        Ok(rows)
    }

    /// The column names of a statement, made once for each text.
    fn names(&self, text: &str, prepared: &rusqlite::Statement<'_>) -> Arc<[String]> {
        let fit = |known: &[String]| known.len() == prepared.column_count();
        let read = || prepared.column_names().map(str::to_owned).collect();
        self.names.borrow_mut().of(text, fit, read)
    }

    /// Starts a transaction that holds the write lock. One that an earlier failure left open is undone first.
    pub(crate) fn begin_write(&self) -> Result<(), Failure> {
        self.rollback();
        self.control("BEGIN IMMEDIATE")
    }

    /// Makes the transaction durable.
    pub(crate) fn commit(&self) -> Result<(), Failure> {
        self.committing.set(true);
        let result = self.control("COMMIT");
        self.committing.set(false);
        result
    }

    /// Whether a panic hit while a commit was running. Resets the mark.
    pub(crate) fn take_committing(&self) -> bool {
        self.committing.take()
    }

    /// Undoes the open transaction, if there is one.
    pub(crate) fn rollback(&self) {
        if self.raw.is_autocommit() {
            return;
        }
        if let Err(error) = self.raw.execute_batch("ROLLBACK") {
            tracing::error!(%error, "a transaction could not be undone");
        }
    }

    /// Whether no transaction is open.
    pub(crate) fn is_autocommit(&self) -> bool {
        self.raw.is_autocommit()
    }

    /// Runs a statement that controls transactions.
    pub(crate) fn control(&self, text: &'static str) -> Result<(), Failure> {
        self.raw.prepare_cached(text)?.raw_execute()?;
        Ok(())
    }
}

/// Sets the journal mode, and answers with the one that came of it. Two that make the log of a new file at the same time
/// are in each other's way, and SQLite does not wait for that by itself.
fn write_ahead(raw: &rusqlite::Connection, busy_timeout: Duration) -> rusqlite::Result<String> {
    let deadline = Instant::now() + busy_timeout;
    loop {
        match raw.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// An open read transaction; dropping it ends it.
struct Snapshot<'a>(&'a Connection);

impl<'a> Snapshot<'a> {
    fn begin(connection: &'a Connection) -> Result<Self, Failure> {
        connection.rollback();
        connection.control("BEGIN DEFERRED")?;
        Ok(Self(connection))
    }

    fn end(self) -> Result<(), Failure> {
        self.0.control("COMMIT")
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        self.0.rollback();
    }
}

fn cell(value: ValueRef<'_>, column: impl FnOnce() -> String) -> Result<Cell, Failure> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => {
            Cell::Text(std::str::from_utf8(text).map_err(|error| not_utf8(column(), error))?.to_owned())
        }
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    })
}

fn not_utf8(column: String, error: std::str::Utf8Error) -> Failure {
    Failure::Value(SqlError::Corrupt { table: QUERY_RESULT, column, detail: format!("expected UTF-8: {error}") })
}

fn refused(path: &Path, error: &rusqlite::Error) -> OpenError {
    OpenError::Sqlite { path: path.to_owned(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_cannot_write_even_past_the_driver() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        std::fs::File::create(&path).unwrap();
        let writer = Connection::writer(&path, Duration::ZERO).unwrap();
        writer.raw().execute_batch("CREATE TABLE t (id TEXT) STRICT").unwrap();
        let reader = Connection::reader(&path, Duration::ZERO).unwrap();
        for text in ["INSERT INTO t VALUES ('a')", "PRAGMA query_only = OFF; DELETE FROM t"] {
            let error = Failure::from(reader.raw().execute_batch(text).unwrap_err());
            assert!(matches!(error.into_error(), SqlError::Unavailable(_)), "{text}");
        }
    }

    #[test]
    fn the_writer_is_durable_and_checks_references() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        std::fs::File::create(&path).unwrap();
        let writer = Connection::writer(&path, Duration::ZERO).unwrap();
        let setting = |name: &str| -> String {
            writer.raw().pragma_query_value(None, name, |row| row.get_ref(0).map(|value| format!("{value:?}"))).unwrap()
        };
        assert_eq!(setting("synchronous"), "Integer(2)");
        assert_eq!(setting("foreign_keys"), "Integer(1)");
    }

    #[test]
    fn the_names_of_a_statement_are_shared_and_bounded() {
        let connection = Connection::memory().unwrap();
        for number in 0..2 * CACHED_STATEMENTS {
            let statement = Statement { text: format!("SELECT {number} AS n{number}").into(), args: vec![] };
            for _ in 0..2 {
                let rows = connection.query(&statement).unwrap();
                assert_eq!(rows[0].names(), [format!("n{number}")]);
            }
        }
        assert!(connection.names.borrow().len() <= CACHED_STATEMENTS);
    }
}
