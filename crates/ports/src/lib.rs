//! The traits that services need from the world. Their documentation is the contract that every adapter keeps and the
//! conformance suite checks.
//!
//! # Rules
//!
//! * Absence is `None`, a lost race is an outcome ([`commit::Commit::Conflict`]); only failure is an error.
//! * Reads take the hash of the caller's token and answer who that is together with the rows ([`Seen`]), from one
//!   snapshot: no rows without the caller, no second round trip.
//! * Everything that is written goes through [`commit::Committer::commit`]: all or nothing, with guards. There is no
//!   transaction to hold open.
//! * Traits are object safe and their futures are `Send` on every target.
//! * No trait speaks of HTTP, of a database or of a vendor.

pub mod commit;
pub mod error;
pub mod health;
pub mod pages;
pub mod pubsub;
pub mod sandboxes;
pub mod sessions;
pub mod system;
pub mod users;
pub mod work;

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
pub trait Store: commit::Committer + sessions::SessionStore + users::UserStore + work::WorkStore {}

impl<T: commit::Committer + sessions::SessionStore + users::UserStore + work::WorkStore> Store for T {}
