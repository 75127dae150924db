//! The database as one value: opening, running statements, closing.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use portway_sql::migrations::{self, MigrateError, Migration};
use portway_sql::row::Row;
use portway_sql::snapshot::{Snapshot, Snapshots};

use crate::checkpoints::{Checkpoints, Log};
use crate::connection::Connection;
use crate::error::{OpenError, closed};
use crate::group_commit::settle;
use crate::migrate::migrate;
use crate::options::SqliteOptions;
use crate::readers::Readers;
use crate::writer::Writer;

/// A SQLite database: a file, or memory.
///
/// Dropping it is the same as [`SqliteDatabase::close`].
pub struct SqliteDatabase {
    engine: Engine,
    newest: Mutex<Option<Migration>>,
}

enum Engine {
    File {
        writer: Writer,
        readers: Readers,
        checkpoints: Checkpoints,
    },
    /// A file that belongs to somebody else.
    ReadOnly(Readers),
    /// One connection for everybody: it is the database. `None` when closed.
    Memory(Mutex<Option<Connection>>),
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.engine {
            Engine::File { .. } => "file",
            Engine::ReadOnly(_) => "read-only file",
            Engine::Memory(_) => "memory",
        };
        f.debug_tuple("SqliteDatabase").field(&kind).finish()
    }
}

impl SqliteDatabase {
    /// Opens a file, and creates it when it does not exist. Blocks for a few milliseconds.
    ///
    /// The schema is not touched: call [`SqliteDatabase::migrate`] next.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be used.
    pub fn open(options: &SqliteOptions) -> Result<Self, OpenError> {
        create(&options.path).map_err(|source| OpenError::File { path: options.path.clone(), source })?;
        // The writer comes first: it makes the log that readers need.
        let log = Arc::new(Log::default());
        let connection = Connection::writer(&options.path, options.busy_timeout)?.attended_by(log.clone())?;
        let readers = Readers::start(options)?;
        let checkpoints = Checkpoints::start(log, &options.path, options.busy_timeout)?;
        let writer = Writer::start(connection, options.queue_length)?;
        Ok(Self::new(Engine::File { writer, readers, checkpoints }))
    }

    /// Opens a file that exists to look at it, also while another process writes it. Whatever would change it is
    /// [`SqlError::Unavailable`].
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be read.
    pub fn open_read_only(options: &SqliteOptions) -> Result<Self, OpenError> {
        Ok(Self::new(Engine::ReadOnly(Readers::start(options)?)))
    }

    /// A database of its own in memory, for tests and throw-away use. Same answers as a file, on one connection.
    ///
    /// # Errors
    /// [`OpenError`] when there is no memory left.
    pub fn in_memory() -> Result<Self, OpenError> {
        let connection = Connection::memory()?;
        Ok(Self::new(Engine::Memory(Mutex::new(Some(connection)))))
    }

    fn new(engine: Engine) -> Self {
        Self { engine, newest: Mutex::new(None) }
    }

    /// Runs the migrations that the database does not have yet, all of them in one transaction, and answers how many
    /// those were. A second process that does the same waits for this one.
    ///
    /// # Errors
    /// [`MigrateError`]; the schema is as it was before.
    pub async fn migrate(&self, all: &[Migration]) -> Result<usize, MigrateError> {
        let count = match &self.engine {
            Engine::File { writer, .. } => writer.migrate(all.to_vec()).await?,
            Engine::ReadOnly(_) => return Err(read_only().into()),
            Engine::Memory(connection) => migrate(lock(connection).as_ref().ok_or_else(closed)?, all)?,
        };
        *lock(&self.newest) = all.last().copied();
        Ok(count)
    }

