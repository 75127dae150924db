//! Reading what idempotency keys led to.

use async_trait::async_trait;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;

use crate::Seen;
use crate::commit::Remembered;
use crate::error::StoreError;

/// Reads of idempotency keys.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// What the caller's key led to, unless that has expired at `now`.
    async fn remembered(
        &self,
        caller: &TokenHash,
        key: &str,
        now: Timestamp,
    ) -> Result<Seen<Option<Remembered>>, StoreError>;

    /// Whether there are results that have expired at `now`.
    async fn has_expired_keys(&self, now: Timestamp) -> Result<bool, StoreError>;
}
