//! Who shares the store.

use async_trait::async_trait;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::time::Timestamp;
use portway_ports::StoreError;
use portway_ports::nodes::NodeStore;

use super::SqlStore;
use crate::driver::Read;
use crate::{engines, jobs, nodes};

#[async_trait]
impl NodeStore for SqlStore {
    async fn be_there(&self, node: &NodeId, until: Timestamp) -> Result<(), StoreError> {
        self.driver.write(vec![nodes::be_there(self.driver.dialect(), node.clone(), until)?]).await?;
        Ok(())
    }

    async fn leave(&self, node: &NodeId) -> Result<(), StoreError> {
        let dialect = self.driver.dialect();
        self.driver.write(vec![jobs::release_of(dialect, node), nodes::remove(dialect, node)]).await?;
        Ok(())
    }

    async fn has_other_nodes(&self, node: &NodeId, now: Timestamp) -> Result<bool, StoreError> {
        let statement = nodes::other(self.driver.dialect(), node, now);
        Ok(!self.read(Read::bounded(vec![statement])).await?.next()?.is_empty())
    }

    async fn lost_nodes(&self, now: Timestamp) -> Result<Vec<NodeId>, StoreError> {
        let statement = nodes::lost(self.driver.dialect(), now);
        let rows = self.read(Read::bounded(vec![statement])).await?.next()?;
        Ok(rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?)
    }

    async fn sessions_of_node(
        &self,
        node: &NodeId,
        after: Option<&SessionId>,
        limit: u32,
    ) -> Result<Vec<SessionId>, StoreError> {
        let statement = engines::of_node(self.driver.dialect(), node, after, limit);
        let rows = self.read(Read::bounded(vec![statement])).await?.next()?;
        Ok(rows.iter().map(|row| row.get("session_id")).collect::<Result<_, _>>()?)
    }

    async fn forget_node(&self, node: &NodeId, now: Timestamp) -> Result<(), StoreError> {
        let dialect = self.driver.dialect();
        // A node that is back keeps what it has: the whole is a conflict then.
        self.driver.write(vec![nodes::remove_lost(dialect, node, now), jobs::release_of(dialect, node)]).await?;
        Ok(())
    }
}
