//! What a snapshot sees while others write.

use portway_sql::driver::SqlError;
use portway_sql::snapshot::{Snapshot, Snapshots};

use crate::fixture::{each, file, insert, statement};

async fn ids(snapshot: &mut dyn Snapshot) -> Vec<String> {
    let rows = snapshot.read(statement("SELECT id FROM items ORDER BY id", vec![])).await.unwrap();
    rows.iter().map(|row| row.get("id").unwrap()).collect()
}

#[tokio::test]
async fn a_snapshot_sees_what_there_was_when_it_was_taken() {
    let fixture = file().await;
    fixture.must_commit(vec![insert("a")]).await;
    let mut before = fixture.database.snapshot().await.unwrap();
    fixture.must_commit(vec![insert("b")]).await;
    let mut after = fixture.database.snapshot().await.unwrap();
    for _ in 0..2 {
        assert_eq!(ids(&mut *before).await, ["a"]);
        assert_eq!(ids(&mut *after).await, ["a", "b"]);
        fixture.must_commit(vec![insert(&format!("c{}", fixture.ids().await.len()))]).await;
    }
    drop((before, after));
    let mut later = fixture.database.snapshot().await.unwrap();
    assert_eq!(ids(&mut *later).await.len(), 4);
}

#[tokio::test]
async fn a_snapshot_changes_nothing() {
    let fixture = file().await;
    let mut snapshot = fixture.database.snapshot().await.unwrap();
    let delete = statement("DELETE FROM items", vec![]);
    assert!(matches!(snapshot.read(delete).await, Err(SqlError::Statement(_))));
    assert_eq!(ids(&mut *snapshot).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_closed_database_and_one_in_memory_have_none() {
    for fixture in each().await {
        fixture.database.close();
        assert!(matches!(fixture.database.snapshot().await, Err(SqlError::Unavailable(_))), "{}", fixture.kind);
    }
}
