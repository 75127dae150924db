//! Who has a session open, as far as this process knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portway_domain::access::Principal;
use portway_domain::ids::{SessionId, UserId};
use portway_ports::pubsub::{Hint, Presence, PresentUser, Topic};

use crate::Services;

/// Open client sockets by session.
#[derive(Default)]
pub(crate) struct PresenceList {
    sessions: Mutex<HashMap<SessionId, Vec<Socket>>>,
}

struct Socket {
    number: u64,
    user: PresentUser,
}

/// An open client socket. Dropping it announces the departure.
pub struct PresenceGuard {
    services: Arc<Services>,
    session: SessionId,
    user: UserId,
    number: u64,
}

impl PresenceList {
    fn with<T>(&self, session: &SessionId, change: impl FnOnce(&mut Vec<Socket>) -> T) -> T {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        // Most sessions are open once.
        let sockets = sessions.entry(session.clone()).or_insert_with(|| Vec::with_capacity(1));
        let result = change(sockets);
        if sockets.is_empty() {
            sessions.remove(session);
        }
        result
    }
}

fn users(sockets: &[Socket]) -> Vec<PresentUser> {
    let mut users: Vec<PresentUser> = Vec::new();
    for socket in sockets {
        if !users.iter().any(|user| user.id == socket.user.id) {
            users.push(socket.user.clone());
        }
    }
    users
}

impl Services {
    /// Announces a client socket. Keep the guard for as long as the socket is open.
    #[must_use]
    pub fn join(self: &Arc<Self>, session: &SessionId, principal: &Principal) -> PresenceGuard {
        let user = PresentUser {
            id: principal.user.clone(),
            name: principal.name.clone(),
            email: principal.email.clone(),
            avatar_url: principal.avatar_url.clone(),
        };
        let (number, present) = self.presence.with(session, |sockets| {
            let number = sockets.last().map_or(1, |socket| socket.number + 1);
            sockets.push(Socket { number, user });
            (number, users(sockets))
        });
        self.announce(session, &principal.user, true, present);
        PresenceGuard { services: self.clone(), session: session.clone(), user: principal.user.clone(), number }
    }

    /// Who has the session open, and through how many sockets.
    #[must_use]
    pub fn present(&self, session: &SessionId) -> (Vec<PresentUser>, usize) {
        self.presence.with(session, |sockets| (users(sockets), sockets.len()))
    }

    fn announce(&self, session: &SessionId, user: &UserId, joined: bool, users: Vec<PresentUser>) {
        let presence = Presence { user: user.clone(), joined, users };
        self.ports.pubsub.publish(&Topic::Session(session.clone()), Hint::Presence(presence));
    }
}

impl Drop for PresenceGuard {
    fn drop(&mut self) {
        let present = self.services.presence.with(&self.session, |sockets| {
            sockets.retain(|socket| socket.number != self.number);
            users(sockets)
        });
        if !present.iter().any(|user| user.id == self.user) {
            self.services.announce(&self.session, &self.user, false, present);
        }
    }
}
