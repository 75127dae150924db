//! Use cases of Portway: each loads through ports, decides in [`portway_domain`], and commits one change set.
//!
//! [`Services`] is all of them together; a host builds one and gives it to the `api` crate. Nothing here knows HTTP, a
//! database or a runtime: time, randomness, tasks and sandboxes are ports.
//!
//! # Calling them
//!
//! Whatever the API offers is a method of [`Services`]. It takes a [`Context`], which says on whose behalf the call is made;
//! [`Services::context`] makes one of an API key. What comes back is durable. What an agent does about it comes later:
//! watch the session, and read its state whenever something was told.
//!
//! ```
//! use portway_domain::access::{Permission, SessionRole};
//! use portway_domain::messages::Message;
//! use portway_domain::tokens::TokenSecret;
//! use portway_services::prompts::NewPrompt;
//! use portway_services::sessions::NewSession;
//! use portway_services::{Error, Services};
//!
//! /// Has the default agent answer a question, and returns the whole transcript.
//! async fn ask(services: &Services, key: &TokenSecret, question: &str) -> Result<Vec<Message>, Error> {
//!     let new = NewSession { workspace: "questions".to_owned(), ..NewSession::default() };
//!     let session = services.open_session(&services.context(key, Permission::SignedIn), new).await?.id;
//!
//!     let collaborator = services.context(key, Permission::Session(SessionRole::Collaborator));
//!     let prompt = NewPrompt { content: question.to_owned(), ..NewPrompt::default() };
//!     services.prompt(&collaborator, &session, prompt).await?;
//!
//!     let viewer = || services.context(key, Permission::Session(SessionRole::Viewer));
//!     let mut watch = services.watch_session(&viewer(), &session).await?;
//!     loop {
//!         let (_, transcript) = services.transcript(&viewer(), &session).await?;
//!         let engine = &transcript.engine.value;
//!         let answered = engine.turn.is_none() && engine.queue.is_empty();
//!         // `None` comes when the gateway goes down.
//!         if answered || watch.subscription.next().await.is_none() {
//!             return Ok(transcript.messages);
//!         }
//!     }
//! }
//! ```
//!
//! # Building them
//!
//! [`Services::new`] takes the [`Ports`] and the [`Options`]. Before anything else, [`Services::bootstrap`] makes the first
//! administrator in an empty store, and [`Services::recover`] takes over what an earlier process left behind. Two loops
//! then do the work that sessions order, on tasks of the host's: [`Services::run_jobs`] and [`Services::run_deadlines`].
//! Where several nodes share a store, [`Services::run_node`] is a third. A host without loops calls [`Services::tick`] now
//! and then, and [`Services::start_due_jobs`] when work was ordered.
//! [`Services::fill_search_index`] runs beside them until what is older than the search index is in it.
//! [`Services::run_object_sweep`] removes attachments that nothing refers to, [`Services::run_expiry_sweep`] what has expired.
//! The crate `portway-host-node` does all this in `portway::Gateway`.
//!
//! # Being a runner
//!
//! A runner is what sits beside an agent. Most connect over the session's socket; one in the same process says the same with
//! plain calls: [`Services::runner_connected`] first, then [`Services::pending_commands`] and
//! [`Services::commands_taken`] for what it is to do, [`Services::runner_reported`] for what happened, and
//! [`Services::watch_commands`] to wait for more. What its agent wants of other sessions is in [`agent_requests`].
//!
//! # Where what is
//!
//! * [`context`]: what every operation knows about its request.
//! * [`steps`]: how an event reaches a session's engine, from whichever node it comes.
//! * The other modules are one concern each, under the name that it has in every crate.

pub mod agent_memories;
pub mod agent_requests;
pub mod attachments;
pub mod children;
pub mod context;
pub mod deadlines;
pub mod deletion;
pub mod error;
pub mod expiry;
pub mod health;
mod idempotency;
pub mod identity;
pub mod jobs;
pub mod kept_answers;
pub mod legacy_runners;
mod locks;
pub mod mcp_sessions;
pub mod memories;
pub mod metrics;
pub mod models;
pub mod nodes;
pub mod presence;
pub mod prompts;
pub mod recovery;
pub mod resuming;
mod reverts;
pub mod runner_requests;
pub mod runners;
pub mod sandbox_tokens;
pub mod screenshots;
pub mod search;
mod session_updates;
pub mod sessions;
pub mod sharing;
pub mod sign_ins;
pub mod steps;
#[cfg(test)]
mod tests;
pub mod ticks;
pub mod tunnels;
mod unpublished;
pub mod watch;
pub mod workspaces;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use portway_domain::access::Permission;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::sandbox_tokens::SandboxRootKey;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenSecret;
use portway_ports::Store;
use portway_ports::health::Health;
use portway_ports::objects::ObjectStore;
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
    /// Bytes that are too many for rows.
    pub objects: Arc<dyn ObjectStore>,
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
    /// How many children of a session may live at once.
    pub max_children: u32,
}

