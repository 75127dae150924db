//! Migrations run once, each of them whole or not at all.

use futures_util::future::join_all;
use portway_conformance::{Failure, check, check_eq};
use portway_sql::driver::SqlError;
use portway_sql::migrations::{MigrateError, Migration, MigrationError, SQLITE};

use super::Outcome;
use super::fixture::{Fixture, SCHEMA, step};
use crate::backend::D1;

fn third(sql: &'static str) -> Vec<Migration> {
    let mut all = SCHEMA.to_vec();
    all.push(Migration { id: 3, name: "0003_third", sql });
    all
}

/// The tables of the schema, without the ledger and those of D1.
async fn tables(f: &Fixture) -> Outcome<Vec<String>> {
    let text = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_migrations'
        AND substr(name, 1, 4) <> '_cf_' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name";
    let rows = f.rows(text, vec![]).await?;
    rows.iter().map(|row| row.get("name")).collect::<Result<_, _>>().map_err(Failure::new)
}

async fn migrate(f: &Fixture, all: &[Migration]) -> Outcome<usize> {
    f.0.migrate(all).await.map_err(Failure::new)
}

pub(crate) async fn what_is_pending_runs_once_and_is_entered_in_the_ledger(backend: D1) -> Outcome {
    let f = Fixture(backend.database()?);
    check_eq!(f.0.pending_migrations(SCHEMA).await, Ok(2));
    check_eq!(migrate(&f, &SCHEMA[..1]).await?, 1);
    check_eq!(f.0.pending_migrations(SCHEMA).await, Ok(1));
    check_eq!(migrate(&f, SCHEMA).await?, 1);
    check_eq!(migrate(&f, SCHEMA).await?, 0);
    check_eq!(f.0.pending_migrations(SCHEMA).await, Ok(0));
    check_eq!(tables(&f).await?, ["cells", "items"]);
    let text = "SELECT name, applied_at FROM schema_migrations
        WHERE applied_at BETWEEN (unixepoch() - 60) * 1000000 AND (unixepoch() + 60) * 1000000";
    check_eq!(f.rows(text, vec![]).await?.len(), 2);
    Ok(())
}

pub(crate) async fn the_schema_of_the_product_applies(backend: D1) -> Outcome {
    let f = Fixture(backend.database()?);
    check_eq!(migrate(&f, SQLITE).await?, SQLITE.len());
    Ok(())
}

pub(crate) async fn triggers_and_virtual_tables_apply(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let all = third(
        "-- Finds items; by slug.
         CREATE VIRTUAL TABLE found USING fts5 (slug, content='items', content_rowid='rowid', tokenize='porter');
         CREATE TRIGGER item_found AFTER INSERT ON items BEGIN
             INSERT INTO found (rowid, slug) SELECT NEW.rowid, CASE WHEN NEW.slug IS NULL THEN '' ELSE NEW.slug END;
         END;
         CREATE INDEX items_by_version ON items (version);",
    );
    check_eq!(migrate(&f, &all).await?, 1);
    f.done(vec![step("INSERT INTO items (id, slug) VALUES ('a', 'running'), ('b', 'sitting')")]).await?;
    let text = "SELECT items.id, bm25(found) AS rank FROM found JOIN items ON items.rowid = found.rowid
        WHERE found MATCH ? ORDER BY rank";
    let rows = f.rows(text, vec!["runs".into()]).await?;
    check_eq!(rows.len(), 1);
    check_eq!(rows[0].get::<String>("id"), Ok("a".into()));
    Ok(())
}

pub(crate) async fn an_edited_file_a_newer_database_and_a_hole_are_refused(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let mut edited = SCHEMA.to_vec();
    edited[1].sql = "CREATE TABLE other (id TEXT)";
    for (all, expected) in [
        (edited, "with other content"),
        (SCHEMA[..1].to_vec(), "does not have"),
        (SCHEMA[1..].to_vec(), "should have number"),
    ] {
        for result in [f.0.migrate(&all).await, f.0.pending_migrations(&all).await] {
            let refused = matches!(&result, Err(MigrateError::Refused(error)) if error.to_string().contains(expected));
            check!(refused, "{expected}: {result:?}");
        }
    }
    f.done(vec![step("DELETE FROM schema_migrations WHERE id = 1")]).await?;
    let hole = f.0.migrate(SCHEMA).await;
    check!(matches!(hole, Err(MigrateError::Refused(MigrationError::Hole { .. }))), "{hole:?}");
    Ok(())
}

pub(crate) async fn a_file_that_fails_leaves_the_ones_before_it(backend: D1) -> Outcome {
    let f = Fixture(backend.database()?);
    let failed = f.0.migrate(&third("CREATE TABLE fine (id TEXT); CREATE TABLE items (id TEXT);")).await;
    check!(matches!(&failed, Err(MigrateError::Failed { name, .. }) if name == "0003_third"), "{failed:?}");
    check_eq!(tables(&f).await?, ["cells", "items"]);
    check_eq!(f.0.pending_migrations(SCHEMA).await, Ok(0));
    check_eq!(migrate(&f, &third("CREATE TABLE fine (id TEXT)")).await?, 1);
    Ok(())
}

pub(crate) async fn dangling_references_are_refused(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    let late = third("INSERT INTO items (id, parent) VALUES ('b', 'a'); INSERT INTO items (id) VALUES ('a');");
    let dangling = third("INSERT INTO items (id, parent) VALUES ('b', 'none')");
    let failed = f.0.migrate(&dangling).await;
    check!(
        matches!(&failed, Err(MigrateError::Failed { detail, .. }) if detail.contains("refers to a missing one")),
        "{failed:?}"
    );
    check!(f.ids().await?.is_empty());
    check_eq!(migrate(&f, &late).await?, 1);
    check_eq!(f.ids().await?, ["a", "b"]);
    // A taken key is no line of the ledger that somebody else wrote.
    let mut taken = late;
    taken.push(Migration { id: 4, name: "0004_fourth", sql: "INSERT INTO items (id) VALUES ('a')" });
    let failed = f.0.migrate(&taken).await;
    check!(matches!(&failed, Err(MigrateError::Failed { name, .. }) if name == "0004_fourth"), "{failed:?}");
    Ok(())
}

pub(crate) async fn of_many_migrators_each_file_has_one(backend: D1) -> Outcome {
    let databases = [backend.database()?, backend.database()?, backend.database()?, backend.database()?];
    let counts = join_all(databases.iter().map(|database| database.migrate(SCHEMA))).await;
    let mut applied = 0;
    for count in counts {
        applied += count.map_err(Failure::new)?;
    }
    check_eq!(applied, SCHEMA.len());
    check_eq!(tables(&Fixture(backend.database()?)).await?, ["cells", "items"]);
    Ok(())
}

pub(crate) async fn a_probe_knows_the_schema(backend: D1) -> Outcome {
    let f = Fixture::open(backend).await?;
    check_eq!(f.0.probe(&SCHEMA[1]).await, Ok(()));
    check!(matches!(f.0.probe(&SCHEMA[0]).await, Err(SqlError::Unavailable(_))));
    check!(matches!(f.0.probe(&third("CREATE TABLE fine (id TEXT)")[2]).await, Err(SqlError::Unavailable(_))));
    Ok(())
}
