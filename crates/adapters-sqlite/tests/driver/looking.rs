//! Looking at a file that belongs to somebody else.

use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_sql::driver::{Read, SqlDriver, SqlError, Statement, Step};

use crate::fixture::{SCHEMA, file};

fn insert(id: &str) -> Step {
    Step::new(Statement { text: format!("INSERT INTO items (id) VALUES ('{id}')").into(), args: vec![] })
}

async fn count(database: &SqliteDatabase) -> i64 {
    let count = Statement { text: "SELECT COUNT(*) AS items FROM items".into(), args: vec![] };
    database.read(Read::unbounded(vec![count])).await.unwrap()[0][0].get("items").unwrap()
}

#[tokio::test]
async fn a_look_sees_what_the_owner_writes_and_changes_nothing() {
    let fixture = file().await;
    fixture.database.write(vec![insert("a")]).await.unwrap();
    let look = SqliteDatabase::open_read_only(&SqliteOptions::new(fixture.path())).unwrap();
    assert_eq!(count(&look).await, 1);
    fixture.database.write(vec![insert("b")]).await.unwrap();
    assert_eq!(count(&look).await, 2);
    assert!(matches!(look.write(vec![insert("c")]).await, Err(SqlError::Unavailable(_))));
    assert!(look.migrate(SCHEMA).await.is_err());
    assert_eq!(look.quick_check(10).await.unwrap(), [""; 0]);
    assert_eq!(look.pending_migrations(SCHEMA).await.unwrap(), 0);
    assert_eq!(count(&fixture.database).await, 2);
}

#[tokio::test]
async fn a_look_needs_no_owner_but_a_file() {
    let fixture = file().await;
    fixture.database.write(vec![insert("a")]).await.unwrap();
    fixture.database.close();
    let look = SqliteDatabase::open_read_only(&SqliteOptions::new(fixture.path())).unwrap();
    assert_eq!(count(&look).await, 1);
    drop(look);
    let absent = SqliteOptions::new(fixture.path().with_extension("none"));
    assert!(SqliteDatabase::open_read_only(&absent).is_err());
    assert!(!fixture.path().with_extension("none").exists());
}

#[tokio::test]
async fn an_older_schema_lacks_migrations() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(folder.path().join("data.db"));
    let owner = SqliteDatabase::open(&options).unwrap();
    owner.migrate(&SCHEMA[..1]).await.unwrap();
    let look = SqliteDatabase::open_read_only(&options).unwrap();
    assert_eq!(look.pending_migrations(SCHEMA).await.unwrap(), 1);
    owner.migrate(SCHEMA).await.unwrap();
    assert!(look.pending_migrations(&SCHEMA[..1]).await.is_err(), "a newer program was here");
}

#[tokio::test]
async fn damage_is_found() {
    let fixture = file().await;
    let many = (0..500).map(|number| insert(&format!("{number:0>100}"))).collect();
    fixture.database.write(many).await.unwrap();
    fixture.database.close();
    let mut bytes = std::fs::read(fixture.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(fixture.path(), bytes).unwrap();
    let look = SqliteDatabase::open_read_only(&SqliteOptions::new(fixture.path())).unwrap();
    let found = look.quick_check(3).await;
    assert!(found.as_ref().map_or(true, |findings| !findings.is_empty()), "{found:?}");
}
