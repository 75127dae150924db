//! All or nothing, and which step it was.

use futures_util::future::join_all;
use portway_conformance::{Failure, check, check_eq};
use portway_sql::driver::{SqlDriver, SqlError, Step, WriteOutcome};

use super::Outcome;
use super::fixture::{Fixture, bump, insert, statement, step};
use crate::backend::D1;

pub(crate) async fn rows_are_reported_step_by_step(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let returning = "INSERT INTO items (id, version) VALUES (?, ?) RETURNING id, version + 1 AS next";
    let steps = vec![
        insert("a"),
        Step::guarded(statement(returning, vec!["b".into(), 7.into()])),
        step("UPDATE items SET version = 2"),
        step("DELETE FROM items WHERE id = 'zz'"),
        Step::guarded(statement("SELECT id FROM items", vec![])),
    ];
    let outcome = f.0.write(steps).await.map_err(Failure::new)?;
    let WriteOutcome::Committed(outcomes) = outcome else {
        return Err(Failure::new(format!("{outcome:?}")));
    };
    check_eq!(outcomes.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0, 0, 2]);
    check_eq!(outcomes[1][0].get::<i64>("next"), Ok(8));
    check_eq!(f.0.write(vec![]).await, Ok(WriteOutcome::Committed(vec![])));
    Ok(())
}

pub(crate) async fn guards_leave_out_triggers_and_cascades(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    f.done(vec![
        step("CREATE TABLE notes (item TEXT REFERENCES items (id) ON DELETE CASCADE) STRICT"),
        step("CREATE TABLE log (item TEXT) STRICT"),
        step("CREATE TRIGGER noted AFTER UPDATE ON items BEGIN INSERT INTO log VALUES (NEW.id), (NEW.id); END"),
        insert("a"),
        step("INSERT INTO notes VALUES ('a'), ('a')"),
    ])
    .await?;
    let steps = vec![
        Step::guarded(statement("UPDATE items SET version = 2 WHERE id = 'a'", vec![])),
        step("DELETE FROM items WHERE id = 'a'"),
    ];
    f.done(steps).await?;
    check_eq!(f.rows("SELECT item FROM log", vec![]).await?.len(), 2);
    check_eq!(f.rows("SELECT item FROM notes", vec![]).await?.len(), 0);
    // What triggers do does not satisfy a guard either.
    let none = Step::guarded(statement("UPDATE items SET version = 2 WHERE id = 'none'", vec![]));
    let steps = vec![step("INSERT INTO log VALUES ('b')"), none];
    check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: 1 }));
    Ok(())
}

pub(crate) async fn a_guard_that_matches_nothing_undoes_everything(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    f.done(vec![insert("a")]).await?;
    let steps = vec![insert("b"), bump("a", 1), bump("a", 1), insert("c")];
    check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: 2 }));
    check_eq!(f.ids().await?, ["a"]);
    f.done(vec![bump("a", 1)]).await
}

pub(crate) async fn a_guard_works_on_returning_and_on_a_query(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for (text, args) in [
        ("UPDATE items SET version = 2 WHERE id = 'none' RETURNING id", vec![]),
        ("INSERT INTO items (id) SELECT 'x' WHERE 1 = 0 RETURNING id", vec![]),
        ("SELECT id FROM items WHERE id = ? AND version = ?;", vec!["none".into(), 1.into()]),
        ("WITH none AS (SELECT 1 WHERE 1 = 0) SELECT * FROM none", vec![]),
    ] {
        let steps = vec![insert("a"), Step::guarded(statement(text, args))];
        check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: 1 }), "{text}");
    }
    check!(f.ids().await?.is_empty());
    Ok(())
}

pub(crate) async fn full_text_tables_do_not_hide_that_nothing_matched(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    f.done(vec![
        step("CREATE VIRTUAL TABLE found USING fts5 (text, content='cells', content_rowid='id')"),
        step(
            "CREATE TRIGGER cell_found AFTER INSERT ON cells BEGIN
                INSERT INTO found (rowid, text) VALUES (NEW.id, NEW.text);
            END",
        ),
    ])
    .await?;
    // What such a table holds back is written in the middle of a later statement.
    let written = step("INSERT INTO cells (text) VALUES ('some words')");
    for guarded in [bump("none", 1), Step::guarded(statement("SELECT id FROM items", vec![]))] {
        let steps = vec![written.clone(), guarded, insert("a")];
        check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: 1 }));
    }
    f.done(vec![insert("a")]).await?;
    let steps = vec![written.clone(), bump("a", 1), written, insert("a")];
    check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: 3 }));
    check_eq!(f.rows("SELECT id FROM cells", vec![]).await?.len(), 0);
    Ok(())
}

