//! Snapshots, round trips, and what a read may not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portway_adapters_postgres::PostgresDatabase;
use portway_sql::driver::{Read, SqlDriver, SqlError, Statement};
use portway_sql::row::Cell;

use crate::fixture::{Fixture, insert, statement, step};
use crate::proxy::Proxy;

fn count() -> Statement {
    statement("SELECT count(*) AS n FROM items", vec![])
}

async fn counts(fixture: &Fixture) -> Vec<i64> {
    let results = fixture.database.read(Read::bounded(vec![count(); 4])).await.unwrap();
    results.iter().map(|rows| rows[0].get("n").unwrap()).collect()
}

pub(crate) async fn results_come_in_the_order_of_the_statements() {
    let fixture = Fixture::new().await;
    fixture.must_commit(vec![insert("a"), insert("b")]).await;
    let statements = vec![
        statement("SELECT id FROM items WHERE id > $1 ORDER BY id DESC LIMIT $2", vec!["".into(), 5.into()]),
        statement("SELECT id FROM items WHERE id = $1", vec!["none".into()]),
        statement("SELECT count(*) AS n, '$1' AS \"$2\" FROM items WHERE id < $1", vec!["b".into()]),
    ];
    let results = fixture.database.read(Read::unbounded(statements)).await.unwrap();
    let ids: Vec<String> = results[0].iter().map(|row| row.get("id").unwrap()).collect();
    assert_eq!(ids, ["b", "a"]);
    assert!(results[1].is_empty());
    assert_eq!(results[2][0].get::<i64>("n").unwrap(), 1);
    assert_eq!(results[2][0].get::<String>("$2").unwrap(), "$1");
    assert_eq!(fixture.database.read(Read::bounded(vec![])).await, Ok(vec![]));
    fixture.remove().await;
}

pub(crate) async fn all_statements_of_a_read_see_one_snapshot() {
    let fixture = Arc::new(Fixture::new().await);
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
    while seen < 50 {
        let counts = counts(&fixture).await;
        assert!(counts.iter().all(|n| *n == counts[0]), "{counts:?}");
        seen = counts[0];
    }
    done.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    fixture.remove().await;
}

pub(crate) async fn a_read_sees_every_write_that_was_answered() {
    let fixture = Fixture::new().await;
    for number in 0..20 {
        fixture.must_commit(vec![insert(&number.to_string())]).await;
        assert_eq!(counts(&fixture).await[0], number + 1);
        assert_eq!(fixture.ids().await.len(), usize::try_from(number).unwrap() + 1);
    }
    fixture.remove().await;
}

pub(crate) async fn a_read_cannot_change_anything() {
    let fixture = Fixture::new().await;
    fixture.must_commit(vec![insert("kept"), step("CREATE SEQUENCE numbers")]).await;
    for text in [
        "INSERT INTO items (id) VALUES ('x')",
        "INSERT INTO items (id) VALUES ('x') RETURNING id",
        "UPDATE items SET version = 9",
        "DELETE FROM items",
        "DELETE FROM items RETURNING id",
        "WITH gone AS (DELETE FROM items RETURNING id) SELECT id FROM gone",
        "SELECT id INTO more FROM items",
        "SELECT id FROM items FOR UPDATE",
        "SELECT nextval('numbers') AS number",
        "CREATE TABLE more (id TEXT)",
        "SET statement_timeout = 1",
        "BEGIN",
    ] {
        for others in [0, 1] {
            let mut statements = vec![statement("SELECT 1 AS one", vec![]); others];
            statements.push(statement(text, vec![]));
            let error = fixture.database.read(Read::bounded(statements)).await.unwrap_err();
            assert!(matches!(error, SqlError::Statement(_)), "{text}: {error}");
        }
    }
    assert_eq!(fixture.ids().await, ["kept"]);
    fixture.remove().await;
}

pub(crate) async fn a_failed_read_leaves_the_connection_in_order() {
    let fixture = Fixture::with(|options| options.connections(1)).await;
    for statements in [vec!["SELECT nothing FROM items"], vec!["SELECT 1 AS one", "SELECT nothing FROM items"]] {
        let statements = statements.into_iter().map(|text| statement(text, vec![])).collect();
        let error = fixture.database.read(Read::bounded(statements)).await.unwrap_err();
        assert!(matches!(error, SqlError::Statement(_)), "{error}");
        // The same text, so the same place in what is remembered.
        let statements = vec![statement("SELECT 1 / (count(*) - 1) AS n FROM items", vec![]); 2];
        let error = fixture.database.read(Read::bounded(statements)).await;
        assert_eq!(error.is_err(), !fixture.ids().await.is_empty(), "{error:?}");
    }
    fixture.must_commit(vec![insert("a")]).await;
    assert_eq!(counts(&fixture).await, [1; 4]);
    fixture.remove().await;
}

pub(crate) async fn several_statements_are_one_round_trip() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::start(&fixture.scratch).await;
    let options = fixture.scratch.options_through(proxy.port).connections(1);
    let database = PostgresDatabase::open(&options).await.unwrap();
    let read =
        || Read::bounded(vec![count(), statement("SELECT id FROM items WHERE id = $1", vec!["a".into()]), count()]);
    database.read(read()).await.unwrap();
    let before = proxy.seen();
    for _ in 0..5 {
        assert_eq!(database.read(read()).await.unwrap().len(), 3);
    }
    let sent = |kind: char| proxy.seen().get(&kind).unwrap_or(&0) - before.get(&kind).unwrap_or(&0);
    assert_eq!(sent('E'), 5, "one is run for each read");
    assert_eq!((sent('P'), sent('Q')), (0, 0), "none is prepared again, and there is no transaction around it");
    database.close().await;
    fixture.remove().await;
}

pub(crate) async fn rows_keep_their_order_and_columns_their_names() {
    let fixture = Fixture::new().await;
    let many: Vec<_> = (0..500).map(|number| insert(&format!("{:03}", (number * 7) % 500))).collect();
    fixture.must_commit(many).await;
    let list =
        statement("SELECT id, version AS id, id AS r, NULL AS nothing FROM items ORDER BY items.id DESC", vec![]);
    let results = fixture.database.read(Read::bounded(vec![list.clone(), list.clone()])).await.unwrap();
    let alone = fixture.database.read(Read::bounded(vec![list])).await.unwrap();
    for rows in [&results[0], &results[1], &alone[0]] {
        assert_eq!(rows.len(), 500);
        assert_eq!(rows[0].names(), ["id", "id", "r", "nothing"]);
        for (number, row) in (0..500).rev().zip(rows) {
            let id = Cell::Text(format!("{number:03}"));
            assert_eq!(row.cells(), [id.clone(), Cell::Int(1), id, Cell::Null]);
        }
    }
    fixture.remove().await;
}

pub(crate) async fn statements_are_prepared_once_and_their_number_is_bounded() {
    let fixture = Fixture::with(|options| options.connections(1)).await;
    let prepared = || fixture.rows("SELECT count(*) AS n FROM pg_prepared_statements", vec![]);
    for _ in 0..3 {
        counts(&fixture).await;
        fixture.ids().await;
    }
    // The count, the fold of four counts, the list, and this question.
    assert_eq!(prepared().await[0].get::<i64>("n").unwrap(), 4);
    for number in 0..600 {
        fixture.rows(&format!("SELECT {number} AS n"), vec![]).await;
    }
    let kept = prepared().await[0].get::<i64>("n").unwrap();
    assert!((500..=513).contains(&kept), "{kept}");
    fixture.remove().await;
}
