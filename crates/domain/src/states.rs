//! What clients show of a session: states derived from its status, its sandbox, its runner and its queue.

use crate::engine::Engine;
use crate::sessions::SessionStatus;

/// The facts that the states are derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Lifecycle status.
    pub status: SessionStatus,
    /// Whether a sandbox exists.
    pub sandbox: bool,
    /// Whether its runner is connected.
    pub connected: bool,
    /// Whether a turn is going on.
    pub busy: bool,
    /// Whether prompts wait.
    pub queued: bool,
}

impl Facts {
    /// The facts of a session.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        let ended = engine.status.is_ended();
        Self {
            status: engine.status,
            sandbox: engine.has_sandbox() && !ended,
            connected: engine.is_connected() && !ended,
            busy: engine.turn.is_some() && !ended,
            queued: !engine.queue.is_empty() && !ended,
        }
    }

    /// The state of the sandbox, in the words of the wire.
    #[must_use]
    pub fn sandbox_state(&self) -> &'static str {
        match self.status {
            SessionStatus::Error => "error",
            SessionStatus::Terminated | SessionStatus::Archived => "stopped",
            SessionStatus::Hibernating => "hibernating",
            SessionStatus::Hibernated => "hibernated",
            SessionStatus::Restoring => "restoring",
            SessionStatus::Initializing => "starting",
            SessionStatus::Running if self.sandbox => "running",
            SessionStatus::Running if self.queued => "restoring",
            SessionStatus::Running => "stopped",
        }
    }

    /// The state of the agent, in the words of the wire.
    #[must_use]
    pub fn agent_state(&self) -> &'static str {
        match self.status {
            SessionStatus::Error => "error",
            SessionStatus::Terminated | SessionStatus::Archived => "stopped",
            SessionStatus::Hibernating | SessionStatus::Hibernated => "sleeping",
            SessionStatus::Initializing | SessionStatus::Restoring if self.queued => "queued",
            SessionStatus::Initializing | SessionStatus::Restoring => "starting",
            SessionStatus::Running => match (self.connected, self.busy, self.queued) {
                (false, _, true) => "queued",
                (true, true, _) => "busy",
                (true, false, true) => "queued",
                (true, false, false) if self.sandbox => "idle",
                _ => "standby",
            },
        }
    }

    /// Both in one word, for badges.
    #[must_use]
    pub fn joint_state(&self) -> &'static str {
        match (self.agent_state(), self.sandbox_state()) {
            (state @ ("error" | "stopped" | "sleeping"), _) => state,
            (_, "starting") => "starting",
            (_, "restoring") => {
                if self.queued {
                    "waking"
                } else {
                    "starting"
                }
            }
            ("busy", _) => "running_busy",
            ("idle", _) => "running_idle",
            ("queued", "running") => "queued",
            ("queued", _) => "waking",
            _ => "standby",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(facts: Facts) -> [&'static str; 3] {
        [facts.sandbox_state(), facts.agent_state(), facts.joint_state()]
    }

    #[test]
    fn states_follow_from_the_facts() {
        let running =
            Facts { status: SessionStatus::Running, sandbox: true, connected: true, busy: false, queued: false };
        assert_eq!(states(running), ["running", "idle", "running_idle"]);
        assert_eq!(states(Facts { busy: true, ..running }), ["running", "busy", "running_busy"]);
        assert_eq!(states(Facts { connected: false, queued: true, ..running }), ["running", "queued", "queued"]);
        assert_eq!(states(Facts { connected: false, ..running }), ["running", "standby", "standby"]);
        let gone = Facts { sandbox: false, connected: false, ..running };
        assert_eq!(states(Facts { queued: true, ..gone }), ["restoring", "queued", "waking"]);
        let starting = Facts { status: SessionStatus::Initializing, ..gone };
        assert_eq!(states(starting), ["starting", "starting", "starting"]);
        assert_eq!(states(Facts { status: SessionStatus::Error, ..running }), ["error", "error", "error"]);
    }
}
