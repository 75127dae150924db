//! Durable background work.

use portway_tagged::tagged;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::children::ChildEvent;
use crate::ids::{JobId, NodeId, SandboxId, SessionId};
use crate::time::Timestamp;

/// How often a job is tried before it is given up.
pub const MAX_ATTEMPTS: u32 = 8;

/// How long a claimed job belongs to whoever claimed it.
pub const LEASE: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub enum Work {
    /// Start the sandbox of a generation of a session.
    StartSandbox {
        /// The session.
        session: SessionId,
        /// The generation.
        generation: u32,
    },
    /// Put the sandbox of a generation of a session away, so that a later one goes on with its files.
    HibernateSandbox {
        /// The session.
        session: SessionId,
        /// The generation.
        generation: u32,
        /// How its backend calls it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sandbox: Option<SandboxId>,
    },
    /// Tell a session what one that it opened has to say.
    TellParent {
        /// The session that is told.
        parent: SessionId,
        /// The one that has something to say.
        child: SessionId,
        /// What.
        event: ChildEvent,
    },
    /// End the sessions that one opened which has ended.
    StopChildren {
        /// The session that has ended.
        session: SessionId,
    },
    /// Delete a session that has ended with all that is kept of it, and those that it opened.
    DeleteSession {
        /// The session.
        session: SessionId,
    },
    /// Remove the sandbox of a generation of a session.
    StopSandbox {
        /// The session.
        session: SessionId,
        /// The generation.
        generation: u32,
        /// How its backend calls it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sandbox: Option<SandboxId>,
    },
}

tagged!(Work, "kind");

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What is to be done.
    pub work: Work,
    /// The only node that can do it, for as long as that node is there; any can if absent.
    pub node: Option<NodeId>,
    /// How often it was claimed. Whoever completes it names the attempt, so that one whose lease ran out cannot.
    pub attempts: u32,
    /// When it may be claimed.
    pub run_at: Timestamp,
}

/// How long to wait after the given attempt failed: one second, doubled each time, at most five minutes.
#[must_use]
pub fn backoff(attempts: u32) -> Duration {
    Duration::from_secs(1u64 << attempts.saturating_sub(1).min(9)).min(Duration::from_secs(300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_five_minutes() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 9, 10, 40].iter().map(|n| backoff(*n).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 256, 300, 300]);
    }
}
