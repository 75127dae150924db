//! Hints for watchers, on whichever node they are.

use std::sync::Arc;

use portway_adapters_postgres::PostgresPubSub;
use portway_adapters_system::{SystemClock, SystemEntropy};
use portway_ports::pubsub::PubSub;
use portway_ports::system::{Clock, Entropy};
use portway_pubsub::LocalPubSub;
use portway_sql::SqlStore;

use super::database::Database;
use super::error::StartError;

/// Hints within this process, and to other nodes where there may be some.
pub(super) struct Hints {
    local: LocalPubSub,
    shared: Option<Arc<PostgresPubSub>>,
}

impl Hints {
    /// Begins to listen to other nodes on the database.
    pub(super) async fn open(database: &Database, store: &Arc<SqlStore>) -> Result<Self, StartError> {
        let local = LocalPubSub::new();
        let shared = match database {
            Database::Sqlite(_) => None,
            Database::Postgres(database) => {
                let name = SystemEntropy.ids(SystemClock::new().now()).draw_text();
                let opened = PostgresPubSub::open(database.clone(), store.clone(), local.clone(), &name).await?;
                Some(Arc::new(opened))
            }
        };
        Ok(Self { local, shared })
    }

    /// What the services publish with.
    pub(super) fn port(&self) -> Arc<dyn PubSub> {
        match &self.shared {
            Some(shared) => shared.clone(),
            None => Arc::new(self.local.clone()),
        }
    }

    /// Ends all watches of this node. Others are told on.
    pub(super) fn end_watches(&self) {
        self.local.close();
    }

    /// Tells others what they were not told yet.
    pub(super) async fn close(&self) {
        if let Some(shared) = &self.shared {
            shared.close().await;
        }
    }
}
