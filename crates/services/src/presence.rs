//! Who has a session open.
//!
//! What this process has open it knows by itself. Where several share a store, each of its sockets has a row there as
//! well, for the others.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portway_domain::access::Principal;
use portway_domain::ids::{NodeId, SessionId, TokenId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::users::Profile;
use portway_ports::presence::OpenSocket;
use portway_ports::pubsub::{Hint, Presence, Topic};

use crate::Services;
use crate::error::Error;
use crate::session_updates::Visit;

/// Sockets read or written at once.
const PAGE: u32 = 100;

/// Open client sockets by session.
pub(crate) struct PresenceList {
    sockets: Mutex<Sockets>,
    /// Held while rows are written, so that none is written after it was removed.
    rows: tokio::sync::Mutex<()>,
}

struct Sockets {
    next: u64,
    sessions: HashMap<SessionId, Vec<Socket>>,
    /// Closed ones whose rows are there, or may be.
    closed: Vec<OpenSocket>,
}

struct Socket {
    number: u64,
    principal: Arc<Principal>,
    has_row: bool,
}

/// An open client socket. Dropping it announces the departure.
pub struct PresenceGuard {
    services: Arc<Services>,
    session: SessionId,
    principal: Arc<Principal>,
    number: u64,
}

impl PresenceList {
    /// Numbers begin at the time, so that a node which starts again has new ones.
    pub(crate) fn new(now: Timestamp) -> Self {
        let next = u64::try_from(now.as_micros()).unwrap_or_default();
        let sockets = Sockets { next, sessions: HashMap::new(), closed: Vec::new() };
        Self { sockets: Mutex::new(sockets), rows: tokio::sync::Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With which tokens the sockets were opened.
    pub(crate) fn tokens(&self) -> BTreeSet<TokenId> {
        self.lock().sessions.values().flatten().map(|socket| socket.principal.token.clone()).collect()
    }

    /// The sessions that are open with a token.
    pub(crate) fn sessions_of(&self, token: &TokenId) -> Vec<SessionId> {
        let sockets = self.lock();
        let open = sockets.sessions.iter();
        open.filter(|(_, sockets)| sockets.iter().any(|socket| socket.principal.token == *token))
            .map(|(session, _)| session.clone())
            .collect()
    }
}

impl Sockets {
    fn open(&mut self, session: &SessionId, principal: Arc<Principal>) -> u64 {
        self.next += 1;
        // Most sessions are open once.
        let sockets = self.sessions.entry(session.clone()).or_insert_with(|| Vec::with_capacity(1));
        sockets.push(Socket { number: self.next, principal, has_row: false });
        self.next
    }

    fn close(&mut self, session: &SessionId, number: u64) {
        if let Some(sockets) = self.sessions.get_mut(session) {
            sockets.retain(|socket| socket.number != number);
            if sockets.is_empty() {
                self.sessions.remove(session);
            }
        }
    }

    /// Who is behind each socket of a session.
    fn users(&self, session: &SessionId) -> Vec<Profile> {
        self.sessions.get(session).into_iter().flatten().map(|socket| profile(&socket.principal)).collect()
    }

    fn without_row(&self, node: &NodeId) -> Vec<OpenSocket> {
        let open = |session: &SessionId, socket: &Socket| OpenSocket {
            node: node.clone(),
            number: socket.number,
            session: session.clone(),
            user: socket.principal.user.clone(),
        };
        let of = |(session, sockets): (&SessionId, &Vec<Socket>)| -> Vec<OpenSocket> {
            sockets.iter().filter(|socket| !socket.has_row).map(|socket| open(session, socket)).collect()
        };
        self.sessions.iter().flat_map(of).take(PAGE as usize).collect()
    }

    fn has_rows(&mut self, written: &[OpenSocket]) {
        for row in written {
            let sockets = self.sessions.get_mut(&row.session).into_iter().flatten();
            for socket in sockets.filter(|socket| socket.number == row.number) {
                socket.has_row = true;
            }
        }
    }

    fn is_open(&self, row: &OpenSocket) -> bool {
        self.sessions.get(&row.session).is_some_and(|sockets| sockets.iter().any(|socket| socket.number == row.number))
    }
}

fn profile(principal: &Principal) -> Profile {
    Profile {
        id: principal.user.clone(),
        name: principal.name.clone(),
        email: principal.email.clone(),
        avatar_url: principal.avatar_url.clone(),
    }
}

/// Each user once, in the order of their first sockets.
fn people(users: Vec<Profile>) -> Vec<Profile> {
    let mut people: Vec<Profile> = Vec::new();
    for user in users {
        if !people.iter().any(|known| known.id == user.id) {
            people.push(user);
        }
    }
    people
}

impl Services {
    /// Announces a client socket. Keep the guard for as long as the socket is open.
    #[must_use]
    pub fn join(self: &Arc<Self>, session: &SessionId, principal: Arc<Principal>) -> PresenceGuard {
        let number = self.presence.lock().open(session, principal.clone());
        let guard = PresenceGuard { services: self.clone(), session: session.clone(), principal, number };
        let user = guard.principal.user.clone();
        if self.is_shared() {
            self.visits.add(session, Visit { user, joined: true, is_announced: false });
            // The socket does not wait for the store.
            let (services, session) = (self.clone(), guard.session.clone());
            self.ports.spawner.spawn(Box::pin(async move {
                services.write_presence_or_warn().await;
                services.tell_visits(&session).await;
            }));
        } else {
            let users = people(self.presence.lock().users(session));
            self.announce(session, &user, true, users);
            self.tell_visit_beside(session, Visit { user, joined: true, is_announced: true });
        }
        guard
    }

    /// Who has the session open, and through how many sockets.
    pub async fn present(&self, session: &SessionId) -> (Vec<Profile>, usize) {
        let mut users = self.presence.lock().users(session);
        if self.has_neighbours.load(Ordering::Relaxed) {
            match self.ports.store.present_elsewhere(session, &self.node, self.ports.clock.now()).await {
                Ok(elsewhere) => users.extend(elsewhere),
                Err(error) => tracing::warn!(%error, "who is there through other nodes cannot be read"),
            }
        }
        let sockets = users.len();
        (people(users), sockets)
    }

    fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    pub(crate) fn announce(&self, session: &SessionId, user: &UserId, joined: bool, users: Vec<Profile>) {
        let presence = Presence { user: user.clone(), joined, users };
        self.ports.pubsub.publish(&Topic::Session(session.clone()), Hint::Presence(presence));
    }

    /// Announces who is gone now that sockets are closed: those who have no other one open.
    async fn announce_closed(&self, sockets: &[OpenSocket]) {
        for (place, socket) in sockets.iter().enumerate() {
            let is_same = |other: &OpenSocket| (&other.session, &other.user) == (&socket.session, &socket.user);
            if sockets[..place].iter().any(is_same) {
                continue;
            }
            let gone = Visit { user: socket.user.clone(), joined: false, is_announced: false };
            self.visits.add(&socket.session, gone);
            self.tell_visits(&socket.session).await;
        }
    }

    async fn write_presence_or_warn(&self) {
        if let Err(error) = self.write_presence().await {
            tracing::warn!(%error, "other nodes are not told who is here; it is tried again");
        }
    }

    /// Makes the rows of this node what its sockets are, and announces who is gone by that.
    pub(crate) async fn write_presence(&self) -> Result<(), Error> {
        let mut gone = Vec::new();
        let written = self.write_rows(&mut gone).await;
        self.announce_closed(&gone).await;
        written
    }

    async fn write_rows(&self, gone: &mut Vec<OpenSocket>) -> Result<(), Error> {
        let _writing = self.presence.rows.lock().await;
        loop {
            let open = self.presence.lock().without_row(&self.node);
            if open.is_empty() {
                break;
            }
            self.ports.store.add_sockets(&open).await?;
            self.presence.lock().has_rows(&open);
        }
        loop {
            let page = {
                let sockets = self.presence.lock();
                let begin = sockets.closed.len().saturating_sub(PAGE as usize);
                sockets.closed[begin..].to_vec()
            };
            if page.is_empty() {
                return Ok(());
            }
            self.remove_rows(&self.node, &page).await?;
            self.presence.lock().closed.retain(|socket| !page.contains(socket));
            gone.extend(page);
        }
    }

    async fn remove_rows(&self, node: &NodeId, sockets: &[OpenSocket]) -> Result<(), Error> {
        let numbers: Vec<u64> = sockets.iter().map(|socket| socket.number).collect();
        Ok(self.ports.store.remove_sockets(node, &numbers).await?)
    }

    /// Removes the rows that this node left behind when it was there before.
    pub(crate) async fn forget_earlier_presence(&self) -> Result<(), Error> {
        let mut after = 0;
        loop {
            let page = self.ports.store.sockets_of_node(&self.node, after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.number;
            let mut sockets = self.presence.lock();
            let gone: Vec<OpenSocket> = page.into_iter().filter(|row| !sockets.is_open(row)).collect();
            sockets.closed.extend(gone);
        }
    }

    /// Removes all rows of a node, and announces who is gone by that. Others may do the same at the same time, so an
    /// announcement may come twice.
    pub(crate) async fn end_presence_of(&self, node: &NodeId) -> Result<(), Error> {
        loop {
            let page = self.ports.store.sockets_of_node(node, 0, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.remove_rows(node, &page).await?;
            self.announce_closed(&page).await;
        }
    }
}

impl Drop for PresenceGuard {
    fn drop(&mut self) {
        let mut sockets = self.services.presence.lock();
        sockets.close(&self.session, self.number);
        if self.services.is_shared() {
            let (session, user) = (self.session.clone(), self.principal.user.clone());
            let node = self.services.node.clone();
            sockets.closed.push(OpenSocket { node, number: self.number, session, user });
            drop(sockets);
            let services = self.services.clone();
            self.services.ports.spawner.spawn(Box::pin(async move { services.write_presence_or_warn().await }));
            return;
        }
        let present = people(sockets.users(&self.session));
        drop(sockets);
        let user = self.principal.user.clone();
        if !present.iter().any(|present| present.id == user) {
            self.services.announce(&self.session, &user, false, present);
            self.services.tell_visit_beside(&self.session, Visit { user, joined: false, is_announced: true });
        }
    }
}
