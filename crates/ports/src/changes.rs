//! What a client that was away has missed.

use portway_domain::engine::{AuditEntry, Engine};
use portway_domain::ids::MessageId;
use portway_domain::messages::Message;
use portway_domain::models::AvailableModels;
use portway_domain::questions::{Question, Resolution};
use portway_domain::workspaces::{GitState, KeptFile};

use crate::Stored;
use crate::sessions::SessionAccess;

/// Most items of one kind that are read as changes. So many removals of a session are remembered at least, the newest
/// ones: where fewer than that are found after some place, none of those after it was forgotten.
pub const MAX_CHANGES: u32 = 500;

/// What changed in a session after a value of its change counter, from one snapshot. Each list that is
/// counted has at most [`MAX_CHANGES`] items; one that has as many may not be all. The files are always all.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The session and the caller's role.
    pub access: SessionAccess,
    /// The state of its engine, with the open message.
    pub engine: Stored<Engine>,
    /// The messages that are new or changed, in order; also the open one as it stands, whose text has no counter.
    pub messages: Vec<Message>,
    /// The messages that were removed, in the order of that. One that is in `messages` as well came back.
    pub removed: Vec<MessageId>,
    /// The questions that were closed, in the order of that.
    pub closed: Vec<ClosedQuestion>,
    /// The new entries of the audit log, in order.
    pub audit: Vec<AuditEntry>,
    /// What git says of the workspace, if it said something new.
    pub git: Option<GitState>,
    /// All files of the workspace that differ, by path, if they were reported anew.
    pub files: Option<Vec<KeptFile>>,
    /// The models that the agent offers, if they are others.
    pub models: Option<AvailableModels>,
}

/// A question that is not open any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedQuestion {
    /// The question.
    pub question: Question,
    /// What the agent was told.
    pub resolution: Resolution,
    /// Whether nobody answered in time, or nobody was asked any more.
    pub is_expired: bool,
}

impl Changes {
    /// Whether every list is all of its kind.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let lengths = [self.messages.len(), self.removed.len(), self.closed.len(), self.audit.len()];
        lengths.into_iter().all(|length| length < MAX_CHANGES as usize)
    }
}