    /// Proves that the database can be written and has the schema that [`SqliteDatabase::migrate`] left. Costs one
    /// write, which shares its commit with whatever else is waiting.
    ///
    /// # Errors
    /// [`SqlError`] when the write fails; [`SqlError::Unavailable`] also when the schema is not the current one.
    pub async fn probe(&self) -> Result<(), SqlError> {
        let newest = *lock(&self.newest);
        migrations::probe(self, newest).await
    }

    /// Looks for damage in the file, and answers with at most `limit` findings in SQLite's words; none is good. Reads
    /// the whole file.
    ///
    /// # Errors
    /// [`SqlError`] when it cannot be read at all.
    pub async fn quick_check(&self, limit: u32) -> Result<Vec<String>, SqlError> {
        let check = Statement { text: format!("PRAGMA quick_check({limit})").into(), args: Vec::new() };
        let rows = self.read(Read::unbounded(vec![check])).await?.into_iter().flatten();
        let findings: Vec<String> = rows.map(|row| row.get("quick_check")).collect::<Result<_, _>>()?;
        Ok(if findings == ["ok"] { Vec::new() } else { findings })
    }

    /// Rows that refer to rows which are not there: at most `limit` of them, as the tables of both; none is good. Reads
    /// the whole file.
    ///
    /// # Errors
    /// [`SqlError`] when it cannot be read.
    pub async fn broken_references(&self, limit: u32) -> Result<Vec<(String, String)>, SqlError> {
        let text = format!("SELECT \"table\", \"parent\" FROM pragma_foreign_key_check LIMIT {limit}");
        let check = Statement { text: text.into(), args: Vec::new() };
        let rows = self.read(Read::unbounded(vec![check])).await?.concat();
        rows.iter().map(|row| Ok((row.get("table")?, row.get("parent")?))).collect()
    }

    /// Which of the migrations the database lacks, without running any.
    ///
    /// # Errors
    /// [`MigrateError`] when it could not be migrated, for example because a newer program did that.
    pub async fn pending_migrations(&self, all: &[Migration]) -> Result<usize, MigrateError> {
        migrations::pending(self, all).await
    }

    /// Finishes the reads and writes that were accepted, writes the log back into the file and ends the threads.
    /// Blocks until that is done. Whatever is asked later is [`SqlError::Unavailable`]. Closing twice is harmless.
    pub fn close(&self) {
        match &self.engine {
            Engine::File { writer, readers, checkpoints } => {
                // Open readers would keep the log from being written back.
                readers.close();
                checkpoints.close();
                writer.close();
            }
            Engine::ReadOnly(readers) => readers.close(),
            Engine::Memory(connection) => drop(lock(connection).take()),
        }
    }
}

impl Drop for SqliteDatabase {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl SqlDriver for SqliteDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        match &self.engine {
            Engine::File { readers, .. } | Engine::ReadOnly(readers) => readers.read(read).await,
            Engine::Memory(connection) => lock(connection).as_ref().ok_or_else(closed)?.read(&read),
        }
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        match &self.engine {
            Engine::File { writer, .. } => writer.write(steps).await,
            Engine::ReadOnly(_) => Err(read_only()),
            Engine::Memory(connection) => {
                let connection = lock(connection);
                let connection = connection.as_ref().ok_or_else(closed)?;
                settle(connection, vec![steps], &mut Vec::new)
                    .pop()
                    .unwrap_or_else(|| Err(SqlError::Unavailable("the write was not run".into())))
            }
        }
    }
}

#[async_trait]
impl Snapshots for SqliteDatabase {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SqlError> {
        match &self.engine {
            Engine::File { readers, .. } | Engine::ReadOnly(readers) => Ok(Box::new(readers.snapshot()?)),
            Engine::Memory(_) => Err(SqlError::Unavailable("a database in memory has one connection only".into())),
        }
    }
}

fn read_only() -> SqlError {
    SqlError::Unavailable("the database was opened for reading only".into())
}

/// A panic cannot leave anything half done behind these locks: transactions are undone where they are run.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes an empty file that only its owner can read; SQLite gives its log the same mode.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
