//! What a snapshot sees while others write.

use portway_sql::driver::SqlError;
use portway_sql::snapshot::{Snapshot, Snapshots};

use crate::fixture::{Fixture, insert, statement};

async fn ids(snapshot: &mut dyn Snapshot) -> Vec<String> {
    let rows = snapshot.read(statement("SELECT id FROM items ORDER BY id", vec![])).await.unwrap();
    rows.iter().map(|row| row.get("id").unwrap()).collect()
}

pub(crate) async fn a_snapshot_sees_what_there_was_when_it_was_taken() {
    let fixture = Fixture::new().await;
    fixture.must_commit(vec![insert("a")]).await;
    let mut before = fixture.database.snapshot().await.unwrap();
    fixture.must_commit(vec![insert("b")]).await;
    let mut after = fixture.database.snapshot().await.unwrap();
    for number in 0..2 {
        assert_eq!(ids(&mut *before).await, ["a"]);
        assert_eq!(ids(&mut *after).await, ["a", "b"]);
        fixture.must_commit(vec![insert(&format!("c{number}"))]).await;
    }
    drop((before, after));
    let mut later = fixture.database.snapshot().await.unwrap();
    assert_eq!(ids(&mut *later).await, ["a", "b", "c0", "c1"]);
    drop(later);
    fixture.remove().await;
}

pub(crate) async fn a_snapshot_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.must_commit(vec![insert("a")]).await;
    let mut snapshot = fixture.database.snapshot().await.unwrap();
    let delete = statement("DELETE FROM items", vec![]);
    assert!(matches!(snapshot.read(delete).await, Err(SqlError::Statement(_))));
    drop(snapshot);
    assert_eq!(fixture.ids().await, ["a"]);
    fixture.remove().await;
}
