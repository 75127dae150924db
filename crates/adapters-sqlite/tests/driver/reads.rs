//! Snapshots, threads, and what a read may not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portway_sql::driver::{Cost, Read, SqlDriver, SqlError, Step};

use crate::fixture::{Fixture, each, file, file_with, insert, statement};

const BOTH: [Cost; 2] = [Cost::Bounded, Cost::Unbounded];

async fn counts(fixture: &Fixture, cost: Cost) -> Vec<i64> {
    let count = || statement("SELECT count(*) AS n FROM items", vec![]);
    let statements = vec![count(), count(), count(), count()];
    let results = fixture.database.read(Read { statements, cost }).await.unwrap();
    results.iter().map(|rows| rows[0].get("n").unwrap()).collect()
}

#[tokio::test]
async fn results_come_in_the_order_of_the_statements() {
    for fixture in each().await {
        fixture.must_commit(vec![insert("a"), insert("b")]).await;
        for cost in BOTH {
            let statements = vec![
                statement("SELECT id FROM items ORDER BY id DESC", vec![]),
                statement("SELECT id FROM items WHERE id = ?", vec!["none".into()]),
                statement("SELECT count(*) AS n FROM items", vec![]),
            ];
            let results = fixture.database.read(Read { statements, cost }).await.unwrap();
            assert_eq!(results[0][0].get::<String>("id").unwrap(), "b");
            assert!(results[1].is_empty());
            assert_eq!(results[2][0].get::<i64>("n").unwrap(), 2);
        }
        assert_eq!(fixture.database.read(Read::bounded(vec![])).await, Ok(vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn all_statements_of_a_read_see_one_snapshot() {
    for fixture in each().await {
        let fixture = Arc::new(fixture);
        let done = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (fixture, done) = (fixture.clone(), done.clone());
            async move {
                let mut number = 0;
                while !done.load(Ordering::Relaxed) {
                    fixture.must_commit(vec![insert(&format!("{number:09}"))]).await;
                    number += 1;
                }
            }
        });
        let mut seen = 0;
        while seen < 20 {
            for cost in BOTH {
                let counts = counts(&fixture, cost).await;
                assert!(counts.iter().all(|n| *n == counts[0]), "{counts:?}");
                seen = counts[0];
            }
            tokio::task::yield_now().await;
        }
        done.store(true, Ordering::Relaxed);
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_read_sees_every_write_that_was_answered() {
    for fixture in each().await {
        for number in 0..20 {
            fixture.must_commit(vec![insert(&number.to_string())]).await;
            for cost in BOTH {
                assert_eq!(counts(&fixture, cost).await[0], number + 1);
            }
        }
    }
}

#[tokio::test]
async fn a_read_cannot_write() {
    for fixture in each().await {
        for cost in BOTH {
            for text in [
                "INSERT INTO items (id) VALUES ('x')",
                "INSERT INTO items (id) VALUES ('x') RETURNING id",
                "DELETE FROM items",
                "CREATE TABLE more (id TEXT)",
            ] {
                for others in [0, 1] {
                    let mut statements = vec![statement("SELECT 1 AS one", vec![]); others];
                    statements.push(statement(text, vec![]));
                    let error = fixture.database.read(Read { statements, cost }).await.unwrap_err();
                    assert!(matches!(error, SqlError::Statement(_)), "{error}");
                }
            }
        }
        assert!(fixture.ids().await.is_empty());
    }
}

#[tokio::test]
async fn a_failed_read_leaves_no_snapshot_open() {
    for fixture in each().await {
        for cost in BOTH {
            let statements = vec![
                statement("SELECT count(*) AS n FROM items", vec![]),
                statement("SELECT nothing FROM items", vec![]),
            ];
            let error = fixture.database.read(Read { statements, cost }).await;
            assert!(matches!(error, Err(SqlError::Statement(_))));
        }
        fixture.must_commit(vec![insert("a")]).await;
        for cost in BOTH {
            assert_eq!(counts(&fixture, cost).await[0], 1);
        }
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_is_corrupt() {
    for fixture in each().await {
        fixture
            .must_commit(vec![Step::new(statement("INSERT INTO items (id) VALUES (CAST(x'ff' AS TEXT))", vec![]))])
            .await;
        let read = Read::bounded(vec![statement("SELECT id FROM items", vec![])]);
        let error = fixture.database.read(read).await.unwrap_err();
        assert!(matches!(&error, SqlError::Corrupt { column, .. } if column == "id"), "{error}");
    }
}

#[tokio::test]
async fn threads_without_a_connection_of_their_own_are_served_too() {
    let fixture = file_with(|options| options.thread_connections(0).reader_threads(1)).await;
    fixture.must_commit(vec![insert("a")]).await;
    assert_eq!(fixture.ids().await, ["a"]);
}

#[tokio::test]
async fn one_thread_may_read_many_databases() {
    let mut fixtures = Vec::new();
    for number in 0..12 {
        let fixture = file().await;
        fixture.must_commit(vec![insert(&number.to_string())]).await;
        fixtures.push(fixture);
    }
    for _ in 0..2 {
        for (number, fixture) in fixtures.iter().enumerate() {
            assert_eq!(fixture.ids().await, [number.to_string()]);
        }
    }
}
