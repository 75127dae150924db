//! Use cases of Portway: each loads through ports, decides in [`portway_domain`], and commits one change set.
//!
//! [`Services`] is all of them together; a host builds one and gives it to the `api` crate. Nothing here knows HTTP, a
//! database or a runtime: time, randomness, tasks and sandboxes are ports.
//!
//! * [`context`]: what every operation knows about its request.
//! * [`steps`]: how an event reaches a session's engine, from whichever node it comes.
//! * The other modules are one concern each, under the name that it has in every crate.

pub mod context;
pub mod deadlines;
pub mod error;
pub mod health;
mod idempotency;
pub mod identity;
pub mod jobs;
mod locks;
pub mod presence;
pub mod prompts;
pub mod recovery;
pub mod runners;
pub mod sessions;
pub mod steps;
#[cfg(test)]
mod tests;
pub mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use portway_ports::Store;
use portway_ports::health::Health;
use portway_ports::pubsub::PubSub;
use portway_ports::sandboxes::{AgentCommand, Sandboxes};
use portway_ports::system::{Clock, Entropy, Spawner};
use tokio::sync::Notify;

pub use self::context::Context;
pub use self::error::Error;

/// What the services need from the world.
#[derive(Clone)]
pub struct Ports {
    /// Everything that is kept.
    pub store: Arc<dyn Store>,
    /// Whether the store can be used.
    pub health: Arc<dyn Health>,
    /// Hints.
    pub pubsub: Arc<dyn PubSub>,
    /// Where agents work.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Background work.
    pub spawner: Arc<dyn Spawner>,
}

/// Choices of the operator.
#[derive(Debug, Clone)]
pub struct Options {
    /// The agents that sessions can be opened with, by name.
    pub agents: BTreeMap<String, AgentCommand>,
    /// The agent of a session that names none. It is one of `agents`.
    pub default_agent: String,
    /// How long things in a session may take.
    pub timeouts: portway_domain::engine::Timeouts,
}

/// All use cases.
pub struct Services {
    pub(crate) ports: Ports,
    pub(crate) options: Options,
    pub(crate) locks: locks::SessionLocks,
    pub(crate) presence: presence::PresenceList,
    pub(crate) new_work: Notify,
    pub(crate) last_probe: health::LastProbe,
}

impl Services {
    /// Puts the use cases on top of their ports.
    #[must_use]
    pub fn new(ports: Ports, options: Options) -> Self {
        Self {
            ports,
            options,
            locks: locks::SessionLocks::default(),
            presence: presence::PresenceList::default(),
            new_work: Notify::new(),
            last_probe: health::LastProbe::default(),
        }
    }

    /// The clock that the services go by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.ports.clock
    }

    /// The source of randomness that the services draw from.
    #[must_use]
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.ports.entropy
    }

    /// The agent of a session that names none.
    #[must_use]
    pub fn default_agent(&self) -> &str {
        &self.options.default_agent
    }

    /// Whether agents are at work in sessions that this process looks after.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.locks.held() > 0
    }

    /// Names of the agents that sessions can be opened with.
    pub fn agent_names(&self) -> impl Iterator<Item = &str> {
        self.options.agents.keys().map(String::as_str)
    }
}
