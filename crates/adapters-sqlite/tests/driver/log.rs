//! The write-ahead log of a database that is written all the time.

use std::time::{Duration, Instant};

use sea_query::Value;

use crate::fixture::{file, statement};
use portway_sql::driver::{Read, SqlDriver, Step};

const PAGE: u64 = 4_096;

/// The log belongs to the writer as a whole from here on.
const FULL: u64 = 32_768 * (PAGE + 24);

/// About 120 pages.
const TEXT: usize = 480 * 1024;

fn write(number: i64) -> Step {
    let text = format!("{number:09}").repeat(TEXT / 9);
    let args: Vec<Value> = vec![(number % 100).into(), text.into()];
    Step::new(statement(
        "INSERT INTO cells (id, text) VALUES (?, ?) ON CONFLICT DO UPDATE SET text = excluded.text",
        args,
    ))
}

#[tokio::test]
async fn a_log_begins_anew_while_it_is_written() {
    let fixture = file().await;
    let log = fixture.path().with_extension("db-wal");
    let mut written = 0;
    for number in 0.. {
        fixture.must_commit(vec![write(number)]).await;
        written += TEXT as u64;
        if written > FULL + FULL / 4 {
            break;
        }
    }
    let length = std::fs::metadata(&log).unwrap().len();
    assert!(length <= FULL + 2 * TEXT as u64, "{length} bytes");
}

#[tokio::test]
async fn what_was_written_back_is_there_after_opening_again() {
    let fixture = file().await;
    for number in 0..200 {
        fixture.must_commit(vec![write(number)]).await;
    }
    let read =
        || Read::unbounded(vec![statement("SELECT id, substr(text, 1, 9) AS text FROM cells ORDER BY id", vec![])]);
    let rows = fixture.database.read(read()).await.unwrap();
    let texts: Vec<String> = rows[0].iter().map(|row| row.get("text").unwrap()).collect();
    assert_eq!(texts, (100..200).map(|number| format!("{number:09}")).collect::<Vec<_>>());
    fixture.database.close();
    let again =
        portway_adapters_sqlite::SqliteDatabase::open(&portway_adapters_sqlite::SqliteOptions::new(fixture.path()))
            .unwrap();
    assert_eq!(again.quick_check(10).await.unwrap(), Vec::<String>::new());
    assert_eq!(again.read(read()).await.unwrap(), rows);
}

#[tokio::test]
async fn a_log_that_is_not_full_is_written_back_without_the_writer() {
    let fixture = file().await;
    let before = std::fs::metadata(fixture.path()).unwrap().len();
    // More than 16,000 pages, from which on it is written back, and less than what is the writer's as a whole.
    for number in 0..150 {
        fixture.must_commit(vec![write(number)]).await;
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::fs::metadata(fixture.path()).unwrap().len() < before + 50 * TEXT as u64 {
        assert!(Instant::now() < deadline, "nothing was written back");
        tokio::task::yield_now().await;
    }
}
