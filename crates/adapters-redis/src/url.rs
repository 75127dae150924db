//! Which server.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionInfo, IntoConnectionInfo};

/// The text names no Redis server. Shows nothing of it, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as redis://machine:6379/0 or rediss://user:password@machine:6379/0")]
pub struct InvalidRedisUrl;

/// A Redis server and a database on it: `redis://`, or `rediss://` for TLS. Its `Debug` form shows no password.
#[derive(Clone)]
pub struct RedisUrl(pub(crate) ConnectionInfo);

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        let is_ours = text.starts_with("redis://") || text.starts_with("rediss://");
        // Without checks of the server's certificate, or by way of a socket file.
        let is_plain = !text.contains('#');
        if !is_ours || !is_plain {
            return Err(InvalidRedisUrl);
        }
        text.into_connection_info().map(Self).map_err(|_| InvalidRedisUrl)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({})", self.0.addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_server_and_shows_no_password() {
        let url: RedisUrl = "rediss://ada:hunter2@redis.example:6380/3".parse().unwrap();
        assert_eq!(format!("{url:?}"), "RedisUrl(redis.example:6380)");
        for good in ["redis://127.0.0.1", "redis://:hunter2@[::1]:6379/0"] {
            assert!(good.parse::<RedisUrl>().is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:6379", "http://a", "redis://", "redis://a/x", "rediss://a/#insecure", "unix:///a"] {
            assert_eq!(bad.parse::<RedisUrl>().err(), Some(InvalidRedisUrl), "{bad}");
        }
    }
}
