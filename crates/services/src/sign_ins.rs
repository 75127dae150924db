//! Sockets outlive the request that opened them, and may outlive the token: those whose token was revoked or has expired
//! are made to read again, which ends them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portway_domain::access::Principal;
use portway_domain::ids::TokenId;
use portway_ports::pubsub::Topic;

use crate::Services;
use crate::error::Error;

/// How often tokens of open sockets are looked at. One that is revoked by this process ends its sockets at once.
const LOOK: Duration = Duration::from_secs(5);

/// Tokens looked at in one read.
const PAGE: usize = 50;

/// Open sockets for everything of one's own, by number.
#[derive(Default)]
pub(crate) struct EventSockets(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    next: u64,
    sockets: HashMap<u64, Arc<Principal>>,
}

/// An open socket for everything of one's own. Keep it for as long as the socket is open.
pub struct EventSocketGuard {
    services: Arc<Services>,
    number: u64,
}

impl EventSockets {
    /// Whether there are any.
    pub(crate) fn are_open(&self) -> bool {
        !self.lock().sockets.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EventSocketGuard {
    fn drop(&mut self) {
        self.services.event_sockets.lock().sockets.remove(&self.number);
    }
}

impl Services {
    /// Notes that a socket for everything of one's own is open.
    pub(crate) fn open_event_socket(self: &Arc<Self>, principal: Arc<Principal>) -> EventSocketGuard {
        let mut open = self.event_sockets.lock();
        open.next += 1;
        let number = open.next;
        open.sockets.insert(number, principal);
        drop(open);
        EventSocketGuard { services: self.clone(), number }
    }

    /// Ends sockets of this process whose token does not sign anybody in any more, until it is dropped. Run one per
    /// process.
    pub async fn run_sign_in_checks(self: Arc<Self>) {
        loop {
            self.ports.clock.sleep(LOOK).await;
            if let Err(error) = self.check_sign_ins().await {
                tracing::warn!(%error, "tokens of open sockets cannot be looked at; it is tried again");
            }
        }
    }

    /// Whether anybody has a socket or an event stream of this process open.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !self.tokens_of_sockets().is_empty()
    }

    /// Looks at the tokens of all sockets of this process, and ends those whose token was revoked, has expired or is
    /// gone.
    ///
    /// # Errors
    /// The store's failure; what was not looked at is looked at with the next call.
    pub async fn check_sign_ins(&self) -> Result<(), Error> {
        let now = self.ports.clock.now();
        let tokens: Vec<TokenId> = self.tokens_of_sockets().into_iter().collect();
        for page in tokens.chunks(PAGE) {
            let valid = self.ports.store.valid_tokens(page, now).await?;
            page.iter().filter(|token| !valid.contains(token)).for_each(|token| self.end_sockets_of(token));
        }
        Ok(())
    }

    /// Makes the sockets of a token read again. Others who watch the same get their state anew, which does no harm.
    pub(crate) fn end_sockets_of(&self, token: &TokenId) {
        for session in self.presence.sessions_of(token) {
            self.ports.pubsub.missed(&Topic::Session(session));
        }
        let user = self.event_sockets.lock().sockets.values().find(|of| of.token == *token).map(|of| of.user.clone());
        if let Some(user) = user {
            self.ports.pubsub.missed(&Topic::User(user));
        }
    }

    fn tokens_of_sockets(&self) -> BTreeSet<TokenId> {
        let mut tokens = self.presence.tokens();
        tokens.extend(self.event_sockets.lock().sockets.values().map(|principal| principal.token.clone()));
        tokens
    }
}
