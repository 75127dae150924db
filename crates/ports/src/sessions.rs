//! Reading sessions and their transcripts.

use async_trait::async_trait;
use portway_domain::access::SessionRole;
use portway_domain::engine::{AuditEntry, Command, Engine};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::Message;
use portway_domain::models::AvailableModels;
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::states::Facts;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_domain::tunnels::Exposure;
use portway_domain::users::User;

use crate::changes::Changes;
use crate::commit::Remembered;
use crate::error::StoreError;
use crate::pages::{Page, PageRequest};
use crate::sharing::ListedParticipant;
use crate::{Seen, Stored};

/// Which sessions of the caller a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only those with this status.
    pub status: Option<SessionStatus>,
    /// Whose.
    pub ownership: Ownership,
}

/// Whose sessions a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ownership {
    /// The caller's own and those shared with the caller.
    #[default]
    All,
    /// The caller's own.
    Mine,
    /// Those shared with the caller.
    Shared,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionListItem {
    /// The session.
    pub session: Session,
    /// Its owner's name.
    pub owner_name: Option<String>,
    /// Its owner's address.
    pub owner_email: String,
    /// Where its owner's picture is.
    pub owner_avatar_url: Option<String>,
    /// Who else takes part, oldest first.
    pub participants: Vec<ListedParticipant>,
}

/// A session and what the caller may do in it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionAccess {
    /// The session.
    pub session: Session,
    /// The caller's role; absent when the session is none of the caller's business.
    pub role: Option<SessionRole>,
}

impl SessionAccess {
    /// Whether the session is the caller's own.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.role == Some(SessionRole::Owner)
    }
}

/// A session and what goes on in it, without its transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOverview {
    /// The session and the caller's role.
    pub access: SessionAccess,
    /// What its engine does.
    pub facts: Facts,
    /// How its sandbox is reached from outside.
    pub exposure: Exposure,
    /// How many messages the transcript has.
    pub message_count: u64,
}

/// What is needed to decide whether a session may be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// The caller.
    pub user: User,
    /// How many active sessions the caller owns that no session opened.
    pub active: u32,
    /// What the caller's idempotency key already led to.
    pub remembered: Option<Remembered>,
}

/// What is needed to act in a session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionState {
    /// The session and the caller's role.
    pub access: SessionAccess,
    /// The state of its engine, with the open message.
    pub engine: Stored<Engine>,
    /// What the caller's idempotency key already led to.
    pub remembered: Option<Remembered>,
}

/// A session and its transcript from one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// The session and the caller's role.
    pub access: SessionAccess,
    /// The state of its engine, with the open message.
    pub engine: Stored<Engine>,
    /// The messages in order, the open one as it stands.
    pub messages: Vec<Message>,
    /// The newest entries of the audit log, oldest first.
    pub audit: Vec<AuditEntry>,
    /// The models that the agent offers; absent when it told none.
    pub models: Option<AvailableModels>,
}

/// Which messages of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRange {
    /// Only those whose place is after this one; 0 for all.
    pub after: u64,
    /// At most so many, from the beginning of the range.
    pub limit: u32,
}

/// Which entries of a session's audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// Only those whose number in the session, [`AuditEntry::seq`], is after this one; 0 for all.
    pub after: u64,
    /// At most so many, from the beginning of the rest.
    pub limit: u32,
    /// Only those of this kind.
    pub event_type: Option<String>,
}

/// A command that a runner has not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCommand {
    /// Its number.
    pub number: u64,
    /// What is to be done.
    pub command: Command,
    /// The text of the prompt, for [`Command::Prompt`]: with those that were collected before it, if any were.
    pub content: Option<String>,
}

