//! What every operation knows about its request.

use std::sync::{Arc, OnceLock};

use portway_domain::access::{Permission, Principal};
use portway_domain::ids::{IdStream, UserId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;

use crate::error::Error;

/// One request, as an operation sees it. Time and ids are drawn once, before any attempt, so that an attempt which is
/// repeated after a lost race writes the same rows.
#[derive(Debug, Clone)]
pub struct Context {
    /// Hash of the token that was presented; who that is, the operation's own read finds out.
    pub credential: Option<TokenHash>,
    /// What the operation demands, from its row of the operation table.
    pub permission: Permission,
    /// Id of the request, for logs and error bodies.
    pub request_id: String,
    /// When the request came.
    pub now: Timestamp,
    /// Where new ids come from.
    pub ids: IdStream,
    /// The caller's key for doing this at most once.
    pub idempotency: Option<IdempotencyKey>,
    /// Whether the request came from this very machine, without a proxy in between.
    pub local: bool,
    /// Scheme and authority under which the caller reached the gateway, without a trailing slash.
    pub base_url: String,
    /// Where it is noted who the caller turned out to be.
    pub caller: CallerSlot,
}

/// Takes a note of who the caller of a request is, as soon as that is known. Clones share the note, so whoever logs the
/// request can read it afterwards.
#[derive(Debug, Clone, Default)]
pub struct CallerSlot(Arc<OnceLock<UserId>>);

impl CallerSlot {
    /// The caller, if the request came far enough to find out.
    #[must_use]
    pub fn get(&self) -> Option<&UserId> {
        self.0.get()
    }
}

/// A caller's key for doing something at most once, kept for 24 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key: 1 to 255 printable ASCII characters.
    pub key: String,
    /// SHA-256 of operation and input, in hexadecimal: another request under the same key is refused.
    pub digest: String,
}

impl Context {
    /// Lets the caller in, or says why not. Roles in a session are checked by the services that load the session.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token; [`Error::Forbidden`] when the operation is for administrators.
    pub fn admit(&self, caller: Option<Principal>) -> Result<Principal, Error> {
        let principal = caller.filter(|principal| principal.is_valid_at(self.now)).ok_or(Error::Unauthorized)?;
        self.caller.0.get_or_init(|| principal.user.clone());
        if !self.permission.is_open_to(principal.role) {
            return Err(Error::Forbidden("Admin access required"));
        }
        Ok(principal)
    }
}
