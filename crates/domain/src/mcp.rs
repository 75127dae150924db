//! Sessions of MCP clients (Model Context Protocol): what a client said when it came, for all its later requests.

use std::time::Duration;

pub use crate::ids::McpSessionId;
use crate::time::Timestamp;

/// How many sessions a user may have; a further one takes the place of the one that expires first.
pub const MAX_MCP_SESSIONS: u32 = 100;

/// Longest capabilities of a client, in bytes.
pub const MAX_CAPABILITIES_BYTES: usize = 16 * 1_024;

/// How long a session lives after the last use that was written down.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How much of that has to have passed before another use is.
const RENEWAL: Duration = Duration::from_secs(24 * 3_600);

/// How severe what a client is told has to be, as in syslog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum McpLogLevel {
    /// For finding mistakes in programs.
    Debug,
    /// What goes as it should.
    Info,
    /// What goes as it should, and is worth knowing.
    Notice,
    /// What may lead to a failure.
    Warning,
    /// A failure.
    Error,
    /// The failure of a part that others need.
    Critical,
    /// Something has to be done at once.
    Alert,
    /// Nothing can be used.
    Emergency,
}

impl McpLogLevel {
    /// All of them, the least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The level's name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// A session of an MCP client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpSession {
    /// Its id.
    pub id: McpSessionId,
    /// The revision of the protocol that is spoken in it.
    pub revision: String,
    /// What the client can do: the JSON object that it sent, at most [`MAX_CAPABILITIES_BYTES`].
    pub capabilities: String,
    /// How severe has to be what the client is told; `None` unless it said so.
    pub log_level: Option<McpLogLevel>,
}

impl McpSession {
    /// When a session expires that is used at `now`.
    #[must_use]
    pub fn expiry(now: Timestamp) -> Timestamp {
        now.plus(LIFETIME)
    }

    /// When a session expires that is used at `now` and would expire at `expires_at`, if that has to be written down: once
    /// a day is enough.
    #[must_use]
    pub fn renewed_expiry(expires_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let expiry = Self::expiry(now);
        (expires_at.plus(RENEWAL) < expiry).then_some(expiry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_back_and_ordered_by_severity() {
        for level in McpLogLevel::ALL {
            assert_eq!(McpLogLevel::parse(level.as_str()), Some(level));
        }
        assert!(McpLogLevel::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(McpLogLevel::parse("Error"), None);
    }

    #[test]
    fn a_use_is_written_down_once_less_than_six_days_are_left() {
        let hours = |hours: u64| Timestamp::from_millis(0).plus(Duration::from_secs(hours * 3_600));
        let expires_at = McpSession::expiry(hours(0));
        assert_eq!(expires_at, hours(7 * 24));
        assert_eq!(McpSession::renewed_expiry(expires_at, hours(24)), None);
        assert_eq!(McpSession::renewed_expiry(expires_at, hours(25)), Some(hours(25 + 7 * 24)));
    }
}
