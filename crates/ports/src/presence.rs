//! Who has sessions open on other nodes.

use async_trait::async_trait;
use portway_domain::ids::{NodeId, SessionId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::users::Profile;

use crate::error::StoreError;

/// A client socket that a node has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSocket {
    /// The node.
    pub node: NodeId,
    /// Its number on the node, which no other socket of the node ever has.
    pub number: u64,
    /// The session that it shows.
    pub session: SessionId,
    /// Who is behind it.
    pub user: UserId,
}

/// The client sockets of all nodes on the store. Those of a node count while the node is there: see
/// [`NodeStore`](crate::nodes::NodeStore).
#[async_trait]
pub trait PresenceStore: Send + Sync {
    /// Adds sockets; those that are known already stay as they are.
    async fn add_sockets(&self, sockets: &[OpenSocket]) -> Result<(), StoreError>;

    /// Removes sockets of a node; those that are not known are not missed.
    async fn remove_sockets(&self, node: &NodeId, numbers: &[u64]) -> Result<(), StoreError>;

    /// At most `limit` sockets of a node with numbers after `after`, by number.
    async fn sockets_of_node(&self, node: &NodeId, after: u64, limit: u32) -> Result<Vec<OpenSocket>, StoreError>;

    /// Who has a session open at `now` through other nodes than `node`: an entry for each socket, at most a thousand.
    async fn present_elsewhere(
        &self,
        session: &SessionId,
        node: &NodeId,
        now: Timestamp,
    ) -> Result<Vec<Profile>, StoreError>;
}
