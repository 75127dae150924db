//! Work to be done and times to keep.

use async_trait::async_trait;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::jobs::Job;
use portway_domain::time::Timestamp;

use crate::error::StoreError;

/// Jobs and deadlines.
///
/// A job that names a node is for that node alone while it is there: see [`NodeStore`](crate::nodes::NodeStore).
#[async_trait]
pub trait WorkStore: Send + Sync {
    /// Claims at most `limit` jobs that `node` may do and that may run at `now`, oldest first: each belongs to the node
    /// until `lease_until`, and nobody else gets it before. A claim counts as an attempt. A job whose lease ran out can
    /// be claimed again.
    async fn claim_jobs(
        &self,
        node: &NodeId,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError>;

    /// When the next job that `node` may do at `now` may be claimed, if there is any: its `run_at`, or the end of the
    /// lease it is under.
    async fn next_job_at(&self, node: &NodeId, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// Gives up the leases of `node`, or all. Only for a process at its start: an earlier one of the same node is gone, and
    /// where the store belongs to a single process, whoever else held one is gone as well.
    async fn release_leases(&self, node: Option<&NodeId>) -> Result<(), StoreError>;

    /// At most `limit` sessions whose deadline is at or before `now`, earliest first. The deadline stays until a commit
    /// changes it.
    async fn due_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<SessionId>, StoreError>;

    /// The earliest deadline, if there is any.
    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError>;
}
