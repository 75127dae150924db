//! The one way to write.

use async_trait::async_trait;
use portway_domain::engine::{Change, Engine};
use portway_domain::ids::{JobId, MemoryId, MessageId, SessionId, ShareLinkId, TokenId, UserId};
use portway_domain::jobs::Job;
#[cfg(doc)]
use portway_domain::mcp::MAX_MCP_SESSIONS;
use portway_domain::mcp::{McpLogLevel, McpSessionId};
use portway_domain::memories::Memory;
use portway_domain::sessions::Session;
use portway_domain::sharing::ShareLink;
use portway_domain::time::Timestamp;
use portway_domain::tokens::AccessToken;
use portway_domain::users::User;

use crate::error::StoreError;
use crate::mcp_sessions::KeptMcpSession;

/// What to write, in order, all or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeSet {
    writes: Vec<Write>,
}

impl ChangeSet {
    /// An empty set; committing it does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a write at the end.
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Adds a write at the end.
    #[must_use]
    pub fn with(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// The writes in order.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The writes in order, taken out.
    #[must_use]
    pub fn into_writes(self) -> Vec<Write> {
        self.writes
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// One write and its guard. A write whose guard does not hold makes the whole set a [`Commit::Conflict`].
#[derive(Debug, Clone, PartialEq)]
// Where pointers are short, so is the row of a session.
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(clippy::large_enum_variant, reason = "a set has few writes, and mostly an engine among them anyway")
)]
pub enum Write {
    /// A new user. Guard: neither the id nor the address exists.
    AddUser(User),
    /// All fields of a user, and the next version. Guard: the row has this version.
    SetUser {
        /// The user as it is to be; its own `version` is ignored.
        user: User,
        /// The version that was read.
        version: u64,
    },
    /// Only the next version: for rules over several rows that this user's row owns. Guard: the row has this version.
    BumpUser {
        /// The user.
        id: UserId,
        /// The version that was read.
        version: u64,
    },
    /// A new token. Guard: neither the id nor the hash exists, and the user does.
    AddToken(AccessToken),
    /// Revokes a token. Guard: it exists, belongs to the user and is not revoked.
    RevokeToken {
        /// The token.
        id: TokenId,
        /// Whose it is.
        user: UserId,
        /// When.
        at: Timestamp,
    },
    /// A new session and the state of its engine, at version 1. Guard: the id does not exist, the owner does.
    AddSession {
        /// The session.
        session: Session,
        /// Its engine.
        engine: Engine,
    },
    /// At most so many messages of a session go, with their words, parts and attachments; nobody is told to take them out
    /// of what they show. One that has none is left as it is.
    RemoveMessages {
        /// The session.
        session: SessionId,
        /// How many, at most.
        limit: u32,
    },
    /// A session goes with every row that refers to it. Guard: it exists.
    RemoveSession {
        /// The session.
        id: SessionId,
    },
    /// The state of a session's engine, and the next version. Guard: the row has this version.
    SetEngine {
        /// The state.
        engine: Engine,
        /// The version that was read.
        version: u64,
    },
    /// A durable effect of a session's engine. Guards: new messages and questions do not exist, the open message that
    /// is appended to, changed or finished does, a message that is removed does, commands are numbered once, who is let in
    /// exists, who is removed takes part.
    ///
    /// [`Change::SandboxOrdered`], [`Change::SandboxHibernated`], [`Change::SandboxDismissed`], [`Change::ParentTold`] and
    /// [`Change::ChildrenStopped`] are work to be done: they come as [`Write::AddJob`] and must not come as this.
    Session {
        /// The session.
        id: SessionId,
        /// The effect.
        change: Change,
    },
    /// When the engine of a session must be asked again; `None` for never.
    SetDeadline {
        /// The session.
        session: SessionId,
        /// When.
        due_at: Option<Timestamp>,
    },
    /// A new job. Guard: the id does not exist.
    AddJob(Job),
    /// A job is done and goes. Guard: it exists and is at this attempt.
    CompleteJob {
        /// The job.
        id: JobId,
        /// The attempt that did it.
        attempts: u32,
    },
    /// A job failed and is to be tried again. Guard: it exists and is at this attempt.
    RetryJob {
        /// The job.
        id: JobId,
        /// The attempt that failed.
        attempts: u32,
        /// When it may be claimed again.
        run_at: Timestamp,
        /// Why it failed; for operators.
        error: String,
    },
    /// A new share link. Guard: neither the id nor the secret exists, and the session does.
    AddShareLink(ShareLink),
    /// A share link lets somebody in. Guard: it does so at this time, see [`ShareLink::admits_at`].
    UseShareLink {
        /// The link.
        id: ShareLinkId,
        /// When.
        at: Timestamp,
    },
    /// Revokes a share link. Guard: it exists, belongs to the session and is not revoked.
    RevokeShareLink {
        /// The link.
        id: ShareLinkId,
        /// Its session.
        session: SessionId,
    },
    /// The result of an operation that carried an idempotency key. Guard: the user has no such key, or it has expired.
    Remember(Remembered),
    /// What became of an operation whose key was held with another result before it was carried out. Guard: the key still
    /// has that result.
    Settle {
        /// What takes its place.
        remembered: Remembered,
        /// The result that the key was held with.
        hold: String,
    },
    /// Removes results under idempotency keys that have expired at that time, the oldest ones. Those that are gone are passed
    /// over.
    RemoveExpiredKeys {
        /// When.
        at: Timestamp,
        /// Most of them.
        limit: u32,
    },
    /// A new session of an MCP client. Of the user's others [`MAX_MCP_SESSIONS`] less one stay at most: those go that expire
    /// first, of those that expire at once the ones whose ids come first. Guard: the id does not exist, the user does.
    AddMcpSession(KeptMcpSession),
    /// A session of an MCP client was used, and expires later. Guard: it exists and belongs to the user.
    RenewMcpSession {
        /// The session.
        id: McpSessionId,
        /// Whose it is.
        user: UserId,
        /// Until when it is kept.
        expires_at: Timestamp,
    },
    /// How severe has to be what an MCP client is told. Guard: the session exists and belongs to the user.
    SetMcpLogLevel {
        /// The session.
        id: McpSessionId,
        /// Whose it is.
        user: UserId,
        /// The level.
        level: McpLogLevel,
    },
    /// A session of an MCP client ends. Guard: it exists and belongs to the user.
    RemoveMcpSession {
        /// The session.
        id: McpSessionId,
        /// Whose it is.
        user: UserId,
    },
    /// Removes sessions of MCP clients that have expired at that time, the oldest ones. Those that are gone are passed over.
    RemoveExpiredMcpSessions {
        /// When.
        at: Timestamp,
        /// Most of them.
        limit: u32,
    },
    /// The words of a message that is older than the search index. Guard: the message is not in the index yet.
    IndexMessage {
        /// The session.
        session: SessionId,
        /// The message.
        message: MessageId,
        /// Its text.
        text: String,
    },
    /// A new memory. Guard: the id does not exist, the user does.
    AddMemory(Memory),
    /// A memory is forgotten. Guard: it exists and belongs to the user.
    RemoveMemory {
        /// The memory.
        id: MemoryId,
        /// Whose it is.
        user: UserId,
    },
    /// Memories of the user were used: each becomes more relevant. Those that are gone are passed over.
    UseMemories {
        /// Whose they are.
        user: UserId,
        /// Which ones.
        ids: Vec<MemoryId>,
        /// When.
        at: Timestamp,
    },
}

/// The result of an operation, kept under the caller's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Whose key it is.
    pub user: UserId,
    /// The key.
    pub key: String,
    /// Digest of the request, to tell another request under the same key.
    pub digest: String,
    /// The result, as JSON text.
    pub result: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// Until when it is kept.
    pub expires_at: Timestamp,
}

/// What became of a change set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// Everything is written and durable.
    Done,
    /// A guard did not hold: nothing is written. Read again and decide anew.
    Conflict {
        /// Index of the write whose guard failed first.
        write: usize,
    },
}

/// The one atomic primitive.
#[async_trait]
pub trait Committer: Send + Sync {
    /// Writes a change set, all or nothing, on every backend. When it answers [`Commit::Done`] the set is on stable
    /// storage. Two sets that guard the same version never both succeed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: certainly nothing was written. [`StoreError::Unknown`]: it may have been written;
    /// as ids are made before the first attempt, a repeated attempt either succeeds or conflicts with its own rows.
    async fn commit(&self, changes: ChangeSet) -> Result<Commit, StoreError>;
}
