//! A database for one case.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portway_adapters_sqlite::{SqliteDatabase, SqliteOptions};
use portway_conformance::{Backend, Failure, Task};
use portway_ports::Store;
use portway_sql::SqlStore;
use portway_sql::migrations::SQLITE;
use tempfile::TempDir;

/// A database in memory.
#[derive(Default)]
pub(crate) struct Memory;

/// A database in a file.
pub(crate) struct File {
    folder: TempDir,
    open: Mutex<Option<Arc<SqliteDatabase>>>,
}

impl File {
    pub(crate) fn create() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), open: Mutex::new(None) }
    }

    async fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        // A case is one caller on two threads: more connections would only cost time.
        let options = SqliteOptions::new(self.folder.path().join("data.db")).reader_threads(1);
        let database = migrated(SqliteDatabase::open(&options).map_err(Failure::new)?).await?;
        *self.open.lock().unwrap() = Some(database.clone());
        Ok(Arc::new(SqlStore::new(database)))
    }
}

async fn migrated(database: SqliteDatabase) -> Result<Arc<SqliteDatabase>, Failure> {
    database.migrate(SQLITE).await.map_err(Failure::new)?;
    Ok(Arc::new(database))
}

/// Runs tasks on the threads of the runtime.
async fn spread(tasks: Vec<Task>) {
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    for task in running {
        task.await.unwrap();
    }
}

#[async_trait]
impl Backend for Memory {
    async fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        let database = migrated(SqliteDatabase::in_memory().map_err(Failure::new)?).await?;
        Ok(Arc::new(SqlStore::new(database)))
    }

    async fn together(&self, tasks: Vec<Task>) {
        spread(tasks).await;
    }
}

#[async_trait]
impl Backend for File {
    async fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        self.store().await
    }

    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Option<Arc<dyn Store>>, Failure> {
        drop(store);
        let database = self.open.lock().unwrap().take();
        database.inspect(|database| database.close());
        self.store().await.map(Some)
    }

    async fn together(&self, tasks: Vec<Task>) {
        spread(tasks).await;
    }
}
