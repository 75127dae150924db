//! Snapshots, and what a read may not do.

use portway_conformance::{Failure, check, check_eq};
use portway_sql::driver::{Read, SqlDriver, SqlError};
use portway_sql::row::Cell;

use super::Outcome;
use super::fixture::{Fixture, insert, statement};
use crate::backend::D1;

pub(crate) async fn results_come_in_the_order_of_the_statements(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    f.done(vec![insert("a"), insert("b")]).await?;
    let statements = vec![
        statement("SELECT id FROM items ORDER BY id DESC", vec![]),
        statement("SELECT id FROM items WHERE id = ?", vec!["none".into()]),
        statement("WITH n AS (SELECT count(*) AS n FROM items) SELECT n FROM n", vec![]),
    ];
    let results = f.0.read(Read::unbounded(statements)).await.map_err(Failure::new)?;
    check_eq!(results.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 1]);
    check_eq!(results[0][0].get::<String>("id"), Ok("b".into()));
    check_eq!(results[2][0].get::<i64>("n"), Ok(2));
    check_eq!(f.0.read(Read::bounded(vec![])).await, Ok(vec![]));
    Ok(())
}

pub(crate) async fn columns_keep_their_order_and_names(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let rows =
        f.rows("SELECT 1 AS z, 'x' AS a, NULL AS \"with space\", 2 AS constructor, 3 AS __proto__", vec![]).await?;
    check_eq!(rows[0].names(), ["z", "a", "with space", "constructor", "__proto__"]);
    check_eq!(rows[0].cells(), [Cell::Int(1), Cell::Text("x".into()), Cell::Null, Cell::Int(2), Cell::Int(3)]);
    let moved = Read::bounded(vec![statement("SELECT 1 AS z, 2 AS \"0\"", vec![])]);
    let refused = f.0.read(moved).await;
    check!(matches!(refused, Err(SqlError::Statement(_))), "{refused:?}");
    Ok(())
}

pub(crate) async fn a_read_cannot_write(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for text in [
        "INSERT INTO items (id) VALUES ('x')",
        "INSERT INTO items (id) VALUES ('x') RETURNING id",
        "WITH x (id) AS (VALUES ('x')) INSERT INTO items (id) SELECT id FROM x",
        "SELECT 1 AS one; DELETE FROM items",
        "CREATE TABLE more (id TEXT)",
    ] {
        for others in [0, 1] {
            let mut statements = vec![statement("SELECT 1 AS one", vec![]); others];
            statements.push(statement(text, vec![]));
            let refused = f.0.read(Read::bounded(statements)).await;
            check!(matches!(refused, Err(SqlError::Statement(_))), "{text}: {refused:?}");
        }
    }
    check!(f.ids().await?.is_empty());
    Ok(())
}

pub(crate) async fn a_failed_read_says_what_is_wrong(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    for (text, words) in [
        ("SELECT absent FROM items", "absent"),
        ("SELECT id FROM absent", "no such table: absent"),
        ("SELECT id FROM items WHERE id = ?", "parameter"),
        ("SELECT", "incomplete input"),
    ] {
        let statements = vec![statement("SELECT 1 AS one", vec![]), statement(text, vec![])];
        let failed = f.0.read(Read::bounded(statements)).await;
        check!(matches!(&failed, Err(SqlError::Statement(detail)) if detail.contains(words)), "{text}: {failed:?}");
    }
    f.done(vec![insert("a")]).await?;
    check_eq!(f.ids().await?, ["a"]);
    Ok(())
}
