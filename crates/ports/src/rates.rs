//! Counting what callers do against their limits.

use async_trait::async_trait;
use portway_domain::ids::UserId;
use portway_domain::rates::{AddressBlock, Decision, RateClass, RateLimit};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;

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

/// How a request with a token was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As that of a stranger.
    Stranger(Decision),
    /// Not yet: the token is known to be this user's.
    User(UserId),
}

/// The buckets that requests are counted against, as [`Bucket`](portway_domain::rates::Bucket) defines it.
///
/// There is no error: who cannot reach the buckets that are shared with others decides by buckets of its own, since no
/// request fails for want of a counter. A bucket that is full may be forgotten. One that is not may be too where there
/// are more than can be kept; the fullest go first.
///
/// Where a gateway has many instances that live shortly, they may tell each other by this port whose a token is. Others
/// need not: the methods for that do nothing unless they are implemented.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes `cost` cells at `now` out of a bucket, or none; a cost of 0 only looks. Of requests at the same time each
    /// sees what the ones before it have left. May be dropped early, and the cells may be taken then.
    async fn take(&self, key: &BucketKey, limit: RateLimit, now: Timestamp, cost: u32) -> Decision;

    /// Takes one cell out of a stranger's bucket, unless other instances have told that the token is a user's.
    async fn take_unless_known(
        &self,
        stranger: &BucketKey,
        token: &TokenHash,
        limit: RateLimit,
        now: Timestamp,
    ) -> Standing {
        let _ = token;
        Standing::Stranger(self.take(stranger, limit, now, 1).await)
    }

    /// Tells the other instances that a token was let in as that user's, which came from there.
    async fn let_in(&self, from: &Caller, token: &TokenHash, user: &UserId, now: Timestamp) {
        let _ = (from, token, user, now);
    }

    /// Tells the other instances that a token is nobody's any more, which came from there.
    async fn turned_away(&self, from: &Caller, token: &TokenHash) {
        let _ = (from, token);
    }
}
