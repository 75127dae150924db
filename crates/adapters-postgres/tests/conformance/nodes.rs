//! Nodes that share a schema.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portway_adapters_postgres::{PostgresDatabase, PostgresPubSub};
use portway_conformance::{Failure, Nodes, PubSubCase};
use portway_ports::pubsub::PubSub;
use portway_pubsub::LocalPubSub;
use portway_sql::SqlStore;
use portway_sql::migrations::POSTGRES;

use crate::scratch::Scratch;

/// A schema and who works on it.
struct Neighbours {
    scratch: Scratch,
    open: Mutex<Vec<(Arc<PostgresDatabase>, Arc<PostgresPubSub>)>>,
}

#[async_trait]
impl Nodes for Neighbours {
    async fn join(&self) -> Result<Arc<dyn PubSub>, Failure> {
        let database = PostgresDatabase::open(&self.scratch.options()).await.map_err(Failure::new)?;
        database.migrate(POSTGRES).await.map_err(Failure::new)?;
        let database = Arc::new(database);
        let store = Arc::new(SqlStore::new(database.clone()));
        let name = self.open.lock().unwrap().len().to_string();
        let opened = PostgresPubSub::open(database.clone(), store, LocalPubSub::new(), &name).await;
        let pubsub = Arc::new(opened.map_err(Failure::new)?);
        self.open.lock().unwrap().push((database, pubsub.clone()));
        Ok(pubsub)
    }

    async fn interrupt(&self) -> bool {
        let name = &self.scratch.name;
        let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity";
        self.scratch.run(&format!("{end} WHERE application_name = '{name}' AND pid <> pg_backend_pid()")).await;
        true
    }
}

pub(crate) async fn run(case: PubSubCase) -> Result<(), Failure> {
    let nodes = Arc::new(Neighbours { scratch: Scratch::create().await, open: Mutex::default() });
    (case.run)(nodes.clone()).await?;
    let open = std::mem::take(&mut *nodes.open.lock().unwrap());
    for (database, pubsub) in open {
        pubsub.close().await;
        database.close().await;
    }
    nodes.scratch.remove().await;
    Ok(())
}
