//! Durable inserts and point reads per second, next to plain SQLite that commits each insert alone.
//!
//! `cargo run --release -p portway-adapters-sqlite --example throughput [folder]`; the folder should be on the disk that
//! is to be measured.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_sql::driver::{Read, SqlDriver, Statement, Step};
use portway_sql::migrations::Migration;

const SCHEMA: &[Migration] = &[Migration {
    id: 1,
    name: "0001_entries",
    sql: "CREATE TABLE entries (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;",
}];
const CLIENTS: i64 = 32;
const WRITES: i64 = 200;
const READS: i64 = 20_000;
const BODY: &str = "a body of some eighty characters, about what a short row of the product carries";

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(parent)?;
    let alone = one_commit_each(&folder.path().join("plain.db"))?;
    report("plain, one commit each", WRITES, alone);
    let database = SqliteDatabase::open(&SqliteOptions::new(folder.path().join("data.db")))?;
    database.migrate(SCHEMA).await?;
    let database = Arc::new(database);
    let started = Instant::now();
    let clients: Vec<_> = (0..CLIENTS).map(|client| tokio::spawn(write(database.clone(), client))).collect();
    for client in clients {
        client.await??;
    }
    report("driver, 32 clients", CLIENTS * WRITES, started.elapsed());
    let started = Instant::now();
    for number in 0..READS {
        let statement = Statement {
            text: "SELECT id, body FROM entries WHERE id = ?".into(),
            args: vec![(number % (CLIENTS * WRITES)).into()],
        };
        database.read(Read::bounded(vec![statement])).await?;
    }
    report("driver, point reads of one client", READS, started.elapsed());
    Ok(())
}

async fn write(database: Arc<SqliteDatabase>, client: i64) -> Result<(), Failure> {
    for number in 0..WRITES {
        let statement = Statement {
            text: "INSERT INTO entries (id, body) VALUES (?, ?)".into(),
            args: vec![(client * WRITES + number).into(), BODY.into()],
        };
        database.write(vec![Step::guarded(statement)]).await?;
    }
    Ok(())
}

fn one_commit_each(path: &Path) -> Result<Duration, Failure> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(SCHEMA[0].sql)?;
    let started = Instant::now();
    let mut insert = connection.prepare("INSERT INTO entries (id, body) VALUES (?, ?)")?;
    for number in 0..WRITES {
        insert.execute((number, BODY))?;
    }
    Ok(started.elapsed())
}

fn report(what: &str, count: i64, time: Duration) {
    let per_second = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64();
    println!("{what}: {per_second:.0} per second");
}
