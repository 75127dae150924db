//! Nodes that share a store.

use async_trait::async_trait;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::time::Timestamp;

use crate::error::StoreError;

/// Which nodes are there. A node is there until the time that it last named, and then it is gone; one that never was
/// there is gone as well.
#[async_trait]
pub trait NodeStore: Send + Sync {
    /// Lets a node be there until `until`.
    async fn be_there(&self, node: &NodeId, until: Timestamp) -> Result<(), StoreError>;

    /// A node leaves: it is gone at once, and nobody has to find out.
    async fn leave(&self, node: &NodeId) -> Result<(), StoreError>;

    /// Whether there are nodes at `now` besides `node`.
    async fn has_other_nodes(&self, node: &NodeId, now: Timestamp) -> Result<bool, StoreError>;

    /// At most a hundred nodes that are gone at `now` and did not leave, until [`NodeStore::forget_node`].
    async fn lost_nodes(&self, now: Timestamp) -> Result<Vec<NodeId>, StoreError>;

    /// At most `limit` sessions whose sandbox a node took on and that still have it, with ids after `after`, by id.
    async fn sessions_of_node(
        &self,
        node: &NodeId,
        after: Option<&SessionId>,
        limit: u32,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Gives up the leases of jobs that a node had, and forgets the node, unless it is there again at `now`.
    async fn forget_node(&self, node: &NodeId, now: Timestamp) -> Result<(), StoreError>;
}
