//! Buckets that requests are counted against.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use portway_domain::ids::{IdStream, UserId};
use portway_domain::rates::{AddressBlock, Bucket, Decision, RateClass, RateLimit};
use portway_domain::time::Timestamp;
use portway_ports::rates::{BucketKey, Caller, RateLimiter};

use crate::failure::{Failure, Outcome};
use crate::fixture::at;

/// A case that runs.
type Running = BoxFuture<'static, Result<(), Failure>>;

/// One promise of [`RateLimiter`].
#[derive(Debug, Clone, Copy)]
pub struct RateCase {
    /// Concern and promise.
    pub name: &'static str,
    /// Checks the promise on a limiter that nobody has used.
    pub run: fn(Arc<dyn RateLimiter>) -> Running,
}

macro_rules! list {
    ($($case:ident),* $(,)?) => {
        vec![$(RateCase {
            name: concat!("rates::", stringify!($case)),
            run: |limiter| Box::pin($case(limiter)),
        },)*]
    };
}

/// All cases of [`RateLimiter`].
#[must_use]
pub fn rate_cases() -> Vec<RateCase> {
    list![
        decisions_are_those_of_a_bucket,
        every_caller_has_a_bucket_for_each_class,
        one_limit_is_shared_by_all_who_ask_at_once,
        a_clock_that_was_ahead_keeps_nobody_out,
    ]
}

fn user(seed: u8) -> Caller {
    Caller::User(IdStream::new(at(0), [seed; 32]).draw::<UserId>())
}

fn address(last: u8) -> Caller {
    Caller::Address(AddressBlock::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))))
}

fn key(caller: Caller) -> BucketKey {
    BucketKey { class: RateClass::Standard, caller }
}

fn limit(cells: u32, seconds: u64, burst: u32) -> Outcome<RateLimit> {
    RateLimit::new(cells, Duration::from_secs(seconds), burst).map_err(Failure::new)
}

/// A moment in the middle of a second.
fn moment(micros: i64) -> Timestamp {
    Timestamp::from_micros(at(0).as_micros() + micros)
}

async fn decisions_are_those_of_a_bucket(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (limit, key) = (limit(7, 60, 3)?, key(user(1)));
    let mut bucket = Bucket::default();
    for (micros, cost) in [
        (0, 1),
        (0, 0),
        (1, 2),
        (2, 1),
        (8_571_428, 1),
        (8_571_429, 1),
        (8_571_430, 4),
        (20_000_000, 1),
        (19_999_999, 1),
        (90_000_000, 3),
        (90_000_000, 1),
        (400_000_001, 2),
    ] {
        let (after, expected) = bucket.take(limit, moment(micros), cost);
        bucket = after;
        check_eq!(limiter.take(&key, limit, moment(micros), cost).await, expected, "{cost} at {micros}");
    }
    Ok(())
}

async fn every_caller_has_a_bucket_for_each_class(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let limit = limit(1, 60, 1)?;
    for caller in [user(1), user(2), address(1), address(2), Caller::Unknown] {
        for class in RateClass::LIMITED {
            let key = BucketKey { class, caller: caller.clone() };
            check!(limiter.take(&key, limit, at(0), 1).await.is_allowed(), "{key:?}");
            check!(!limiter.take(&key, limit, at(0), 1).await.is_allowed(), "{key:?}");
        }
    }
    Ok(())
}

async fn one_limit_is_shared_by_all_who_ask_at_once(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (limit, key) = (limit(20, 60, 20)?, key(address(1)));
    let decisions: Vec<Decision> = join_all((0..50).map(|_| limiter.take(&key, limit, at(0), 1))).await;
    let mut left: Vec<u32> = decisions.iter().filter(|d| d.is_allowed()).map(|decision| decision.remaining).collect();
    left.sort_unstable();
    check_eq!(left, (0..20).collect::<Vec<_>>());
    Ok(())
}

async fn a_clock_that_was_ahead_keeps_nobody_out(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (limit, key) = (limit(60, 60, 2)?, key(user(1)));
    limiter.take(&key, limit, at(400 * 24 * 3600), 1).await;
    check!(!limiter.take(&key, limit, at(0), 1).await.is_allowed());
    check!(!limiter.take(&key, limit, moment(999_999), 1).await.is_allowed());
    check!(limiter.take(&key, limit, at(1), 1).await.is_allowed());
    Ok(())
}
