//! Sessions and their lifecycle.

use serde::{Deserialize, Serialize};

use crate::ids::{SessionId, UserId};
use crate::time::Timestamp;

/// Longest name for what is worked on, in characters.
pub const MAX_WORKSPACE_CHARS: usize = 100;

/// Longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 200;

/// Longest name of a model, in characters.
pub const MAX_MODEL_CHARS: usize = 255;

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// Its sandbox is being made.
    Initializing,
    /// It takes prompts.
    Running,
    /// Its sandbox is being put away.
    Hibernating,
    /// It rests without a sandbox.
    Hibernated,
    /// Its sandbox is being brought back.
    Restoring,
    /// Somebody ended it.
    Terminated,
    /// It was ended long ago and its files are gone.
    Archived,
    /// It failed for good.
    Error,
}

impl SessionStatus {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Initializing,
        Self::Running,
        Self::Hibernating,
        Self::Hibernated,
        Self::Restoring,
        Self::Terminated,
        Self::Archived,
        Self::Error,
    ];

    /// The ones that count against a user's limit of active sessions.
    pub const ACTIVE: [Self; 3] = [Self::Initializing, Self::Running, Self::Restoring];

    /// The ones of a session that has not ended.
    pub const LIVE: [Self; 5] =
        [Self::Initializing, Self::Running, Self::Hibernating, Self::Hibernated, Self::Restoring];

    /// The status' name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Running => "running",
            Self::Hibernating => "hibernating",
            Self::Hibernated => "hibernated",
            Self::Restoring => "restoring",
            Self::Terminated => "terminated",
            Self::Archived => "archived",
            Self::Error => "error",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether the session takes nothing more.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Terminated | Self::Archived | Self::Error)
    }

    /// Whether a session may go from this status to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use SessionStatus as S;
        let allowed: &[Self] = match self {
            S::Initializing => &[S::Running, S::Error, S::Terminated],
            S::Running => &[S::Hibernating, S::Terminated, S::Error],
            S::Hibernating => &[S::Hibernated, S::Terminated, S::Error],
            S::Hibernated => &[S::Restoring, S::Terminated, S::Initializing],
            S::Restoring => &[S::Running, S::Error, S::Terminated],
            S::Error => &[S::Terminated, S::Archived, S::Initializing],
            S::Terminated => &[S::Archived, S::Initializing],
            S::Archived => &[],
        };
        allowed.contains(&next)
    }
}

/// What happens to a prompt while the agent is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueMode {
    /// It waits for the end of the turn.
    #[default]
    Followup,
    /// It aborts the turn and goes next.
    Steer,
    /// It is held back until nobody has said another one for a moment, and goes together with them.
    Collect,
}

impl QueueMode {
    /// The mode's name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Followup => "followup",
            Self::Steer => "steer",
            Self::Collect => "collect",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Followup, Self::Steer, Self::Collect].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// A session's row: what lists and access checks need. What goes on in it is its [`crate::engine::Engine`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who owns it.
    pub owner: UserId,
    /// A name for what is worked on; 1 to 100 characters.
    pub workspace: String,
    /// Where it is in its life.
    pub status: SessionStatus,
    /// Its title; at most 200 characters.
    pub title: Option<String>,
    /// Name of the configured agent that works in it.
    pub agent: String,
    /// The folder the agent works in; a folder of its own if absent.
    pub directory: Option<String>,
    /// What the client attached at creation, as JSON text.
    pub metadata: Option<String>,
    /// Why the status is [`SessionStatus::Error`].
    pub error_message: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its status, title or last turn changed.
    pub last_active_at: Timestamp,
    /// The session that opened it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_sessions_never_come_back_to_work_by_themselves() {
        for from in [SessionStatus::Terminated, SessionStatus::Archived, SessionStatus::Error] {
            assert!(from.is_ended());
            assert!(!from.may_become(SessionStatus::Running));
        }
        assert!(SessionStatus::ALL.iter().all(|to| !SessionStatus::Archived.may_become(*to)));
        let live = SessionStatus::ALL.into_iter().filter(|status| !status.is_ended());
        assert!(live.eq(SessionStatus::LIVE));
    }

    #[test]
    fn every_other_status_can_be_terminated() {
        for from in SessionStatus::ALL {
            let expected = !matches!(from, SessionStatus::Terminated | SessionStatus::Archived);
            assert_eq!(from.may_become(SessionStatus::Terminated), expected, "{from:?}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for status in SessionStatus::ALL {
            assert_eq!(SessionStatus::from_name(status.as_str()), Some(status));
        }
        for mode in [QueueMode::Followup, QueueMode::Steer, QueueMode::Collect] {
            assert_eq!(QueueMode::from_name(mode.as_str()), Some(mode));
        }
    }
}