/// What is told when a session has to be asked again, see [`Services::ask_session`]: for a host that wakes up by an alarm.
pub type Alarm = Arc<dyn Fn(&SessionId, Option<Timestamp>) + Send + Sync>;

/// All use cases.
pub struct Services {
    pub(crate) ports: Ports,
    pub(crate) options: Options,
    pub(crate) node: NodeId,
    /// Whether other processes are the same node.
    pub(crate) is_beside_others: bool,
    pub(crate) alarm: Option<Alarm>,
    pub(crate) sandbox_root_key: Option<SandboxRootKey>,
    /// Whether there may be other nodes on the store.
    pub(crate) is_shared: AtomicBool,
    /// Whether there were other nodes on the store when that was last looked at.
    pub(crate) has_neighbours: AtomicBool,
    /// Whether this node puts its sandboxes away.
    pub(crate) is_leaving: AtomicBool,
    pub(crate) locks: locks::SessionLocks,
    pub(crate) presence: presence::PresenceList,
    pub(crate) visits: session_updates::Visits,
    pub(crate) event_sockets: sign_ins::EventSockets,
    pub(crate) open_requests: Arc<runner_requests::OpenRequests>,
    pub(crate) new_work: Notify,
    pub(crate) last_probe: health::LastProbe,
    pub(crate) counters: metrics::Counters,
    pub(crate) last_census: metrics::LastCensus,
}

impl Services {
    /// Puts the use cases on top of their ports, as a node that never was there before.
    #[must_use]
    pub fn new(ports: Ports, options: Options) -> Self {
        let now = ports.clock.now();
        let node = ports.entropy.ids(now).draw();
        Self {
            node,
            is_beside_others: false,
            alarm: None,
            sandbox_root_key: None,
            is_shared: AtomicBool::new(false),
            has_neighbours: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            ports,
            options,
            locks: locks::SessionLocks::default(),
            presence: presence::PresenceList::new(now),
            visits: session_updates::Visits::default(),
            event_sockets: sign_ins::EventSockets::default(),
            open_requests: Arc::default(),
            new_work: Notify::new(),
            last_probe: health::LastProbe::default(),
            counters: metrics::Counters::default(),
            last_census: metrics::LastCensus::default(),
        }
    }

    /// The same as a node that may have been there before: sandboxes that it took on are its own.
    #[must_use]
    pub fn as_node(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    /// The same beside other processes that are the same node: what was committed here last may be outdated, and sockets
    /// may be open there.
    #[must_use]
    pub fn beside_others(self) -> Self {
        Self { is_beside_others: true, ..self }
    }

    /// The same that tells after every step of a session when it has to be asked again.
    #[must_use]
    pub fn with_alarm(self, alarm: Alarm) -> Self {
        Self { alarm: Some(alarm), ..self }
    }

    /// The same with tokens for sandboxes, which follow from this key. Nodes that share a store need the same one.
    #[must_use]
    pub fn with_sandbox_root_key(self, key: Option<SandboxRootKey>) -> Self {
        Self { sandbox_root_key: key, ..self }
    }

    /// The clock that the services go by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.ports.clock
    }

    /// Where work goes on behind an answer.
    #[must_use]
    pub fn spawner(&self) -> &Arc<dyn Spawner> {
        &self.ports.spawner
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

    /// The context of a call that a program makes itself, as the owner of `token`. `permission` is what the operation
    /// demands of the caller: the role in a session that the call is made for, or [`Permission::SignedIn`] where there is
    /// no session.
    ///
    /// One context is for one call, since its ids are drawn from it. The call counts as coming from elsewhere: set
    /// [`Context::local`] if whoever is behind it sits at this machine.
    #[must_use]
    pub fn context(&self, token: &TokenSecret, permission: Permission) -> Context {
        let mut moment = self.moment();
        Context {
            credential: Some(token.hash()),
            permission,
            request_id: moment.ids.draw_text(),
            now: moment.now,
            ids: moment.ids,
            idempotency: None,
            local: false,
            base_url: "http://localhost".to_owned(),
            caller: context::CallerSlot::default(),
        }
    }

    /// Ready once work is ordered in this process from now on: for a host without a loop, which then calls
    /// [`Services::start_due_jobs`].
    pub fn work_ordered(&self) -> impl Future<Output = ()> + Send + '_ {
        self.new_work.notified()
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
