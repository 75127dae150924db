//! Removing what has expired: results under idempotency keys, and sessions of MCP clients.

use std::time::Duration;

use portway_ports::commit::{ChangeSet, Write};

use crate::Services;
use crate::error::Error;

/// Between two looks for what has expired.
const SWEEP: Duration = Duration::from_secs(3_600);

/// Most rows that are removed at once, so that nobody else has to wait for long.
const PAGE: u32 = 500;

/// Between two such removals.
const PAUSE: Duration = Duration::from_millis(50);

impl Services {
    /// Removes results under idempotency keys and sessions of MCP clients that have expired, now and then. Run one per node,
    /// until it is dropped.
    pub async fn run_expiry_sweep(&self) {
        loop {
            if let Err(error) = self.sweep_expired().await {
                tracing::warn!(%error, "what has expired stays for now");
            }
            self.ports.clock.sleep(SWEEP).await;
        }
    }

    /// Removes results under idempotency keys and sessions of MCP clients that have expired, once.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database cannot be used.
    pub async fn sweep_expired(&self) -> Result<(), Error> {
        let at = self.ports.clock.now();
        while self.ports.store.has_expired_keys(at).await? {
            self.commit(ChangeSet::new().with(Write::RemoveExpiredKeys { at, limit: PAGE })).await?;
            self.ports.clock.sleep(PAUSE).await;
        }
        while self.ports.store.has_expired_mcp_sessions(at).await? {
            self.commit(ChangeSet::new().with(Write::RemoveExpiredMcpSessions { at, limit: PAGE })).await?;
            self.ports.clock.sleep(PAUSE).await;
        }
        Ok(())
    }
}
