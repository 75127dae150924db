//! All or nothing, lost races, and many writers at once.

use std::sync::Arc;

use portway_sql::driver::{SqlDriver, SqlError, Step, WriteOutcome};

use crate::fixture::{Fixture, bump, insert, statement, step};

pub(crate) async fn a_write_reports_rows_step_by_step() {
    let fixture = Fixture::new().await;
    let returning = "INSERT INTO items (id, version) VALUES ($1, $2) RETURNING id, version + 1 AS next";
    let steps = vec![
        insert("a"),
        Step::guarded(statement(returning, vec!["b".into(), 7.into()])),
        step("UPDATE items SET version = 2"),
        step("DELETE FROM items WHERE id = 'zz'"),
        Step::guarded(statement("SELECT id FROM items", vec![])),
    ];
    let WriteOutcome::Committed(outcomes) = fixture.database.write(steps).await.unwrap() else { panic!("a conflict") };
    assert_eq!(outcomes.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0, 0, 2]);
    assert_eq!(outcomes[1][0].get::<i64>("next").unwrap(), 8);
    // One step by itself takes another way.
    let alone = Step::guarded(statement(returning, vec!["c".into(), 1.into()]));
    let WriteOutcome::Committed(outcomes) = fixture.database.write(vec![alone]).await.unwrap() else {
        panic!("a conflict")
    };
    assert_eq!(outcomes[0][0].get::<i64>("next").unwrap(), 2);
    fixture.remove().await;
}

pub(crate) async fn a_guard_that_matches_nothing_undoes_everything() {
    let fixture = Fixture::new().await;
    fixture.must_commit(vec![insert("a")]).await;
    let steps = vec![insert("b"), bump("a", 1), bump("a", 1), insert("c")];
    assert_eq!(fixture.database.write(steps).await.unwrap(), WriteOutcome::Conflict { step: 2 });
    assert_eq!(fixture.ids().await, ["a"]);
    fixture.must_commit(vec![bump("a", 1)]).await;
    assert_eq!(fixture.database.write(vec![bump("a", 1)]).await.unwrap(), WriteOutcome::Conflict { step: 0 });
    fixture.remove().await;
}

pub(crate) async fn a_guard_works_on_returning_and_on_a_query() {
    let fixture = Fixture::new().await;
    for text in [
        "UPDATE items SET version = 2 WHERE id = 'none' RETURNING id",
        "INSERT INTO items (id) SELECT 'x' WHERE 1 = 0 RETURNING id",
        "SELECT id FROM items WHERE id = 'none'",
    ] {
        let steps = vec![insert("a"), Step::guarded(statement(text, vec![]))];
        assert_eq!(fixture.database.write(steps).await.unwrap(), WriteOutcome::Conflict { step: 1 }, "{text}");
    }
    assert!(fixture.ids().await.is_empty());
    fixture.remove().await;
}

pub(crate) async fn a_taken_key_or_missing_parent_is_a_conflict() {
    let fixture = Fixture::new().await;
    fixture.must_commit(vec![step("INSERT INTO items (id, slug) VALUES ('a', 's')")]).await;
    fixture.must_commit(vec![step("INSERT INTO items (id, parent) VALUES ('child', 'a')")]).await;
    for text in [
        "INSERT INTO items (id) VALUES ('a')",
        "INSERT INTO items (id, slug) VALUES ('b', 's')",
        "INSERT INTO items (id, parent) VALUES ('b', 'none')",
        "DELETE FROM items WHERE id = 'a'",
        "INSERT INTO items (id, slug) VALUES ('b', 's') RETURNING id",
    ] {
        let outcome = fixture.database.write(vec![insert("x"), step(text)]).await.unwrap();
        assert_eq!(outcome, WriteOutcome::Conflict { step: 1 }, "{text}");
        let outcome = fixture.database.write(vec![step(text)]).await.unwrap();
        assert_eq!(outcome, WriteOutcome::Conflict { step: 0 }, "{text}");
    }
    assert_eq!(fixture.ids().await, ["a", "child"]);
    fixture.remove().await;
}

