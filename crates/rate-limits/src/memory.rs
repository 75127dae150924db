//! Buckets by key.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use portway_domain::rates::{Bucket, Decision, RateLimit};
use portway_domain::time::Timestamp;
use portway_ports::rates::{BucketKey, RateLimiter};

/// Parts that are locked by themselves.
const SHARDS: usize = 16;

/// Most buckets unless it is said otherwise: some six megabytes at the most.
const BUCKETS: usize = 64 * 1024;

/// Counts in the memory of this process. There are never more buckets than a bound: when it is reached the fuller half of
/// them is forgotten. For those that are full that changes nothing.
pub struct MemoryRateLimiter {
    shards: [Mutex<HashMap<BucketKey, Bucket>>; SHARDS],
    /// Most buckets of a shard.
    bound: usize,
    hasher: RandomState,
}

impl MemoryRateLimiter {
    /// Without any bucket, and with room for 65,536 of them.
    #[must_use]
    pub fn new() -> Self {
        Self::with_room_for(BUCKETS)
    }

    /// The same with room for about `buckets`.
    #[must_use]
    pub fn with_room_for(buckets: usize) -> Self {
        Self { shards: Default::default(), bound: buckets.div_ceil(SHARDS).max(1), hasher: RandomState::new() }
    }

    /// How many buckets are kept.
    #[must_use]
    pub fn buckets(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// What [`RateLimiter::take`] does, at once.
    pub fn take_now(&self, key: &BucketKey, limit: RateLimit, now: Timestamp, cost: u32) -> Decision {
        let place = self.hasher.hash_one(key) as usize % SHARDS;
        let mut shard = self.shards[place].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = shard.get_mut(key) {
            let (after, decision) = bucket.take(limit, now, cost);
            *bucket = after;
            return decision;
        }
        let (bucket, decision) = Bucket::default().take(limit, now, cost);
        if bucket.is_full_at() > now {
            if shard.len() >= self.bound {
                make_room(&mut shard);
            }
            shard.insert(key.clone(), bucket);
        }
        decision
    }
}

/// Forgets at least half of the buckets, so that it is seldom done: those that are full, or will be first.
fn make_room(shard: &mut HashMap<BucketKey, Bucket>) {
    let mut moments: Vec<Timestamp> = shard.values().map(|bucket| bucket.is_full_at()).collect();
    let middle = moments.len() / 2;
    if middle < moments.len() {
        let middle = *moments.select_nth_unstable(middle).1;
        shard.retain(|_, bucket| bucket.is_full_at() > middle);
    }
}

impl Default for MemoryRateLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRateLimiter").field("bound", &(self.bound * SHARDS)).finish_non_exhaustive()
    }
}

#[async_trait]
impl RateLimiter for MemoryRateLimiter {
    async fn take(&self, key: &BucketKey, limit: RateLimit, now: Timestamp, cost: u32) -> Decision {
        self.take_now(key, limit, now, cost)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use portway_domain::rates::{AddressBlock, RateClass};
    use portway_ports::rates::Caller;

    use super::*;

    fn key(number: u32) -> BucketKey {
        let address = AddressBlock::of(IpAddr::V4(Ipv4Addr::from(number)));
        BucketKey { class: RateClass::Standard, caller: Caller::Address(address) }
    }

    fn a_minute(cells: u32) -> RateLimit {
        RateLimit::a_minute(cells).unwrap()
    }

    #[test]
    fn sprayed_keys_take_no_more_room_and_free_nobody_who_is_out_of_cells() {
        let limiter = MemoryRateLimiter::with_room_for(1024);
        let (limit, now) = (a_minute(60), Timestamp::from_millis(1_771_927_200_000));
        let exhausted: Vec<_> = (0..16).map(key).collect();
        for exhausted in &exhausted {
            assert!(limiter.take_now(exhausted, limit, now, 60).is_allowed());
        }
        for number in 1000..51_000 {
            limiter.take_now(&key(number), limit, now, 1);
            assert!(number % 1000 != 0 || limiter.buckets() <= 1024);
        }
        assert!(exhausted.iter().all(|key| !limiter.take_now(key, limit, now, 1).is_allowed()));
    }

    #[test]
    fn full_buckets_go_first() {
        let limiter = MemoryRateLimiter::with_room_for(1024);
        let (limit, now) = (a_minute(60), Timestamp::from_millis(1_771_927_200_000));
        for number in 0..1024 {
            limiter.take_now(&key(number), limit, now, 1);
        }
        let later = now.plus(Duration::from_secs(1));
        for number in 2000..2400 {
            limiter.take_now(&key(number), limit, later, 60);
        }
        assert!((2000..2400).all(|number| !limiter.take_now(&key(number), limit, later, 1).is_allowed()));
    }

    #[test]
    fn looking_leaves_nothing_behind() {
        let limiter = MemoryRateLimiter::new();
        limiter.take_now(&key(1), a_minute(60), Timestamp::from_millis(1_771_927_200_000), 0);
        assert_eq!(limiter.buckets(), 0);
    }
}
