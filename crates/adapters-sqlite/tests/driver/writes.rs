//! All or nothing, lost races, and many writers at once.

use std::sync::Arc;

use portway_sql::driver::{SqlDriver, SqlError, Step, WriteOutcome};

use crate::fixture::{bump, each, file, insert, statement};

#[tokio::test]
async fn a_write_reports_rows_step_by_step() {
    for fixture in each().await {
        let outcome = fixture
            .database
            .write(vec![
                insert("a"),
                Step::guarded(statement(
                    "INSERT INTO items (id, version) VALUES (?, ?) RETURNING id, version + 1 AS next",
                    vec!["b".into(), 7.into()],
                )),
                Step::new(statement("UPDATE items SET version = 2", vec![])),
                Step::new(statement("DELETE FROM items WHERE id = 'zz'", vec![])),
                Step::guarded(statement("SELECT id FROM items", vec![])),
            ])
            .await
            .unwrap();
        let WriteOutcome::Committed(outcomes) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(outcomes.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0, 0, 2], "{}", fixture.kind);
        assert_eq!(outcomes[1][0].get::<i64>("next").unwrap(), 8);
    }
}

#[tokio::test]
async fn a_guard_that_matches_nothing_undoes_everything() {
    for fixture in each().await {
        fixture.must_commit(vec![insert("a")]).await;
        let steps = vec![insert("b"), bump("a", 1), bump("a", 1), insert("c")];
        let outcome = fixture.database.write(steps).await.unwrap();
        assert_eq!(outcome, WriteOutcome::Conflict { step: 2 });
        assert_eq!(fixture.ids().await, ["a"]);
        fixture.must_commit(vec![bump("a", 1)]).await;
    }
}

#[tokio::test]
async fn a_guard_works_on_returning_and_on_a_query() {
    for fixture in each().await {
        for text in [
            "UPDATE items SET version = 2 WHERE id = 'none' RETURNING id",
            "INSERT INTO items (id) SELECT 'x' WHERE 1 = 0 RETURNING id",
            "SELECT id FROM items WHERE id = 'none'",
        ] {
            let steps = vec![insert("a"), Step::guarded(statement(text, vec![]))];
            let outcome = fixture.database.write(steps).await.unwrap();
            assert_eq!(outcome, WriteOutcome::Conflict { step: 1 }, "{text}");
        }
        assert!(fixture.ids().await.is_empty());
    }
}

#[tokio::test]
async fn a_taken_key_or_missing_parent_is_a_conflict() {
    for fixture in each().await {
        fixture.must_commit(vec![Step::new(statement("INSERT INTO items (id, slug) VALUES ('a', 's')", vec![]))]).await;
        fixture
            .must_commit(vec![Step::new(statement("INSERT INTO items (id, parent) VALUES ('child', 'a')", vec![]))])
            .await;
        for text in [
            "INSERT INTO items (id) VALUES ('a')",
            "INSERT INTO items (id, slug) VALUES ('b', 's')",
            "INSERT INTO items (id, parent) VALUES ('b', 'none')",
            "DELETE FROM items WHERE id = 'a'",
            "INSERT INTO items (id, slug) VALUES ('b', 's') RETURNING id",
        ] {
            let steps = vec![insert("x"), Step::new(statement(text, vec![]))];
            let outcome = fixture.database.write(steps).await.unwrap();
            assert_eq!(outcome, WriteOutcome::Conflict { step: 1 }, "{text}");
        }
        let rowid = "INSERT INTO cells (id) VALUES (1), (1)";
        let outcome = fixture.database.write(vec![Step::new(statement(rowid, vec![]))]).await;
        assert_eq!(outcome, Ok(WriteOutcome::Conflict { step: 0 }));
        assert_eq!(fixture.ids().await, ["a", "child"]);
    }
}

