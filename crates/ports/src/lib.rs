//! The traits that services need from the world. Their documentation is the contract that every adapter keeps and the
//! conformance suite checks.
//!
//! # What there is to implement
//!
//! | trait | what it stands for | whoever runs Portway has |
//! |---|---|---|
//! | [`Sandboxes`](sandboxes::Sandboxes) | places for agents to work in | processes of the machine, or another machine's over HTTP |
//! | [`Store`] | everything that is kept, as a bundle of smaller traits | SQLite or Postgres |
//! | [`ObjectStore`](objects::ObjectStore) | bytes of any size, by key | a folder, an S3-compatible service, or memory |
//! | [`Health`](health::Health) | whether the store can be used | the same |
//! | [`PubSub`](pubsub::PubSub) | hints for those who watch | queues in the process |
//! | [`RateLimiter`](rates::RateLimiter) | what callers have left of their limits | numbers in the process |
//! | [`Clock`](system::Clock), [`Entropy`](system::Entropy), [`Spawner`](system::Spawner) | time, randomness, tasks | the operating system and tokio |
//!
//! A program that embeds Portway usually brings sandboxes at the most, such as containers of its own; a test brings
//! whatever it wants to command. A store of one's own is checked with the suite in the crate `portway-conformance`.
//!
//! # An adapter
//!
//! Adapters are values with a few async methods, so they are easily wrapped. This one lets only so many sandboxes live
//! at once, wherever they are:
//!
//! ```
//! use std::collections::HashSet;
//! use std::sync::{Arc, Mutex, PoisonError};
//!
//! use async_trait::async_trait;
//! use portway_domain::ids::SessionId;
//! use portway_ports::sandboxes::{SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
//!
//! struct AtMost {
//!     limit: usize,
//!     sandboxes: Arc<dyn Sandboxes>,
//!     started: Mutex<HashSet<SessionId>>,
//! }
//!
//! impl AtMost {
//!     /// Whether there is room for the session, which is taken from then on.
//!     fn takes(&self, session: &SessionId) -> bool {
//!         let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
//!         let room = started.len() < self.limit || started.contains(session);
//!         if room {
//!             started.insert(session.clone());
//!         }
//!         room
//!     }
//!
//!     fn leave(&self, session: &SessionId) {
//!         self.started.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
//!     }
//! }
//!
//! #[async_trait]
//! impl Sandboxes for AtMost {
//!     async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
//!         let session = order.session.clone();
//!         if !self.takes(&session) {
//!             // It is tried again some times; `Refused` would end the session at once.
//!             return Err(SandboxError::Unavailable("all sandboxes are taken".to_owned()));
//!         }
//!         let started = self.sandboxes.start(order).await;
//!         if started.is_err() {
//!             self.leave(&session);
//!         }
//!         started
//!     }
//!
//!     async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError> {
//!         self.sandboxes.stop(sandbox).await?;
//!         self.leave(&sandbox.session);
//!         Ok(())
//!     }
//!
//!     async fn is_alive(&self, sandbox: &SandboxRef) -> Result<bool, SandboxError> {
//!         self.sandboxes.is_alive(sandbox).await
//!     }
//!
//!     async fn ended(&self, sandbox: &SandboxRef) -> String {
//!         let how = self.sandboxes.ended(sandbox).await;
//!         self.leave(&sandbox.session);
//!         how
//!     }
//! }
//! ```
//!
//! # Rules
//!
//! * Absence is `None`, a lost race is an outcome ([`commit::Commit::Conflict`]); only failure is an error.
//! * Reads take the hash of the caller's token and answer who that is together with the rows ([`Seen`]), from one
//!   snapshot: no rows without the caller, no second round trip.
//! * Everything that is written goes through [`commit::Committer::commit`]: all or nothing, with guards. There is no
//!   transaction to hold open.
//! * Traits are object safe and their futures are `Send` on every target.
//! * A future that its documentation allows to be dropped early loses nothing when it is; others are awaited to their end.
//! * No trait speaks of HTTP, of a database or of a vendor.

pub mod attachments;
pub mod changes;
pub mod children;
pub mod commit;
pub mod diagnosis;
pub mod error;
pub mod health;
pub mod idempotency;
pub mod mcp_sessions;
pub mod memories;
pub mod models;
pub mod nodes;
pub mod objects;
pub mod pages;
pub mod presence;
pub mod pubsub;
pub mod rates;
pub mod sandboxes;
pub mod search;
pub mod sessions;
pub mod shared_text;
pub mod sharing;
pub mod system;
pub mod users;
pub mod work;
pub mod workspaces;

use portway_domain::access::Principal;

pub use self::error::StoreError;

/// Rows, and who asked for them, from one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<T> {
    /// Whose token was presented; `None` when no token with that hash exists or it was revoked. Whether it is still
    /// valid at the time of the request is for the caller of the port to check.
    pub caller: Option<Principal>,
    /// The rows. When `caller` is `None` they are empty or absent.
    pub value: T,
}

/// Something stored, with the version to name when changing it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    /// Version of the row.
    pub version: u64,
    /// What it holds.
    pub value: T,
}

/// Everything that is kept: one object for all storage ports.
pub trait Store:
    attachments::AttachmentStore
    + children::ChildStore
    + commit::Committer
    + diagnosis::Diagnosis
    + idempotency::IdempotencyStore
    + mcp_sessions::McpSessionStore
    + memories::MemoryStore
    + models::ModelStore
    + nodes::NodeStore
    + presence::PresenceStore
    + search::SearchStore
    + sessions::SessionStore
    + sharing::SharingStore
    + users::UserStore
    + work::WorkStore
    + workspaces::WorkspaceStore
{
}

impl<T> Store for T where
    T: attachments::AttachmentStore
        + children::ChildStore
        + commit::Committer
        + diagnosis::Diagnosis
        + idempotency::IdempotencyStore
        + mcp_sessions::McpSessionStore
        + memories::MemoryStore
        + models::ModelStore
        + nodes::NodeStore
        + presence::PresenceStore
        + search::SearchStore
        + sessions::SessionStore
        + sharing::SharingStore
        + users::UserStore
        + work::WorkStore
        + workspaces::WorkspaceStore
{
}
