//! A D1 database for one trial.

use std::sync::Arc;

use async_trait::async_trait;
use portway_adapters_cloudflare::D1Database;
use portway_conformance::{Backend, Failure};
use portway_ports::Store;
use portway_sql::SqlStore;
use portway_sql::migrations::{Migration, SQLITE};
use worker::Env;

/// The database behind a binding. There is one for each trial, so nothing has to be cleared away.
pub(crate) struct D1 {
    env: Env,
    binding: String,
}

impl D1 {
    pub(crate) fn new(env: Env, binding: String) -> Self {
        Self { env, binding }
    }

    /// The database as it is.
    pub(crate) fn database(&self) -> Result<D1Database, Failure> {
        self.env.d1(&self.binding).map(D1Database::new).map_err(Failure::new)
    }

    /// The database with a schema, as a Worker finds it when it starts.
    pub(crate) async fn migrated(&self, schema: &[Migration]) -> Result<D1Database, Failure> {
        let database = self.database()?;
        database.migrate(schema).await.map_err(Failure::new)?;
        self.checked(schema).await
    }

    async fn checked(&self, schema: &[Migration]) -> Result<D1Database, Failure> {
        let database = self.database()?;
        let pending = database.pending_migrations(schema).await.map_err(Failure::new)?;
        if pending > 0 {
            return Err(Failure::new(format!("{pending} migrations are missing")));
        }
        Ok(database)
    }
}

#[async_trait]
impl Backend for D1 {
    async fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        Ok(Arc::new(SqlStore::new(Arc::new(self.migrated(SQLITE).await?))))
    }

    /// Nothing of a database is kept in a Worker, so a new one of its kind begins with nothing.
    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Option<Arc<dyn Store>>, Failure> {
        drop(store);
        Ok(Some(Arc::new(SqlStore::new(Arc::new(self.checked(SQLITE).await?)))))
    }
}