/// Reads of sessions.
///
/// Where the caller's role in a session is absent, its messages, its audit log and its open message are absent too.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// The sessions that the caller owns or takes part in, newest first.
    async fn sessions(
        &self,
        caller: &TokenHash,
        filter: SessionFilter,
        page: PageRequest,
    ) -> Result<Seen<Page<SessionListItem>>, StoreError>;

    /// One session and the caller's role in it.
    async fn session(&self, caller: &TokenHash, id: &SessionId) -> Result<Seen<Option<SessionAccess>>, StoreError>;

    /// One session and what goes on in it.
    async fn session_overview(
        &self,
        caller: &TokenHash,
        id: &SessionId,
    ) -> Result<Seen<Option<SessionOverview>>, StoreError>;

    /// What is needed to open a session. `key` is the caller's idempotency key; results that have expired at
    /// `now` are absent.
    async fn opening(
        &self,
        caller: &TokenHash,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Seen<Option<Opening>>, StoreError>;

    /// What is needed to act in a session; see [`SessionStore::opening`] for `key` and `now`.
    async fn session_state(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Seen<Option<SessionState>>, StoreError>;

    /// A session with its whole transcript and at most `audit` newest entries of its audit log.
    async fn transcript(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        audit: u32,
    ) -> Result<Seen<Option<Transcript>>, StoreError>;

    /// A session with at most `messages` newest messages of its transcript, and `audit` newest entries of its audit log.
    async fn newest_of_transcript(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        messages: u32,
        audit: u32,
    ) -> Result<Seen<Option<Transcript>>, StoreError>;

    /// What changed in a session after this value of its change counter.
    async fn changes_since(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        seq: u64,
    ) -> Result<Seen<Option<Changes>>, StoreError>;

    /// At most `limit` messages of a session whose places are before this one, the newest of them in order, and the
    /// caller's role; the open message as it stands.
    async fn messages_before(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        before: u64,
        limit: u32,
    ) -> Result<Seen<Option<(SessionAccess, Vec<Message>)>>, StoreError>;

    /// Messages of a session in order, and the caller's role; the open message as it stands.
    async fn messages(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        range: MessageRange,
    ) -> Result<Seen<Option<(SessionAccess, Vec<Message>)>>, StoreError>;

    /// Entries of the audit log of a session in order, and the caller's role.
    async fn audit_log(
        &self,
        caller: &TokenHash,
        id: &SessionId,
        page: AuditPage,
    ) -> Result<Seen<Option<(SessionAccess, Vec<AuditEntry>)>>, StoreError>;

    /// The place of a message in its transcript.
    async fn message_position(&self, session: &SessionId, id: &MessageId) -> Result<Option<u64>, StoreError>;

    /// A message of a session as it is in its row, for the gateway's own work: of the open one that is only its beginning.
    async fn message(&self, session: &SessionId, id: &MessageId) -> Result<Option<Message>, StoreError>;

    /// The messages of a session whose places are from `first` to `last`, at most `limit` of them from the beginning, in
    /// order.
    async fn messages_between(
        &self,
        session: &SessionId,
        first: u64,
        last: u64,
        limit: u32,
    ) -> Result<Vec<MessageId>, StoreError>;

    /// The session and its engine with the open message, for the gateway's own work.
    async fn engine(&self, id: &SessionId) -> Result<Option<(Session, Stored<Engine>)>, StoreError>;

    /// The versions of these engines, in no order; those that do not exist are left out.
    async fn engine_versions(&self, ids: &[SessionId]) -> Result<Vec<(SessionId, u64)>, StoreError>;

    /// At most `limit` commands of a generation with numbers after `after` that the runner has not taken over, in order.
    async fn pending_commands(
        &self,
        id: &SessionId,
        generation: u32,
        after: u64,
        limit: u32,
    ) -> Result<Vec<PendingCommand>, StoreError>;

    /// At most `limit` sessions that have a sandbox or wait for one, with ids after `after`, by id.
    async fn sessions_with_sandbox(&self, after: Option<&SessionId>, limit: u32) -> Result<Vec<SessionId>, StoreError>;
}
