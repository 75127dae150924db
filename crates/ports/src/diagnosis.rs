//! How much there is, and what does not move on: for metrics and for an operator who looks for the cause of trouble.

use async_trait::async_trait;
use portway_domain::engine::Engine;
use portway_domain::ids::{JobId, SessionId};
use portway_domain::sessions::SessionStatus;
use portway_domain::time::Timestamp;

use crate::error::StoreError;

/// A session that waits for something since a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The session.
    pub session: SessionId,
    /// Since when.
    pub since: Timestamp,
}

/// A job that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingJob {
    /// Its id.
    pub id: JobId,
    /// What is to be done, such as `start-sandbox`.
    pub kind: String,
    /// How often it was claimed.
    pub attempts: u32,
    /// When it may be, or could have been, claimed.
    pub run_at: Timestamp,
    /// Until when somebody holds it.
    pub lease_until: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// Looks at everything, whoever owns it. Nothing here is for a request of a user.
#[async_trait]
pub trait Diagnosis: Send + Sync {
    /// How many sessions there are of each status, by its name; statuses without any may be left out. Its cost grows with
    /// the number of sessions.
    async fn count_sessions(&self) -> Result<Vec<(SessionStatus, u64)>, StoreError>;

    /// The engines that have a sandbox or wait for one, by session, at most `limit` of those after `after`. They come
    /// without their open messages.
    async fn engines_with_sandbox(&self, after: Option<&SessionId>, limit: u32) -> Result<Vec<Engine>, StoreError>;

    /// At most `limit` sessions whose deadline is at or before `at`, the earliest first.
    async fn overdue_sessions(&self, at: Timestamp, limit: u32) -> Result<Vec<Waiting>, StoreError>;

    /// At most `limit` jobs that are not done yet, the one that may be claimed first comes first.
    async fn pending_jobs(&self, limit: u32) -> Result<Vec<PendingJob>, StoreError>;
}
