//! Sessions that a session opens. They belong to the same owner, open none themselves, tell their parent how they fare,
//! and end with it.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};

use crate::ids::SessionId;

/// How many children of a session may live at once where the operator does not say.
pub const DEFAULT_LIVE_CHILDREN: u32 = 10;

/// Most messages that are read of another session at once, or copied from it.
pub const MAX_MESSAGES: u32 = 100;

/// What stands beside notices of children.
pub const AVATAR_KEY: &str = "child-session";

/// What a child tells its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub enum ChildEvent {
    /// It has done what it was told.
    Idle,
    /// Somebody ended it.
    Completed,
    /// Something failed in it; it goes on.
    Error {
        /// What.
        error: String,
    },
    /// It ended because something failed.
    Failed {
        /// What.
        error: String,
    },
}

tagged!(ChildEvent, "event");

impl ChildEvent {
    /// What kind of thing happened, as the parent's audit log has it.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Idle => "child.idle",
            Self::Completed => "child.completed",
            Self::Error { .. } => "child.error",
            Self::Failed { .. } => "child.failed",
        }
    }

    /// In a few words, for people.
    #[must_use]
    pub fn title(&self, child: &SessionName) -> String {
        let what = match self {
            Self::Idle => "is idle",
            Self::Completed => "was ended",
            Self::Error { .. } => "reported an error",
            Self::Failed { .. } => "failed",
        };
        format!("{} {what}", child.name)
    }

    /// In words, for the parent's agent.
    #[must_use]
    pub fn text(&self, child: &SessionName) -> String {
        let SessionName { id, name } = child;
        match self {
            Self::Idle => format!("Child session \"{name}\" ({id}) is idle: it has done what it was told."),
            Self::Completed => format!("Child session \"{name}\" ({id}) was ended."),
            Self::Error { error } => format!("Child session \"{name}\" ({id}) reported an error: {error}"),
            Self::Failed { error } => format!("Child session \"{name}\" ({id}) failed and has ended: {error}"),
        }
    }
}

/// Why a parent ends a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentStop {
    /// It wants nothing more of it.
    Wanted,
    /// It has ended itself.
    ParentEnded,
}

/// A session as it is told to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionName {
    /// The session.
    pub id: SessionId,
    /// How people call it: its title, or else its workspace.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_with_the_name_and_the_id_of_the_child() {
        let child = SessionName { id: SessionId::parse("c1").unwrap(), name: "Fix it".to_owned() };
        let failed = ChildEvent::Failed { error: "no agent".to_owned() };
        assert_eq!(failed.title(&child), "Fix it failed");
        assert_eq!(failed.text(&child), "Child session \"Fix it\" (c1) failed and has ended: no agent");
    }

    #[test]
    fn an_event_is_read_back() {
        let event = ChildEvent::Error { error: "oh".to_owned() };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(text, r#"{"event":"error","error":"oh"}"#);
        assert_eq!(serde_json::from_str::<ChildEvent>(&text).unwrap(), event);
        assert_eq!(serde_json::to_string(&ChildEvent::Idle).unwrap(), r#"{"event":"idle"}"#);
    }
}
