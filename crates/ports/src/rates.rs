//! Counting what callers do against their limits.

use async_trait::async_trait;
use portway_domain::ids::UserId;
use portway_domain::rates::{AddressBlock, Decision, RateClass, RateLimit};
use portway_domain::time::Timestamp;

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A user's, wherever the request comes from.
    User(UserId),
    /// That of everybody who comes from there and is not known to be a user.
    Address(AddressBlock),
    /// That of everybody of whom neither is known.
    Unknown,
}

/// Names a bucket: each caller has one for each class.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketKey {
    /// The class.
    pub class: RateClass,
    /// Whose it is.
    pub caller: Caller,
}

/// The buckets that requests are counted against, as [`Bucket`](portway_domain::rates::Bucket) defines it.
///
/// There is no error: who cannot reach the buckets that are shared with others decides by buckets of its own, since no
/// request fails for want of a counter. A bucket that is full may be forgotten. One that is not may be too where there
/// are more than can be kept; the fullest go first.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes `cost` cells at `now` out of a bucket, or none; a cost of 0 only looks. Of requests at the same time each
    /// sees what the ones before it have left. May be dropped early, and the cells may be taken then.
    async fn take(&self, key: &BucketKey, limit: RateLimit, now: Timestamp, cost: u32) -> Decision;
}
