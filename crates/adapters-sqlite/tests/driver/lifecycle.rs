//! Opening, probing, closing, and opening again.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use portway_adapters_sqlite::{OpenError, SqliteDatabase, SqliteOptions};
use portway_sql::driver::{Read, SqlDriver, SqlError, WriteOutcome};

use crate::fixture::{SCHEMA, each, file, insert, statement};

#[tokio::test]
async fn a_closed_database_keeps_its_data_and_its_log_is_gone() {
    let fixture = file().await;
    fixture.must_commit(vec![insert("a")]).await;
    fixture.database.close();
    let path = fixture.path();
    assert!(!path.with_extension("db-wal").exists());
    let again = SqliteDatabase::open(&SqliteOptions::new(&path)).unwrap();
    assert_eq!(again.migrate(SCHEMA).await.unwrap(), 0);
    let read = Read::bounded(vec![statement("SELECT id FROM items", vec![])]);
    assert_eq!(again.read(read).await.unwrap()[0].len(), 1);
}

#[tokio::test]
async fn a_closed_database_answers_that_it_is_closed() {
    for fixture in each().await {
        assert!(fixture.ids().await.is_empty());
        fixture.database.close();
        fixture.database.close();
        let one = || vec![statement("SELECT 1 AS one", vec![])];
        for error in [
            fixture.database.write(vec![insert("a")]).await.unwrap_err(),
            fixture.database.read(Read::bounded(one())).await.unwrap_err(),
            fixture.database.read(Read::unbounded(one())).await.unwrap_err(),
            fixture.database.probe().await.unwrap_err(),
        ] {
            assert!(matches!(&error, SqlError::Unavailable(text) if text.contains("closed")), "{error}");
        }
        assert!(fixture.database.migrate(SCHEMA).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_finishes_the_writes_that_wait() {
    let fixture = Arc::new(file().await);
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let fixture = fixture.clone();
            tokio::spawn(async move {
                let steps = vec![insert(&format!("{number:03}"))];
                fixture.database.write(steps).await
            })
        })
        .collect();
    let closing = tokio::task::spawn_blocking({
        let fixture = fixture.clone();
        move || fixture.database.close()
    });
    let mut committed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(WriteOutcome::Committed(_)) => committed += 1,
            Err(SqlError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    closing.await.unwrap();
    let again = SqliteDatabase::open(&SqliteOptions::new(fixture.path())).unwrap();
    let read = Read::bounded(vec![statement("SELECT id FROM items", vec![])]);
    assert_eq!(again.read(read).await.unwrap()[0].len(), committed);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn closing_closes_the_connections_of_every_thread() {
    let open_files = |fixture: &crate::fixture::Fixture| {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|target| target.starts_with(fixture.path().parent().unwrap()))
            .count()
    };
    let fixture = Arc::new(file().await);
    let barrier = Arc::new(std::sync::Barrier::new(4));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (fixture, barrier) = (fixture.clone(), barrier.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                assert!(runtime.block_on(fixture.ids()).is_empty());
                // The threads live on while the database is closed.
                barrier.wait();
                barrier.wait();
            })
        })
        .collect();
    barrier.wait();
    assert!(open_files(&fixture) > 0);
    fixture.database.close();
    assert_eq!(open_files(&fixture), 0);
    barrier.wait();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn the_files_belong_to_their_owner_only() {
    let fixture = file().await;
    fixture.must_commit(vec![insert("a")]).await;
    for name in ["data.db", "data.db-wal", "data.db-shm"] {
        let mode = std::fs::metadata(fixture.path().with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none").join("data.db");
    let error = SqliteDatabase::open(&SqliteOptions::new(&missing)).unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error}");
    let text = folder.path().join("text.db");
    std::fs::write(&text, "no database at all, but long enough to be looked at ".repeat(20)).unwrap();
    let error = SqliteDatabase::open(&SqliteOptions::new(&text)).unwrap_err();
    assert!(matches!(error, OpenError::Sqlite { .. }), "{error}");
    assert!(error.to_string().contains("text.db"));
}

#[tokio::test]
async fn a_probe_wants_the_schema_that_was_migrated() {
    for fixture in each().await {
        fixture.database.probe().await.unwrap();
    }
    let fresh = SqliteDatabase::in_memory().unwrap();
    assert!(fresh.probe().await.is_err());
}

#[tokio::test]
async fn a_probe_notices_a_newer_binary_and_a_lock() {
    let fixture = crate::fixture::file_with(|options| options.busy_timeout(Duration::ZERO)).await;
    let other = rusqlite::Connection::open(fixture.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = fixture.database.probe().await.unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    other
        .execute_batch(
            "INSERT INTO schema_migrations (id, name, checksum, applied_at) VALUES (3, 'new', '', 0); COMMIT",
        )
        .unwrap();
    let error = fixture.database.probe().await.unwrap_err();
    assert!(error.to_string().contains("another binary"), "{error}");
}

#[tokio::test]
async fn a_lock_of_another_process_makes_writes_unavailable_and_leaves_reads_alone() {
    let fixture = crate::fixture::file_with(|options| options.busy_timeout(Duration::ZERO)).await;
    let other = rusqlite::Connection::open(fixture.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = fixture.database.write(vec![insert("a")]).await.unwrap_err();
    assert!(matches!(error, SqlError::Unavailable(_)), "{error}");
    assert!(fixture.ids().await.is_empty());
    other.execute_batch("COMMIT").unwrap();
    fixture.must_commit(vec![insert("a")]).await;
}
