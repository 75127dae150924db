//! Using, probing and closing.

use std::sync::Arc;
use std::time::Duration;

use portway_adapters_postgres::PostgresDatabase;
use portway_sql::driver::{Read, SqlDriver, SqlError, WriteOutcome};

use crate::fixture::{Fixture, SCHEMA, insert, statement};
use crate::scratch::execute;
use crate::server::Guard;

pub(crate) async fn a_closed_database_answers_that_it_is_closed() {
    let fixture = Fixture::new().await;
    assert!(fixture.ids().await.is_empty());
    fixture.database.close().await;
    fixture.database.close().await;
    let one = || vec![statement("SELECT 1 AS one", vec![])];
    for error in [
        fixture.database.write(vec![insert("a")]).await.unwrap_err(),
        fixture.database.write(vec![insert("a"), insert("b")]).await.unwrap_err(),
        fixture.database.read(Read::bounded(one())).await.unwrap_err(),
        fixture.database.probe().await.unwrap_err(),
    ] {
        assert!(matches!(&error, SqlError::Unavailable(text) if text.contains("closed")), "{error}");
    }
    assert!(fixture.database.migrate(SCHEMA).await.is_err());
    fixture.scratch.remove().await;
}

pub(crate) async fn closing_finishes_the_writes_that_wait() {
    let fixture = Arc::new(Fixture::new().await);
    let attempt = |number: usize| {
        let fixture = fixture.clone();
        tokio::spawn(async move { fixture.database.write(vec![insert(&format!("{number:03}"))]).await })
    };
    let tasks: Vec<_> = (0..200).map(attempt).collect();
    fixture.database.close().await;
    let mut committed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(WriteOutcome::Committed(_)) => committed += 1,
            Err(SqlError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    let again = PostgresDatabase::open(&fixture.scratch.options()).await.unwrap();
    let read = Read::bounded(vec![statement("SELECT id FROM items", vec![])]);
    assert_eq!(again.read(read).await.unwrap()[0].len(), committed);
    again.close().await;
    fixture.scratch.remove().await;
}

pub(crate) async fn a_closed_database_leaves_no_connection() {
    let fixture = Fixture::new().await;
    fixture.must_commit(vec![insert("a")]).await;
    assert_eq!(fixture.ids().await, ["a"]);
    let mut guard = Guard::hold(&fixture.scratch).await;
    // One that reads and one that writes.
    guard.until(2, "true").await;
    fixture.database.close().await;
    guard.until(0, "true").await;
    fixture.remove().await;
}

pub(crate) async fn a_probe_wants_the_schema_that_was_migrated() {
    let fixture = Fixture::new().await;
    fixture.database.probe().await.unwrap();
    let fresh = PostgresDatabase::open(&fixture.scratch.options()).await.unwrap();
    assert!(fresh.probe().await.is_err());
    fresh.close().await;
    fixture.remove().await;
}

pub(crate) async fn a_probe_notices_a_newer_binary_and_a_lock() {
    let fixture = Fixture::with(|options| options.lock_timeout(Duration::from_millis(50))).await;
    let mut other = fixture.scratch.other().await;
    execute(&mut other, "BEGIN; LOCK TABLE schema_migrations").await;
    let error = fixture.database.probe().await.unwrap_err();
    assert!(error.to_string().contains("lock"), "{error}");
    execute(
        &mut other,
        "INSERT INTO schema_migrations (id, name, checksum, applied_at) VALUES (3, 'new', '', now()); COMMIT",
    )
    .await;
    let error = fixture.database.probe().await.unwrap_err();
    assert!(error.to_string().contains("another binary"), "{error}");
    fixture.remove().await;
}

pub(crate) async fn connections_have_a_name_and_limits() {
    let fixture = Fixture::with(|options| options.statement_timeout(Duration::from_secs(7))).await;
    let setting = async |name: &str| -> String {
        let text = format!("SELECT current_setting('{name}') AS setting");
        fixture.rows(&text, vec![]).await[0].get("setting").unwrap()
    };
    assert_eq!(setting("application_name").await, fixture.scratch.name);
    assert_eq!(setting("statement_timeout").await, "7s");
    assert_eq!(setting("lock_timeout").await, "10s");
    assert_eq!(setting("idle_in_transaction_session_timeout").await, "7s");
    assert_eq!(setting("transaction_read_only").await, "on");
    assert_eq!(setting("TimeZone").await, "UTC");
    fixture.remove().await;
}

pub(crate) async fn settings_that_forget_are_told() {
    let fixture = Fixture::new().await;
    let found = fixture.database.careless_settings().await.unwrap();
    let off = "SELECT count(*) AS n FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting <> 'on'";
    assert_eq!(found.len(), usize::try_from(fixture.rows(off, vec![]).await[0].get::<i64>("n").unwrap()).unwrap());
    fixture.remove().await;
    let forgetful = fixture.scratch.options_with("options=-c%20synchronous_commit%3Doff");
    let forgetful = PostgresDatabase::open(&forgetful.schema("public")).await.unwrap();
    assert!(forgetful.careless_settings().await.unwrap().contains(&"synchronous_commit".to_owned()));
    forgetful.close().await;
}
