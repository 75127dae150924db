//! The database as one value: opening, running statements, closing.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Statement, Step, WriteOutcome};
use portway_sql::migrations::{self, MigrateError, Migration};
use portway_sql::row::Row;
use portway_sql::snapshot::{Snapshot, Snapshots};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cells;
use crate::error::{OLDEST, OpenError};
use crate::migrate::{is_ledger_there, look_for_ledger, migrate};
use crate::options::PostgresOptions;
use crate::presence::Presence;
use crate::reads::Reads;
use crate::session::trusted;
use crate::snapshot::OpenRead;
use crate::writes::Writes;

/// What a server is asked before it is used.
const CHECK: &str =
    "SELECT current_setting('server_encoding') AS encoding, current_setting('server_version') AS version,
    pg_is_in_recovery() AS is_standby, current_schema() IS NULL AS lacks_schema";

/// Settings by which a server forgets what it acknowledged.
const CARELESS: &str = "SELECT name FROM pg_settings WHERE setting = 'off'
    AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name";

/// Where the tables are, and what they and their indexes take.
const ROOM: &str = "SELECT current_schema() AS name, COALESCE(sum(pg_total_relation_size(oid)), 0)::bigint AS bytes
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'";

/// A server that is starting is asked again after this time.
const STARTING: Duration = Duration::from_millis(200);

/// A Postgres database, or one schema of it.
///
/// Methods need a tokio runtime with time and I/O.
pub struct PostgresDatabase {
    reads: Reads,
    writes: Writes,
    newest: Mutex<Option<Migration>>,
    presence: OnceCell<Presence>,
    options: PostgresOptions,
}

impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresDatabase").field(&self.options).finish()
    }
}

impl PostgresDatabase {
    /// Connects once to find out whether the database can be used. Further connections come about when they are needed.
    ///
    /// The schema is not touched: call [`PostgresDatabase::migrate`] next.
    ///
    /// # Errors
    /// [`OpenError`] when the database cannot be used.
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        let deadline = Instant::now() + options.connect_timeout;
        let silent = || OpenError::Unreachable {
            server: options.server(),
            detail: format!("no answer within {:.0?}", options.connect_timeout),
        };
        timeout_at(deadline, check(options)).await.unwrap_or_else(|_| Err(silent()))?;
        Ok(Self {
            reads: Reads::new(options),
            writes: Writes::new(options),
            newest: Mutex::new(None),
            presence: OnceCell::new(),
            options: options.clone(),
        })
    }

    /// Runs the migrations that the database does not have yet, all of them in one transaction, and answers how many
    /// those were. A second process that does the same waits for this one.
    ///
    /// # Errors
    /// [`MigrateError`]; the schema is as it was before.
    pub async fn migrate(&self, all: &[Migration]) -> Result<usize, MigrateError> {
        let mut session = self.writes.pool.session().await?;
        let migrated = migrate(&mut session, all).await;
        session.rest();
        let count = migrated?;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = all.last().copied();
        Ok(count)
    }

    /// Tells other programs that this one works on the database from now on until it is closed, and answers whether
    /// nobody else does: then what is found half done was left behind. Others that come wait until
    /// [`PostgresDatabase::share`] is called. Waits for others that start or stop. To be called once.
    ///
    /// # Errors
    /// [`SqlError::Unavailable`] when the server does not answer, or somebody else does not come to an end.
    pub async fn enter(&self) -> Result<bool, SqlError> {
        let (presence, is_alone) = Presence::enter(&self.options).await?;
        self.presence.set(presence).map_err(|_| SqlError::Statement("a database is entered once".into()))?;
        Ok(is_alone)
    }

    /// Lets others in after [`PostgresDatabase::enter`].
    ///
    /// # Errors
    /// [`SqlError::Unavailable`] when the server does not answer.
    pub async fn share(&self) -> Result<(), SqlError> {
        match self.presence.get() {
            Some(presence) => presence.share().await,
            None => Ok(()),
        }
    }

    /// Whether nobody else works on the database, so far as is known. If so, nobody else begins to before this is closed.
    pub async fn is_alone(&self) -> bool {
        match self.presence.get() {
            Some(presence) => presence.is_alone().await,
            None => false,
        }
    }

    /// Whether others work on the database, as seen within the last second. Also yes where that is not known.
    pub fn has_company(&self) -> bool {
        self.presence.get().is_none_or(Presence::has_company)
    }

    /// How many others work on the database; none as long as this program does not say that it does.
    pub(crate) async fn others(&self) -> Result<usize, SqlError> {
        match self.presence.get() {
            Some(presence) => presence.others().await,
            None => Ok(0),
        }
    }

    /// Which database this is.
    pub(crate) fn options(&self) -> &PostgresOptions {
        &self.options
    }

    /// Proves that the database can be written and has the schema that [`PostgresDatabase::migrate`] left. Costs one
    /// write.
    ///
    /// # Errors
    /// [`SqlError`] when the write fails; [`SqlError::Unavailable`] also when the schema is not the current one.
    pub async fn probe(&self) -> Result<(), SqlError> {
        let newest = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        migrations::probe(self, newest).await
    }

    /// Which of the migrations the database lacks, without running any.
    ///
    /// # Errors
    /// [`MigrateError`] when it could not be migrated, for example because a newer program did that.
    pub async fn pending_migrations(&self, all: &[Migration]) -> Result<usize, MigrateError> {
        let found = self.read(Read::bounded(vec![look_for_ledger()])).await?.concat();
        if is_ledger_there(&found)? {
            return migrations::pending(self, all).await;
        }
        Ok(migrations::plan(&[], all)?.len())
    }

    /// The schema that the tables are in, and how many bytes they and their indexes take there.
    ///
    /// # Errors
    /// [`SqlError`] when the server does not answer.
    pub async fn room(&self) -> Result<(String, u64), SqlError> {
        let room = Statement { text: ROOM.into(), args: Vec::new() };
        let found = self.read(Read::unbounded(vec![room])).await?.concat();
        let row = found.first().ok_or_else(|| SqlError::Statement("the server sent no answer".into()))?;
        Ok((row.get("name")?, row.get("bytes")?))
    }

    /// Settings of the server that are off and should not be: with each of them a crash loses what was acknowledged as
    /// durable. None is good.
    ///
    /// # Errors
    /// [`SqlError`] when the server does not answer.
    pub async fn careless_settings(&self) -> Result<Vec<String>, SqlError> {
        let settings = Statement { text: CARELESS.into(), args: Vec::new() };
        let found = self.read(Read::bounded(vec![settings])).await?;
        found.iter().flatten().map(|row| row.get("name")).collect()
    }

    /// Finishes the reads and writes that were accepted and closes all connections. Whatever is asked later is
    /// [`SqlError::Unavailable`]. Closing twice is harmless.
    pub async fn close(&self) {
        self.reads.pool.close().await;
        self.writes.pool.close().await;
        if let Some(presence) = self.presence.get() {
            presence.leave().await;
        }
    }
}

