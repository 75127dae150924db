//! What clients show of a session: states derived from its status, its sandbox, its runner and its queue.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::engine::Engine;
use crate::sessions::SessionStatus;
use crate::tunnels::Exposure;

/// The facts that the states are derived from. They can be read from the stored form of an [`Engine`], which costs less
/// than reading all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "Stored")]
pub struct Facts {
    /// Lifecycle status.
    pub status: SessionStatus,
    /// Counts starts of sandboxes; 0 before the first.
    pub generation: u32,
    /// Whether a sandbox exists.
    pub sandbox: bool,
    /// Whether its runner is connected.
    pub connected: bool,
    /// Whether a turn is going on.
    pub busy: bool,
    /// How many prompts wait.
    pub queued: usize,
}

/// What is shown of a session that goes on, read from the stored form of its [`Engine`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Stored")]
pub struct LiveState {
    /// What the states are derived from.
    pub facts: Facts,
    /// How its sandbox is reached.
    pub exposure: Exposure,
}

/// The part of a stored engine that is shown.
#[derive(Deserialize)]
struct Stored {
    status: SessionStatus,
    runner: StoredRunner,
    turn: Option<IgnoredAny>,
    queue: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct StoredRunner {
    generation: u32,
    link: StoredLink,
    #[serde(default)]
    exposure: Exposure,
}

#[derive(Deserialize)]
struct StoredLink {
    state: LinkState,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum LinkState {
    None,
    Starting,
    Connected,
    Lost,
    Parting,
}

impl From<Stored> for LiveState {
    fn from(mut stored: Stored) -> Self {
        let exposure = std::mem::take(&mut stored.runner.exposure);
        Self { facts: stored.into(), exposure }
    }
}

impl From<Stored> for Facts {
    fn from(stored: Stored) -> Self {
        let Stored { status, runner, turn, queue } = stored;
        let (sandbox, connected) = match runner.link.state {
            LinkState::None => (false, false),
            LinkState::Starting | LinkState::Lost | LinkState::Parting => (true, false),
            LinkState::Connected => (true, true),
        };
        Self { status, generation: runner.generation, sandbox, connected, busy: turn.is_some(), queued: queue.len() }
            .after_the_end()
    }
}

impl Facts {
    /// The facts of a session.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        Self {
            status: engine.status,
            generation: engine.runner.generation,
            sandbox: engine.has_sandbox(),
            connected: engine.is_connected(),
            busy: engine.turn.is_some(),
            queued: engine.queue.len(),
        }
        .after_the_end()
    }

    /// Nothing is shown to go on in a session that has ended.
    fn after_the_end(self) -> Self {
        if !self.status.is_ended() {
            return self;
        }
        Self { sandbox: false, connected: false, busy: false, queued: 0, ..self }
    }

    /// Whether prompts wait.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        self.queued > 0
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
            SessionStatus::Running if self.has_queued() => "restoring",
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
            SessionStatus::Initializing | SessionStatus::Restoring if self.has_queued() => "queued",
            SessionStatus::Initializing | SessionStatus::Restoring => "starting",
            SessionStatus::Running => match (self.connected, self.busy, self.has_queued()) {
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
                if self.has_queued() {
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
        let running = Facts {
            status: SessionStatus::Running,
            generation: 1,
            sandbox: true,
            connected: true,
            busy: false,
            queued: 0,
        };
        assert_eq!(states(running), ["running", "idle", "running_idle"]);
        assert_eq!(states(Facts { busy: true, ..running }), ["running", "busy", "running_busy"]);
        assert_eq!(states(Facts { connected: false, queued: 1, ..running }), ["running", "queued", "queued"]);
        assert_eq!(states(Facts { connected: false, ..running }), ["running", "standby", "standby"]);
        let gone = Facts { sandbox: false, connected: false, ..running };
        assert_eq!(states(Facts { queued: 1, ..gone }), ["restoring", "queued", "waking"]);
        let starting = Facts { status: SessionStatus::Initializing, ..gone };
        assert_eq!(states(starting), ["starting", "starting", "starting"]);
        assert_eq!(states(Facts { status: SessionStatus::Error, ..running }), ["error", "error", "error"]);
    }
}
