//! Whether the database can be used.

use std::sync::Arc;

use async_trait::async_trait;
use portway_adapters_cloudflare::D1Database;
use portway_ports::StoreError;
use portway_ports::health::Health;
use portway_sql::migrations::SQLITE;

/// Asks D1.
pub(crate) struct D1Health(pub(crate) Arc<D1Database>);

#[async_trait]
impl Health for D1Health {
    async fn probe(&self) -> Result<(), StoreError> {
        let Some(newest) = SQLITE.last() else {
            return Ok(());
        };
        self.0.probe(newest).await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