#[async_trait]
impl SqlDriver for PostgresDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        self.reads.read(read).await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        self.writes.write(steps).await
    }
}

#[async_trait]
impl Snapshots for PostgresDatabase {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SqlError> {
        Ok(Box::new(OpenRead::begin(self.reads.pool.session().await?).await?))
    }
}

async fn check(options: &PostgresOptions) -> Result<(), OpenError> {
    let mut connection = connect(options).await?;
    check_version(options, connection.server_version_num())?;
    let found = sqlx::query(trusted(CHECK)).fetch_all(&mut connection).await.map_err(|error| options.explain(error))?;
    let rows = cells::rows(&found).map_err(|error| other(options, &error))?;
    if let Some(row) = rows.first() {
        check_settings(options, row).map_err(|error| other(options, &error))??;
    }
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the first connection did not end in order");
    }
    Ok(())
}

/// Waits for a server that is just starting.
async fn connect(options: &PostgresOptions) -> Result<PgConnection, OpenError> {
    if let Some(address) = options.address()
        && let Err(error) = tokio::net::lookup_host(address).await
    {
        return Err(OpenError::UnknownHost { server: options.server(), detail: error.to_string() });
    }
    loop {
        match options.writing().connect().await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57P03") => sleep(STARTING).await,
            result => return result.map_err(|error| options.explain(error)),
        }
    }
}

/// `number` as the protocol of libpq has it: 150018 is version 15.18.
fn check_version(options: &PostgresOptions, number: Option<u32>) -> Result<(), OpenError> {
    match number {
        Some(number) if number < OLDEST * 10_000 => {
            let version = format!("{}.{}", number / 10_000, number % 10_000);
            Err(OpenError::TooOld { server: options.server(), version })
        }
        _ => Ok(()),
    }
}

fn check_settings(options: &PostgresOptions, row: &Row) -> Result<Result<(), OpenError>, SqlError> {
    let (user, database) = (options.user().to_owned(), options.database().to_owned());
    let encoding: String = row.get("encoding")?;
    Ok(if encoding != "UTF8" {
        Err(OpenError::Encoding { database, encoding })
    } else if row.get("is_standby")? {
        Err(OpenError::Standby { server: options.server() })
    } else if row.get("lacks_schema")? {
        Err(OpenError::NoSchema { user, database })
    } else {
        Ok(())
    })
}

fn other(options: &PostgresOptions, error: &SqlError) -> OpenError {
    OpenError::Other { server: options.server(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_are_refused() {
        let options: PostgresOptions = "postgres://h/x".parse().unwrap();
        for number in [None, Some(130_000), Some(180_004)] {
            assert_eq!(check_version(&options, number), Ok(()));
        }
        let error = check_version(&options, Some(120_022)).unwrap_err().to_string();
        assert!(error.contains("12.22") && error.contains("13 or newer") && error.contains("h:5432"), "{error}");
    }
}