/// Every place that a refused step can have among others.
async fn is_found_everywhere(f: &Fixture, text: &'static str) -> Outcome {
    for count in 1..=5 {
        for refused in 0..count {
            let mut steps: Vec<Step> = (0..count).map(|number| insert(&format!("new-{number}"))).collect();
            steps[refused] = step(text);
            check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: refused }), "{text} of {count}");
        }
    }
    // The first one counts, also among those that fail in another way.
    let steps = vec![insert("x"), step(text), bump("none", 1), step(text)];
    check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: 1 }), "{text}");
    let steps = vec![insert("x"), bump("none", 1), step(text)];
    check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: 1 }), "{text}");
    Ok(())
}

pub(crate) async fn the_step_of_a_taken_key_is_named(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    f.done(vec![step("INSERT INTO items (id, slug) VALUES ('a', 's')")]).await?;
    for text in [
        "INSERT INTO items (id) VALUES ('a')",
        "INSERT INTO items (id, slug) VALUES ('b', 's') RETURNING id",
        "INSERT INTO cells (id) VALUES (1), (1)",
    ] {
        is_found_everywhere(&f, text).await?;
    }
    check_eq!(f.ids().await?, ["a"]);
    Ok(())
}

pub(crate) async fn the_step_of_a_missing_parent_is_named(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    f.done(vec![insert("a"), step("INSERT INTO items (id, parent) VALUES ('child', 'a')")]).await?;
    for text in ["INSERT INTO items (id, parent) VALUES ('b', 'none')", "DELETE FROM items WHERE id = 'a'"] {
        is_found_everywhere(&f, text).await?;
    }
    check_eq!(f.ids().await?, ["a", "child"]);
    Ok(())
}

pub(crate) async fn a_reference_that_may_wait_is_a_conflict_at_the_end(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let schema = "CREATE TABLE late (item TEXT REFERENCES items (id) DEFERRABLE INITIALLY DEFERRED) STRICT";
    f.done(vec![step(schema), insert("a")]).await?;
    let steps = vec![step("INSERT INTO late (item) VALUES ('none')"), insert("b"), insert("c")];
    check_eq!(f.0.write(steps).await, Ok(WriteOutcome::Conflict { step: 2 }));
    check_eq!(f.ids().await?, ["a"]);
    f.done(vec![step("INSERT INTO late (item) VALUES ('b')"), insert("b")]).await
}

pub(crate) async fn a_bad_value_is_rejected_and_bad_sql_is_named(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for text in [
        "INSERT INTO items (id, score) VALUES ('b', -1)",
        "INSERT INTO items (id, version) VALUES ('b', NULL)",
        "INSERT INTO items (id, score) VALUES ('b', 'many')",
        "INSERT INTO cells (id) VALUES ('x')",
    ] {
        let error = f.error(vec![insert("x"), step(text)]).await?;
        check!(matches!(error, SqlError::Rejected(_)), "{text}: {error}");
    }
    for (text, args) in [
        ("INSERT INTO absent (id) VALUES ('b')", vec![]),
        ("INSERT INTO items (id) VALUES (?)", vec![]),
        ("DELETE FROM items", vec![1.into()]),
        ("-- nothing", vec![]),
        ("DELETE FROM cells; DELETE FROM cells", vec![]),
    ] {
        let error = f.error(vec![insert("x"), Step::new(statement(text, args))]).await?;
        check!(matches!(error, SqlError::Statement(_)), "{text}: {error}");
    }
    check!(f.ids().await?.is_empty());
    Ok(())
}

pub(crate) async fn transactions_are_refused(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for text in ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a"] {
        let error = f.error(vec![insert("x"), step(text)]).await?;
        check!(matches!(error, SqlError::Statement(_)), "{text}: {error}");
    }
    check!(f.ids().await?.is_empty());
    Ok(())
}

pub(crate) async fn each_of_many_writers_is_answered(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    // Every third write takes the key of the one before.
    let keys: Vec<String> = (0..60).map(|number| format!("{:03}", number - usize::from(number % 3 == 2))).collect();
    let outcomes = join_all(keys.iter().map(|key| f.0.write(vec![insert(&format!("x{key}")), insert(key)]))).await;
    let mut committed = Vec::new();
    for (key, outcome) in keys.iter().zip(outcomes) {
        match outcome.map_err(Failure::new)? {
            WriteOutcome::Committed(_) => committed.extend([format!("x{key}"), key.clone()]),
            WriteOutcome::Conflict { step } => check_eq!(step, 0),
        }
    }
    committed.sort();
    check_eq!(committed.len(), 80);
    check_eq!(f.ids().await?, committed);
    Ok(())
}
