//! Migrations run once, together, or not at all.

use portway_adapters_postgres::PostgresDatabase;
use portway_sql::driver::{Read, SqlDriver};
use portway_sql::migrations::{MigrateError, Migration, MigrationError, POSTGRES};

use crate::fixture::{SCHEMA, statement};
use crate::scratch::Scratch;

async fn opened() -> (Scratch, PostgresDatabase) {
    let scratch = Scratch::create().await;
    let database = PostgresDatabase::open(&scratch.options()).await.unwrap();
    (scratch, database)
}

async fn close(scratch: &Scratch, database: &PostgresDatabase) {
    database.close().await;
    scratch.remove().await;
}

async fn tables(database: &PostgresDatabase) -> Vec<String> {
    let text = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";
    let read = Read::bounded(vec![statement(text, vec![])]);
    database.read(read).await.unwrap()[0].iter().map(|row| row.get("tablename").unwrap()).collect()
}

fn third(sql: &'static str) -> Vec<Migration> {
    let mut all = SCHEMA.to_vec();
    all.push(Migration { id: 3, name: "0003_third", sql });
    all
}

pub(crate) async fn what_is_pending_runs_once_and_is_entered_in_the_ledger() {
    let (scratch, database) = opened().await;
    assert_eq!(database.migrate(&SCHEMA[..1]).await.unwrap(), 1);
    assert_eq!(database.migrate(SCHEMA).await.unwrap(), 1);
    assert_eq!(database.migrate(SCHEMA).await.unwrap(), 0);
    assert_eq!(tables(&database).await, ["cells", "items", "schema_migrations"]);
    let text = "SELECT name, applied_at FROM schema_migrations
        WHERE applied_at BETWEEN now() - interval '1 minute' AND now() + interval '1 minute'";
    let read = Read::bounded(vec![statement(text, vec![])]);
    assert_eq!(database.read(read).await.unwrap()[0].len(), 2);
    close(&scratch, &database).await;
}

pub(crate) async fn the_schema_of_the_product_applies() {
    let (scratch, database) = opened().await;
    assert_eq!(database.migrate(POSTGRES).await.unwrap(), POSTGRES.len());
    close(&scratch, &database).await;
}

pub(crate) async fn an_edited_file_a_newer_database_and_a_hole_are_refused() {
    let (scratch, database) = opened().await;
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
    scratch.run("DELETE FROM schema_migrations WHERE id = 1").await;
    assert!(matches!(database.migrate(SCHEMA).await, Err(MigrateError::Refused(MigrationError::Hole { .. }))));
    close(&scratch, &database).await;
}

pub(crate) async fn a_file_that_fails_undoes_the_ones_before_it() {
    let (scratch, database) = opened().await;
    let all = third("CREATE TABLE fine (id TEXT); CREATE TABLE items (id TEXT);");
    let error = database.migrate(&all).await.unwrap_err();
    assert!(matches!(&error, MigrateError::Failed { name, .. } if name == "0003_third"), "{error}");
    assert!(tables(&database).await.is_empty());
    assert_eq!(database.migrate(SCHEMA).await.unwrap(), 2);
    close(&scratch, &database).await;
}

pub(crate) async fn a_file_may_not_commit_by_itself() {
    let (scratch, database) = opened().await;
    let error = database.migrate(&third("COMMIT")).await.unwrap_err();
    assert!(error.to_string().contains("transaction"), "{error}");
    close(&scratch, &database).await;
}

pub(crate) async fn of_many_migrators_one_does_the_work() {
    let scratch = Scratch::create().await;
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let options = scratch.options();
            tokio::spawn(async move {
                let database = PostgresDatabase::open(&options).await.unwrap();
                let count = database.migrate(SCHEMA).await.unwrap();
                database.close().await;
                count
            })
        })
        .collect();
    let mut counts = Vec::new();
    for task in tasks {
        counts.push(task.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 0, 0, 0, 2]);
    scratch.remove().await;
}

pub(crate) async fn pending_files_are_counted_without_a_ledger_too() {
    let (scratch, database) = opened().await;
    assert_eq!(database.pending_migrations(SCHEMA).await.unwrap(), 2);
    database.migrate(&SCHEMA[..1]).await.unwrap();
    assert_eq!(database.pending_migrations(SCHEMA).await.unwrap(), 1);
    database.migrate(SCHEMA).await.unwrap();
    assert_eq!(database.pending_migrations(SCHEMA).await.unwrap(), 0);
    assert!(database.pending_migrations(&SCHEMA[..1]).await.is_err(), "a newer program was here");
    close(&scratch, &database).await;
}

pub(crate) async fn a_user_who_may_not_make_tables_is_told() {
    let (scratch, owner) = opened().await;
    let user = format!("{}_guest", scratch.name);
    scratch
        .run(&format!("CREATE ROLE {user} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA {} TO {user}", scratch.name))
        .await;
    let guest = PostgresDatabase::open(&scratch.options_as(&user, "x")).await.unwrap();
    let error = guest.migrate(SCHEMA).await.unwrap_err().to_string();
    assert!(error.contains("ledger") && error.contains("permission denied"), "{error}");
    // With tables that are there the user is as good as anybody.
    owner.migrate(SCHEMA).await.unwrap();
    scratch.run(&format!("GRANT ALL ON ALL TABLES IN SCHEMA {} TO {user}", scratch.name)).await;
    assert_eq!(guest.migrate(SCHEMA).await.unwrap(), 0);
    guest.probe().await.unwrap();
    guest.close().await;
    close(&scratch, &owner).await;
    let scratch = Scratch::create().await;
    scratch.run(&format!("DROP ROLE {user}")).await;
    scratch.remove().await;
}
