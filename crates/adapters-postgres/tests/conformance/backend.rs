//! A database for one case.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portway_adapters_postgres::PostgresDatabase;
use portway_conformance::{Backend, Failure, Task};
use portway_ports::Store;
use portway_sql::SqlStore;
use portway_sql::migrations::POSTGRES;

use crate::plans::Recorder;
use crate::scratch::Scratch;

/// A schema of the server.
pub(crate) struct Postgres {
    scratch: Scratch,
    open: Mutex<Option<Arc<PostgresDatabase>>>,
    recorder: Mutex<Option<Arc<Recorder>>>,
}

impl Postgres {
    pub(crate) async fn create() -> Self {
        Self { scratch: Scratch::create().await, open: Mutex::default(), recorder: Mutex::default() }
    }

    /// Opens the schema and brings it up to date.
    pub(crate) async fn database(&self) -> Result<Arc<PostgresDatabase>, Failure> {
        let database = PostgresDatabase::open(&self.scratch.options()).await.map_err(Failure::new)?;
        database.migrate(POSTGRES).await.map_err(Failure::new)?;
        let database = Arc::new(database);
        *self.open.lock().unwrap() = Some(database.clone());
        Ok(database)
    }

    /// Explains what the store asked.
    pub(crate) async fn check_plans(&self) -> Result<(), Failure> {
        let recorder = self.recorder.lock().unwrap().clone();
        match recorder {
            Some(recorder) => recorder.check().await,
            None => Err(Failure::new("no store was opened")),
        }
    }

    pub(crate) async fn remove(&self) {
        self.close().await;
        self.scratch.remove().await;
    }

    async fn close(&self) {
        let database = self.open.lock().unwrap().take();
        if let Some(database) = database {
            database.close().await;
        }
    }
}

#[async_trait]
impl Backend for Postgres {
    async fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        let recorder = Arc::new(Recorder::new(self.database().await?));
        *self.recorder.lock().unwrap() = Some(recorder.clone());
        Ok(Arc::new(SqlStore::new(recorder)))
    }

    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Option<Arc<dyn Store>>, Failure> {
        drop(store);
        self.close().await;
        self.open().await.map(Some)
    }

    async fn together(&self, tasks: Vec<Task>) {
        let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
        for task in running {
            task.await.unwrap();
        }
    }
}