#[tokio::test]
async fn a_bad_value_is_rejected_and_bad_sql_is_named() {
    for fixture in each().await {
        for text in [
            "INSERT INTO items (id, score) VALUES ('b', -1)",
            "INSERT INTO items (id, version) VALUES ('b', NULL)",
            "INSERT INTO items (id, score) VALUES ('b', 'many')",
        ] {
            let steps = vec![insert("x"), Step::new(statement(text, vec![]))];
            let error = fixture.database.write(steps).await.unwrap_err();
            assert!(matches!(error, SqlError::Rejected(_)), "{text}: {error}");
        }
        for (text, args) in [
            ("INSERT INTO nothing (id) VALUES ('b')", vec![]),
            ("INSERT INTO items (id) VALUES (?)", vec![]),
            ("DELETE FROM items", vec![1.into()]),
        ] {
            let steps = vec![insert("x"), Step::new(statement(text, args))];
            let error = fixture.database.write(steps).await.unwrap_err();
            assert!(matches!(error, SqlError::Statement(_)), "{text}: {error}");
        }
        assert!(fixture.ids().await.is_empty());
        fixture.must_commit(vec![insert("x")]).await;
    }
}

#[tokio::test]
async fn nothing_to_do_is_committed() {
    for fixture in each().await {
        let outcome = fixture.database.write(vec![]).await;
        assert_eq!(outcome, Ok(WriteOutcome::Committed(vec![])));
    }
}

#[tokio::test]
async fn a_full_database_is_unavailable_and_recovers() {
    for fixture in each().await {
        let pages = fixture.rows("PRAGMA page_count", vec![]).await[0].get::<i64>("page_count").unwrap();
        let limit = |pages: i64| {
            let text = format!("PRAGMA max_page_count = {pages}");
            vec![Step::new(statement(&text, vec![]))]
        };
        fixture.must_commit(limit(pages + 2)).await;
        let big = Step::new(statement("INSERT INTO cells (blob) VALUES (zeroblob(100000))", vec![]));
        let error = fixture.database.write(vec![insert("a"), big.clone()]).await.unwrap_err();
        assert!(matches!(error, SqlError::Unavailable(_)), "{error}");
        assert!(fixture.ids().await.is_empty());
        fixture.must_commit(limit(100_000)).await;
        fixture.must_commit(vec![insert("a"), big]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_of_one_version_exactly_one_wins() {
    for fixture in each().await {
        fixture.must_commit(vec![insert("a")]).await;
        let fixture = Arc::new(fixture);
        for version in 1..=5 {
            let tasks: Vec<_> = (0..32)
                .map(|number| {
                    let fixture = fixture.clone();
                    tokio::spawn(async move {
                        let log = format!("log-{version}-{number}");
                        let steps = vec![insert(&log), bump("a", version)];
                        fixture.database.write(steps).await.unwrap()
                    })
                })
                .collect();
            let mut winners = 0;
            for task in tasks {
                match task.await.unwrap() {
                    WriteOutcome::Committed(_) => winners += 1,
                    WriteOutcome::Conflict { step } => assert_eq!(step, 1),
                }
            }
            assert_eq!(winners, 1, "{}", fixture.kind);
        }
        // Only the winners left a log entry.
        assert_eq!(fixture.ids().await.len(), 6);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_answered_as_committed_is_there_and_nothing_else() {
    let fixture = Arc::new(file().await);
    let tasks: Vec<_> = (0..300)
        .map(|number| {
            let fixture = fixture.clone();
            tokio::spawn(async move {
                // Every third write takes the key of the one before.
                let key = number - usize::from(number % 3 == 2);
                let steps = vec![insert(&format!("{key:03}"))];
                (key, fixture.database.write(steps).await.unwrap())
            })
        })
        .collect();
    let mut committed = Vec::new();
    for task in tasks {
        let (key, outcome) = task.await.unwrap();
        if matches!(outcome, WriteOutcome::Committed(_)) {
            committed.push(format!("{key:03}"));
        }
    }
    committed.sort();
    assert_eq!(committed.len(), 200);
    assert_eq!(fixture.ids().await, committed);
}

#[tokio::test]
async fn an_abandoned_write_leaves_the_queue_usable() {
    let fixture = file().await;
    {
        let mut abandoned = Box::pin(fixture.database.write(vec![insert("a")]));
        let poll =
            std::future::poll_fn(|context| std::task::Poll::Ready(abandoned.as_mut().poll(context).is_pending()));
        poll.await;
    }
    fixture.must_commit(vec![insert("b")]).await;
    assert_eq!(fixture.ids().await, ["a", "b"]);
}
