//! Migrations run once, together, or not at all.

use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_sql::driver::{Read, SqlDriver};
use portway_sql::migrations::{MigrateError, Migration, MigrationError, SQLITE};

use crate::fixture::{SCHEMA, statement};

async fn tables(database: &SqliteDatabase) -> Vec<String> {
    let text = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let read = Read::bounded(vec![statement(text, vec![])]);
    database.read(read).await.unwrap()[0].iter().map(|row| row.get("name").unwrap()).collect()
}

fn third(sql: &'static str) -> Vec<Migration> {
    let mut all = SCHEMA.to_vec();
    all.push(Migration { id: 3, name: "0003_third", sql });
    all
}

#[tokio::test]
async fn what_is_pending_runs_once_and_is_entered_in_the_ledger() {
    let database = SqliteDatabase::in_memory().unwrap();
    assert_eq!(database.migrate(&SCHEMA[..1]).await.unwrap(), 1);
    assert_eq!(database.migrate(SCHEMA).await.unwrap(), 1);
    assert_eq!(database.migrate(SCHEMA).await.unwrap(), 0);
    assert_eq!(tables(&database).await, ["cells", "items", "schema_migrations"]);
    let text = "SELECT name, applied_at FROM schema_migrations
        WHERE applied_at BETWEEN (unixepoch() - 60) * 1000000 AND (unixepoch() + 60) * 1000000";
    let read = Read::bounded(vec![statement(text, vec![])]);
    assert_eq!(database.read(read).await.unwrap()[0].len(), 2);
}

#[tokio::test]
async fn the_schema_of_the_product_applies() {
    let database = SqliteDatabase::in_memory().unwrap();
    assert_eq!(database.migrate(SQLITE).await.unwrap(), SQLITE.len());
}

#[tokio::test]
async fn an_edited_file_a_newer_database_and_a_hole_are_refused() {
    let database = SqliteDatabase::in_memory().unwrap();
    database.migrate(SCHEMA).await.unwrap();
    let mut edited = SCHEMA.to_vec();
    edited[1].sql = "CREATE TABLE other (id TEXT)";
    assert!(matches!(database.migrate(&edited).await, Err(MigrateError::Refused(MigrationError::Edited { .. }))));
    assert!(matches!(database.migrate(&SCHEMA[..1]).await, Err(MigrateError::Refused(MigrationError::Newer { .. }))));
    assert!(matches!(
        database.migrate(&SCHEMA[1..]).await,
        Err(MigrateError::Refused(MigrationError::Misnumbered { .. }))
    ));
    database.probe().await.unwrap();
}

#[tokio::test]
async fn a_file_that_fails_undoes_the_ones_before_it() {
    let database = SqliteDatabase::in_memory().unwrap();
    let all = third("CREATE TABLE fine (id TEXT); CREATE TABLE items (id TEXT);");
    let error = database.migrate(&all).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Failed { name, .. } if name == "0003_third"), "{error}");
    assert!(tables(&database).await.is_empty());
    assert_eq!(database.migrate(SCHEMA).await.unwrap(), 2);
}

#[tokio::test]
async fn a_file_may_not_commit_by_itself() {
    let database = SqliteDatabase::in_memory().unwrap();
    let error = database.migrate(&third("COMMIT")).await.unwrap_err();
    assert!(error.to_string().contains("transaction"), "{error}");
}

#[tokio::test]
async fn dangling_references_are_refused_and_a_rebuilt_parent_is_not() {
    let database = SqliteDatabase::in_memory().unwrap();
    let rebuilt = third(
        "INSERT INTO items (id) VALUES ('a'); INSERT INTO items (id, parent) VALUES ('b', 'a');
         CREATE TABLE items_new (id TEXT PRIMARY KEY, slug TEXT UNIQUE,
            parent TEXT REFERENCES items_new (id), version INTEGER NOT NULL DEFAULT 1, score INTEGER) STRICT;
         INSERT INTO items_new SELECT * FROM items; DROP TABLE items; ALTER TABLE items_new RENAME TO items;",
    );
    assert_eq!(database.migrate(&rebuilt).await.unwrap(), 3);
    let database = SqliteDatabase::in_memory().unwrap();
    let dangling = third("INSERT INTO items (id, parent) VALUES ('b', 'none')");
    let error = database.migrate(&dangling).await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::ForeignKey { table, parent } if table == "items" && parent == "items"),
        "{error}"
    );
    assert!(tables(&database).await.is_empty());
    // References are enforced again afterwards.
    database.migrate(SCHEMA).await.unwrap();
    let orphan =
        portway_sql::driver::Step::new(statement("INSERT INTO items (id, parent) VALUES ('b', 'none')", vec![]));
    assert!(matches!(database.write(vec![orphan]).await, Ok(portway_sql::driver::WriteOutcome::Conflict { step: 0 })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_migrators_one_does_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let options = SqliteOptions::new(&path);
            tokio::spawn(async move {
                let database = SqliteDatabase::open(&options).unwrap();
                database.migrate(SCHEMA).await.unwrap()
            })
        })
        .collect();
    let mut counts = Vec::new();
    for task in tasks {
        counts.push(task.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 0, 2]);
}
