//! Buckets that gateways share.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portway_domain::rates::{Bucket, Decision, RateLimit, SKEW};
use portway_domain::time::Timestamp;
use portway_ports::rates::{BucketKey, Caller, RateLimiter};
use portway_rate_limits::MemoryRateLimiter;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script};

use crate::outage::Outage;
use crate::url::RedisUrl;

/// How long a request waits for the server before the gateway decides by itself.
const PATIENCE: Duration = Duration::from_millis(250);

/// Answers when the bucket was to be full, and does what `Bucket::take` does to that. It is kept until the bucket is
/// full by every clock.
const TAKE: &str = r"
local stored = redis.call('GET', KEYS[1])
local now, span, cost, skew = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local missing = math.max(tonumber(stored or 0) - now, 0)
if missing > span + skew then missing = span end
local after = missing + cost
if after > span then after = missing end
if after > 0 then
    local full = string.format('%.0f', now + after)
    redis.call('SET', KEYS[1], full, 'PX', string.format('%.0f', math.ceil((after + skew) / 1000)))
end
return stored
";

/// Counts on a Redis server, in one round trip for each request. Each bucket is a key of its own that goes when the
/// bucket is full.
///
/// While the server does not answer, the gateway counts in its memory, from full buckets on. A request waits a quarter of
/// a second for it at the most, and only one in a second does.
pub struct RedisRateLimiter {
    connection: ConnectionManager,
    take: Script,
    prefix: String,
    own: MemoryRateLimiter,
    outage: Outage,
}

impl RedisRateLimiter {
    /// Counts on that server, in keys that begin with `prefix`. It is connected to with the first request, in the
    /// runtime of tokio that this is called in.
    ///
    /// # Errors
    /// [`RedisError`] when the server is one that cannot be connected to at all, such as by TLS where there is none.
    pub fn new(url: RedisUrl, prefix: impl Into<String>) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(Client::open(url.0)?, config)?,
            take: Script::new(TAKE),
            prefix: prefix.into(),
            own: MemoryRateLimiter::new(),
            outage: Outage::default(),
        })
    }

    /// Whether the gateway counts by itself, as far as it knows.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.outage.is_on()
    }

    /// What the bucket was before it was taken from.
    async fn shared(&self, key: &BucketKey, limit: RateLimit, now: Timestamp, cost: u32) -> Result<Bucket, Unanswered> {
        let mut call = self.take.prepare_invoke();
        call.key(name(&self.prefix, key)).arg(now.as_micros());
        for span in [limit.span(), limit.interval().saturating_mul(cost), SKEW] {
            call.arg(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
        }
        let mut connection = self.connection.clone();
        let stored: Option<i64> = tokio::time::timeout(PATIENCE, call.invoke_async(&mut connection)).await??;
        Ok(stored.map(Timestamp::from_micros).map_or_else(Bucket::default, Bucket::full_at))
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn take(&self, key: &BucketKey, limit: RateLimit, now: Timestamp, cost: u32) -> Decision {
        if self.outage.may_ask(Instant::now()) {
            match self.shared(key, limit, now, cost).await {
                Ok(before) => {
                    self.outage.tell(None);
                    return before.take(limit, now, cost).1;
                }
                Err(unanswered) => self.outage.tell(Some(&unanswered)),
            }
        }
        self.own.take_now(key, limit, now, cost)
    }
}

impl fmt::Debug for RedisRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRateLimiter").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Why the server did not say what is in a bucket.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Failed(#[from] RedisError),
    #[error("it took longer than {} ms", PATIENCE.as_millis())]
    Late(#[from] tokio::time::error::Elapsed),
}

/// The name of a bucket on the server.
fn name(prefix: &str, key: &BucketKey) -> String {
    let class = key.class.as_str();
    match &key.caller {
        Caller::User(user) => format!("{prefix}rate:{class}:user:{}", user.as_str()),
        Caller::Address(block) => format!("{prefix}rate:{class}:address:{:x}", block.as_number()),
        Caller::Unknown => format!("{prefix}rate:{class}:unknown"),
    }
}

#[cfg(test)]
mod tests {
    use portway_domain::rates::RateClass;

    use super::*;

    #[tokio::test]
    async fn without_a_server_the_gateway_counts_by_itself() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", nobody.local_addr().unwrap()).parse().unwrap();
        drop(nobody);
        let limiter = RedisRateLimiter::new(url, "").unwrap();
        let key = BucketKey { class: RateClass::Standard, caller: Caller::Unknown };
        let (limit, now) = (RateLimit::a_minute(2).unwrap(), Timestamp::from_millis(1_771_927_200_000));
        for remaining in [1, 0, 0] {
            assert_eq!(limiter.take(&key, limit, now, 1).await.remaining, remaining);
        }
        assert!(!limiter.take(&key, limit, now, 1).await.is_allowed());
    }
}
