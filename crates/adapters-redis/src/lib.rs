//! What gateways share on a Redis server, or on one that speaks its protocol. It is never the only copy of anything: a
//! gateway that cannot reach the server goes on by itself.

mod outage;
mod rates;
mod url;

pub use rates::RedisRateLimiter;
pub use redis::RedisError;
pub use url::{InvalidRedisUrl, RedisUrl};