pub(crate) async fn a_reference_that_is_checked_at_the_commit_is_a_conflict() {
    let fixture = Fixture::new().await;
    let late = "CREATE TABLE late (item TEXT COLLATE \"C\" REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED)";
    fixture.must_commit(vec![step(late)]).await;
    let dangling = || step("INSERT INTO late (item) VALUES ('none')");
    let outcome = fixture.database.write(vec![insert("a"), dangling()]).await.unwrap();
    assert_eq!(outcome, WriteOutcome::Conflict { step: 1 });
    assert_eq!(fixture.database.write(vec![dangling()]).await.unwrap(), WriteOutcome::Conflict { step: 0 });
    assert!(fixture.ids().await.is_empty());
    fixture.remove().await;
}

pub(crate) async fn a_bad_value_is_rejected_and_bad_sql_is_named() {
    let fixture = Fixture::new().await;
    for text in [
        "INSERT INTO items (id, score) VALUES ('b', -1)",
        "INSERT INTO items (id, version) VALUES ('b', NULL)",
        "INSERT INTO items (id, score) VALUES ('b', 'many')",
        "INSERT INTO items (id, score) VALUES ('b', 9223372036854775807 + 1)",
    ] {
        for steps in [vec![step(text)], vec![insert("x"), step(text)]] {
            let error = fixture.database.write(steps).await.unwrap_err();
            assert!(matches!(error, SqlError::Rejected(_)), "{text}: {error}");
        }
    }
    for (text, args) in [
        ("INSERT INTO nothing (id) VALUES ('b')", vec![]),
        ("INSERT INTO items (id) VALUES ($1)", vec![]),
        ("INSERT INTO items (none) VALUES (1)", vec![]),
        ("nonsense", vec![]),
    ] {
        let steps = vec![insert("x"), Step::new(statement(text, args))];
        let error = fixture.database.write(steps).await.unwrap_err();
        assert!(matches!(error, SqlError::Statement(_)), "{text}: {error}");
    }
    assert!(fixture.ids().await.is_empty());
    fixture.must_commit(vec![insert("x")]).await;
    fixture.remove().await;
}

pub(crate) async fn nothing_to_do_is_committed() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.database.write(vec![]).await, Ok(WriteOutcome::Committed(vec![])));
    fixture.remove().await;
}

pub(crate) async fn of_many_writers_of_one_version_exactly_one_wins() {
    let fixture = Arc::new(Fixture::new().await);
    fixture.must_commit(vec![insert("a")]).await;
    for version in 1..=3 {
        let attempt = |number: usize| {
            let fixture = fixture.clone();
            tokio::spawn(async move {
                let log = format!("log-{version}-{number}");
                fixture.database.write(vec![insert(&log), bump("a", version)]).await.unwrap()
            })
        };
        let mut winners = 0;
        for task in (0..32).map(attempt).collect::<Vec<_>>() {
            match task.await.unwrap() {
                WriteOutcome::Committed(_) => winners += 1,
                WriteOutcome::Conflict { step } => assert_eq!(step, 1),
            }
        }
        assert_eq!(winners, 1);
    }
    // Only the winners left a log entry.
    assert_eq!(fixture.ids().await.len(), 4);
    fixture.remove().await;
}

pub(crate) async fn what_is_answered_as_committed_is_there_and_nothing_else() {
    let fixture = Arc::new(Fixture::new().await);
    let attempt = |number: usize| {
        let fixture = fixture.clone();
        tokio::spawn(async move {
            // Every third write takes the key of the one before.
            let key = number - usize::from(number % 3 == 2);
            (key, fixture.database.write(vec![insert(&format!("{key:03}"))]).await.unwrap())
        })
    };
    let mut committed = Vec::new();
    for task in (0..300).map(attempt).collect::<Vec<_>>() {
        let (key, outcome) = task.await.unwrap();
        if matches!(outcome, WriteOutcome::Committed(_)) {
            committed.push(format!("{key:03}"));
        }
    }
    committed.sort();
    assert_eq!(committed.len(), 200);
    assert_eq!(fixture.ids().await, committed);
    fixture.remove().await;
}

pub(crate) async fn errors_show_no_values() {
    let fixture = Fixture::new().await;
    fixture.must_commit(vec![insert("hunter2")]).await;
    for text in [
        "INSERT INTO items (id, score) VALUES ('hunter2', -1)",
        "INSERT INTO items (id, version) VALUES ('hunter2', NULL)",
    ] {
        let error = fixture.database.write(vec![step(text)]).await.unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
    fixture.remove().await;
}
