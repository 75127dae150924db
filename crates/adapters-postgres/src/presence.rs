//! Who else works on the database.
//!
//! Each program that works on it holds a lock that the server gives back when its connection ends, however that comes
//! about. While a program finds out what an earlier one left behind, it holds the lock alone; others wait for it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portway_sql::driver::SqlError;
use portway_sql::row::Row;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::cells;
use crate::error::Failure;
use crate::options::PostgresOptions;
use crate::session::trusted;

/// Each schema has a lock of its own.
const KEY: &str = "1886351989, hashtext(current_schema())";

/// How many other connections have a lock of that key, in whichever way.
const OTHERS: &str = "SELECT count(DISTINCT pid) AS answer FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = 1886351989 AND objid::bigint = hashtext(current_schema())::bigint & 4294967295 AND objsubid = 2
    AND pid <> pg_backend_pid()";

/// How long the lock of somebody who is not there any more is waited for: the server notices at once, but not before.
const AFTERGLOW: Duration = Duration::from_secs(2);

/// How long somebody who starts or stops is waited for.
const TURN: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// How long the server may take to say whether it is free.
const ANSWER: Duration = Duration::from_secs(5);

/// How often the lock is looked after.
const CARE: Duration = Duration::from_secs(1);

/// The lock, while this lives.
pub(crate) struct Presence {
    connection: Arc<Mutex<Option<PgConnection>>>,
    care: JoinHandle<()>,
    was_alone: bool,
    company: Arc<AtomicBool>,
}

impl Presence {
    /// Takes the lock, and answers whether nobody else has it. Then nobody else gets it before [`Presence::share`].
    pub(crate) async fn enter(options: &PostgresOptions) -> Result<(Self, bool), SqlError> {
        let connect = options.present();
        let mut connection = connect.connect().await.map_err(unavailable)?;
        let was_alone = enter(&mut connection).await?;
        let connection = Arc::new(Mutex::new(Some(connection)));
        let company = Arc::new(AtomicBool::new(!was_alone));
        let care = tokio::spawn(look_after(connect, connection.clone(), company.clone()));
        Ok((Self { connection, care, was_alone, company }, was_alone))
    }

    /// Lets others have the lock as well.
    pub(crate) async fn share(&self) -> Result<(), SqlError> {
        if !self.was_alone {
            return Ok(());
        }
        match &mut *self.connection.lock().await {
            Some(connection) => {
                ask(connection, "pg_try_advisory_lock_shared").await?;
                ask(connection, "pg_advisory_unlock").await?;
                Ok(())
            }
            None => Err(lost()),
        }
    }

    /// Whether nobody else has the lock. Then nobody else gets it any more while this lives.
    pub(crate) async fn is_alone(&self) -> bool {
        match &mut *self.connection.lock().await {
            Some(connection) => ask(connection, "pg_try_advisory_lock").await.unwrap_or(false),
            None => false,
        }
    }

    /// How many others have the lock.
    pub(crate) async fn others(&self) -> Result<usize, SqlError> {
        match &mut *self.connection.lock().await {
            Some(connection) => others(connection).await,
            None => Err(lost()),
        }
    }

    /// Whether somebody else had the lock when it was last looked after, or that is not known.
    pub(crate) fn has_company(&self) -> bool {
        self.company.load(Ordering::Relaxed)
    }

    /// Gives the lock back.
    pub(crate) async fn leave(&self) {
        self.care.abort();
        if let Some(connection) = self.connection.lock().await.take() {
            // Without an answer the server finds out by itself.
            let _ = timeout(CARE, connection.close()).await;
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.care.abort();
    }
}

async fn enter(connection: &mut PgConnection) -> Result<bool, SqlError> {
    let begin = Instant::now();
    while begin.elapsed() < TURN {
        if ask(connection, "pg_try_advisory_lock").await? {
            return Ok(true);
        }
        if begin.elapsed() >= AFTERGLOW && ask(connection, "pg_try_advisory_lock_shared").await? {
            return Ok(false);
        }
        sleep(LOOK).await;
    }
    Err(SqlError::Unavailable(
        "another program is starting or stopping on the database and does not come to an end".into(),
    ))
}

/// Keeps the connection alive, takes the lock anew when it was lost, and looks who else has it.
async fn look_after(connect: PgConnectOptions, connection: Arc<Mutex<Option<PgConnection>>>, company: Arc<AtomicBool>) {
    loop {
        sleep(CARE).await;
        let mut place = connection.lock().await;
        let found = match &mut *place {
            Some(connection) => timeout(2 * CARE, others(connection)).await.ok().and_then(Result::ok),
            None => None,
        };
        company.store(found != Some(0), Ordering::Relaxed);
        if found.is_some() {
            continue;
        }
        *place = None;
        if let Ok(Ok(mut fresh)) = timeout(2 * CARE, connect.connect()).await
            && ask(&mut fresh, "pg_try_advisory_lock_shared").await.is_ok_and(|taken| taken)
        {
            *place = Some(fresh);
        }
    }
}

/// Calls a function of the server that answers yes or no about the lock.
async fn ask(connection: &mut PgConnection, function: &'static str) -> Result<bool, SqlError> {
    let row = answer(connection, format!("SELECT {function}({KEY}) AS answer")).await?;
    row.get("answer")
}

async fn others(connection: &mut PgConnection) -> Result<usize, SqlError> {
    let count: i64 = answer(connection, OTHERS).await?.get("answer")?;
    Ok(usize::try_from(count).unwrap_or_default())
}

async fn answer(connection: &mut PgConnection, question: impl Into<Cow<'static, str>>) -> Result<Row, SqlError> {
    let found = sqlx::query(trusted(question)).fetch_all(connection);
    let found = timeout(ANSWER, found).await.map_err(|_| Failure::silent().into_error())?;
    let rows = cells::rows(&found.map_err(unavailable)?)?;
    rows.into_iter().next().ok_or_else(|| SqlError::Statement("the server answers without a row".into()))
}

fn lost() -> SqlError {
    SqlError::Unavailable("the lock on the database was lost".into())
}

fn unavailable(error: sqlx::Error) -> SqlError {
    Failure::from(error).into_error()
}
