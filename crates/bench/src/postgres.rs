//! A Postgres server, and what the driver costs next to sqlx alone.

use std::time::{Duration, Instant};

use portway_adapters_postgres::{PostgresDatabase, PostgresOptions};
use portway_sql::driver::{Read, SqlDriver, Statement};
use portway_sql::record::Cells;
use sea_query::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row as _};

use crate::failure::Failure;
use crate::load::median;

/// Rows of the table that is read.
const ROWS: i64 = 1_000;

/// The table that is read.
const NAME: &str = "bench_rows";

const TABLE: &str = "
    CREATE TABLE bench_rows (
        id TEXT COLLATE \"C\" NOT NULL PRIMARY KEY, owner TEXT NOT NULL, title TEXT, number BIGINT NOT NULL,
        is_open BOOLEAN NOT NULL, metadata TEXT NOT NULL
    );
    INSERT INTO bench_rows SELECT 'row ' || n, 'owner ' || n % 10, 'Title of ' || n, n, n % 2 = 0, '{\"a\": [1, 2, 3]}'
    FROM generate_series(1, 1000) AS n;
    ANALYZE bench_rows;";

const ONE: &str = "SELECT id, owner, title, number, is_open, metadata FROM bench_rows WHERE id = $1";

const PAGE: &str =
    "SELECT id, owner, title, number, is_open, metadata FROM bench_rows WHERE id > $1 ORDER BY id LIMIT 50";

/// Calls after which the other one takes its turn: few, since a machine is faster and slower from second to second.
const TURN: usize = 50;

/// The first key of a page that has fifty rows.
const FIRST: &str = "row 5";

/// A server that may be filled.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: PgConnectOptions,
    /// Its address as it was given.
    text: String,
}

/// Time of a call, in microseconds.
pub(crate) struct Calls {
    pub(crate) sqlx: f64,
    pub(crate) driver: f64,
}

/// A row as a program would have it.
#[expect(dead_code, reason = "it is decoded and thrown away")]
struct Decoded {
    id: String,
    owner: String,
    title: Option<String>,
    number: i64,
    is_open: bool,
    metadata: String,
}

impl Server {
    pub(crate) fn new(url: &str) -> Result<Self, Failure> {
        Ok(Self { url: url.parse().map_err(postgres)?, text: url.to_owned() })
    }

    /// A new database of that name, in place of an old one; answers with its address.
    pub(crate) async fn fresh_database(&self, name: &str) -> Result<String, Failure> {
        let mut connection = self.url.connect().await.map_err(postgres)?;
        for text in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
            connection.execute(AssertSqlSafe(text)).await.map_err(postgres)?;
        }
        connection.close().await.map_err(postgres)?;
        let (server, _) = self.text.rsplit_once('/').unwrap_or((&self.text, ""));
        Ok(format!("{server}/{name}"))
    }

    /// What one row by its key costs, and a page of fifty rows, in `calls` of each.
    pub(crate) async fn calls(&self, calls: usize) -> Result<[Calls; 2], Failure> {
        let url = self.fresh_database("portway_bench_driver").await?;
        let options: PostgresOptions = url.parse().map_err(postgres)?;
        let database = PostgresDatabase::open(&options).await.map_err(postgres)?;
        let connect: PgConnectOptions = url.parse().map_err(postgres)?;
        let mut connection = connect.connect().await.map_err(postgres)?;
        connection.execute(TABLE).await.map_err(postgres)?;
        let one = compare(&database, &mut connection, ONE, 1, calls).await?;
        let page = compare(&database, &mut connection, PAGE, 50, calls / 4).await?;
        connection.close().await.map_err(postgres)?;
        database.close().await;
        Ok([one, page])
    }
}

async fn compare(
    database: &PostgresDatabase,
    connection: &mut PgConnection,
    text: &'static str,
    rows: usize,
    calls: usize,
) -> Result<Calls, Failure> {
    let (mut sqlx, mut driver) = (Vec::new(), Vec::new());
    for turn in 0..=calls / TURN {
        let begin = Instant::now();
        for number in 0..TURN {
            let found = by_sqlx(connection, text, &key(number, rows)).await?;
            check(found.len(), rows)?;
        }
        let alone = begin.elapsed();
        let begin = Instant::now();
        for number in 0..TURN {
            let found = by_driver(database, text, key(number, rows)).await?;
            check(found.len(), rows)?;
        }
        // The first turn fills caches.
        if turn > 0 {
            sqlx.push(each(alone));
            driver.push(each(begin.elapsed()));
        }
    }
    Ok(Calls { sqlx: median(sqlx), driver: median(driver) })
}

fn key(number: usize, rows: usize) -> String {
    let number = i64::try_from(number).unwrap_or_default();
    if rows == 1 { format!("row {}", 1 + number % ROWS) } else { FIRST.to_owned() }
}

/// Microseconds of a call, from those of a turn.
fn each(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / TURN as f64
}

fn check(found: usize, rows: usize) -> Result<(), Failure> {
    if found == rows {
        return Ok(());
    }
    Err(Failure::Server(format!("{found} rows were found, not {rows}")))
}

async fn by_sqlx(connection: &mut PgConnection, text: &'static str, key: &str) -> Result<Vec<Decoded>, Failure> {
    let rows = sqlx::query(text).bind(key).fetch_all(connection).await.map_err(postgres)?;
    let decode = |row: &sqlx::postgres::PgRow| -> Result<Decoded, sqlx::Error> {
        Ok(Decoded {
            id: row.try_get(0)?,
            owner: row.try_get(1)?,
            title: row.try_get(2)?,
            number: row.try_get(3)?,
            is_open: row.try_get(4)?,
            metadata: row.try_get(5)?,
        })
    };
    rows.iter().map(decode).collect::<Result<_, _>>().map_err(postgres)
}

async fn by_driver(database: &PostgresDatabase, text: &'static str, key: String) -> Result<Vec<Decoded>, Failure> {
    let statement = Statement { text: text.into(), args: vec![Value::from(key)] };
    let results = database.read(Read::bounded(vec![statement])).await.map_err(postgres)?;
    let decode = |row| -> Result<Decoded, portway_sql::driver::SqlError> {
        let mut cells = Cells::new(row);
        Ok(Decoded {
            id: cells.take(NAME, "id")?,
            owner: cells.take(NAME, "owner")?,
            title: cells.take(NAME, "title")?,
            number: cells.take(NAME, "number")?,
            is_open: cells.take(NAME, "is_open")?,
            metadata: cells.take(NAME, "metadata")?,
        })
    };
    results.into_iter().flatten().map(decode).collect::<Result<_, _>>().map_err(postgres)
}

fn postgres(error: impl std::fmt::Display) -> Failure {
    Failure::Postgres(error.to_string())
}
