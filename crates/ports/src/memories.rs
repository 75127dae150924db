//! Reading memories.

use async_trait::async_trait;
use portway_domain::ids::{MemoryId, UserId};
use portway_domain::memories::{MAX_MEMORIES, Memory, MemoryCategory};
use portway_domain::search::Query;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_domain::users::User;

use crate::Seen;
use crate::commit::Remembered;
use crate::error::StoreError;

/// Which memories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryFilter {
    /// Only those of this category.
    pub category: Option<MemoryCategory>,
    /// Only those that have any of these words.
    pub query: Option<Query>,
    limit: u32,
}

impl MemoryFilter {
    /// At most `limit` memories, brought to between 1 and [`MAX_MEMORIES`].
    #[must_use]
    pub fn new(category: Option<MemoryCategory>, query: Option<Query>, limit: u32) -> Self {
        Self { category, query, limit: limit.clamp(1, MAX_MEMORIES) }
    }

    /// How many memories at most.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

/// What is needed to add a memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembering {
    /// The caller, whose version owns the rule of how many memories there may be.
    pub user: User,
    /// How many memories the caller has.
    pub count: u32,
    /// Those that go first, at most [`MAX_PAGE`](crate::pages::MAX_PAGE): the least relevant, of equally relevant ones
    /// those that were used longest ago.
    pub least_relevant: Vec<MemoryId>,
    /// What the caller's idempotency key already led to.
    pub remembered: Option<Remembered>,
}

/// Reads of memories.
#[async_trait]
pub trait MemoryStore: Send + Sync {
    /// The caller's memories: the most relevant first, of equally relevant ones those that were used last. With a query,
    /// those that fit best come first; a query that asks for nothing finds nothing.
    async fn memories(&self, caller: &TokenHash, filter: &MemoryFilter) -> Result<Seen<Vec<Memory>>, StoreError>;

    /// What is needed to add a memory. `key` is the caller's idempotency key; results that have expired at `now` are
    /// absent.
    async fn remembering(
        &self,
        caller: &TokenHash,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Seen<Option<Remembering>>, StoreError>;

    /// The memories of a user, for the gateway's own work; in the same order.
    async fn memories_of(&self, user: &UserId, filter: &MemoryFilter) -> Result<Vec<Memory>, StoreError>;

    /// What is needed to add a memory of a user, for the gateway's own work; without anything remembered under a key.
    async fn remembering_of(&self, user: &UserId) -> Result<Option<Remembering>, StoreError>;
}
