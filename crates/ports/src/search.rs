//! Finding texts by their words.
//!
//! What a word is, what a query asks for and which words of a text count is said in [`portway_domain::search`], and is the
//! same on every backend.

use async_trait::async_trait;
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::MessageRole;
use portway_domain::search::Query;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;

use crate::Seen;
use crate::error::StoreError;
use crate::pages::MAX_PAGE;

/// Of how many texts that fit a query the best are found: the newest ones. More fit only where a word is so common that
/// it says little.
pub const MAX_RANKED: u32 = 4_096;

/// How well something fits a query: between 0 and 1, the ends excluded. Only scores of one answer can be compared.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Score(f64);

impl Score {
    /// The score of that value, brought to between 0 and 1; what is no number fits worst.
    #[must_use]
    pub fn new(value: f64) -> Self {
        let value = if value.is_nan() { 0.0 } else { value };
        Self(value.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON))
    }

    /// The value.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0
    }
}

/// Something that was found. Hits come with the best first; of those that fit equally well the one that was added last
/// comes first, so the same query gives the same order as long as nothing changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit<T> {
    /// How well it fits.
    pub score: Score,
    /// What was found.
    pub value: T,
}

/// Which messages to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSearch {
    /// What they have to say; all of it.
    pub query: Query,
    /// Only those of this session.
    pub session: Option<SessionId>,
    limit: u32,
}

impl MessageSearch {
    /// The `limit` best messages, brought to between 1 and [`MAX_PAGE`].
    #[must_use]
    pub fn new(query: Query, session: Option<SessionId>, limit: u32) -> Self {
        Self { query, session, limit: limit.clamp(1, MAX_PAGE) }
    }

    /// How many messages at most.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundMessage {
    /// The session that it belongs to.
    pub session: SessionId,
    /// The session's title.
    pub session_title: Option<String>,
    /// Its id.
    pub message: MessageId,
    /// Who it is from.
    pub role: MessageRole,
    /// The part of its text that is searched: at most
    /// [`MAX_DOCUMENT_CHARS`](portway_domain::search::MAX_DOCUMENT_CHARS) characters.
    pub text: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A message that is older than the index and not in it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnindexedMessage {
    /// The session that it belongs to.
    pub session: SessionId,
    /// Its id.
    pub message: MessageId,
    /// The part of its text that is searched.
    pub text: String,
}

/// Searches.
///
/// What people and agents say is found as soon as the commit that adds or finishes it is done; a message that is still
/// being written, and what the gateway itself says, is not. What no longer exists is not found. What a search costs does
/// not grow with what belongs to others.
#[async_trait]
pub trait SearchStore: Send + Sync {
    /// The messages of the caller's sessions that fit best, out of the newest [`MAX_RANKED`] that fit. A query that asks
    /// for nothing finds nothing.
    async fn search_messages(
        &self,
        caller: &TokenHash,
        search: &MessageSearch,
    ) -> Result<Seen<Vec<Hit<FoundMessage>>>, StoreError>;

    /// At most `limit` messages that were finished before there was an index and are not in it yet, for
    /// [`Write::IndexMessage`](crate::commit::Write::IndexMessage).
    async fn unindexed_messages(&self, limit: u32) -> Result<Vec<UnindexedMessage>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_between_zero_and_one() {
        for value in [f64::NEG_INFINITY, -1.0, 0.0, 0.5, 1.0, f64::INFINITY, f64::NAN] {
            let score = Score::new(value).as_f64();
            assert!(score > 0.0 && score < 1.0, "{value}");
        }
    }
}
