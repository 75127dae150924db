//! Telling who comes into a session and who goes, those who watch everything of theirs as well.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portway_domain::engine::BusEvent;
use portway_domain::ids::{SessionId, UserId};
use portway_domain::users::Profile;
use portway_ports::pubsub::{Hint, Topic};
use serde_json::{Value, json};

use crate::Services;

/// Most visits of one session that wait to be told. What is too much is not told, oldest first.
const MAX_WAITING: usize = 1_000;

/// Somebody came, or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Who.
    pub(crate) user: UserId,
    /// Whether they came.
    pub(crate) joined: bool,
    /// Whether those who have the session open know already.
    pub(crate) is_announced: bool,
}

/// What is to be told of sessions, each in the order in which it happened: telling takes reads, and one must not overtake
/// another.
#[derive(Default)]
pub(crate) struct Visits(Mutex<HashMap<SessionId, Waiting>>);

#[derive(Default)]
struct Waiting {
    visits: VecDeque<Visit>,
    /// Whether somebody has the turn to tell them.
    is_told: bool,
}

/// The right to tell what waits of one session, until nothing does.
struct Turn<'a> {
    visits: &'a Visits,
    session: &'a SessionId,
    is_over: bool,
}

impl Visits {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it told by whoever comes next to [`Services::tell_visits`], or is there already.
    pub(crate) fn add(&self, session: &SessionId, visit: Visit) {
        let mut sessions = self.lock();
        let visits = &mut sessions.entry(session.clone()).or_default().visits;
        if visits.len() == MAX_WAITING {
            visits.pop_front();
        }
        visits.push_back(visit);
    }

    /// None while somebody else has the turn, and where nothing waits.
    fn turn<'a>(&'a self, session: &'a SessionId) -> Option<Turn<'a>> {
        let mut sessions = self.lock();
        let waiting = sessions.get_mut(session).filter(|waiting| !waiting.is_told)?;
        waiting.is_told = true;
        Some(Turn { visits: self, session, is_over: false })
    }
}

impl Turn<'_> {
    /// The visit to tell next. With None the turn is over, and may be somebody else's: do not ask again.
    fn next(&mut self) -> Option<Visit> {
        let mut sessions = self.visits.lock();
        let next = sessions.get_mut(self.session).and_then(|waiting| waiting.visits.pop_front());
        if next.is_none() {
            sessions.remove(self.session);
            self.is_over = true;
        }
        next
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Whoever had the turn was given up, with what was still to be told.
        if !self.is_over {
            self.visits.lock().remove(self.session);
        }
    }
}

impl Services {
    /// Tells a visit after those before it, for a caller who cannot wait.
    pub(crate) fn tell_visit_beside(self: &Arc<Self>, session: &SessionId, visit: Visit) {
        // Sockets of sessions are many, and those of everything of one's own are few. Others may have them.
        if self.is_beside_others || self.event_sockets.are_open() {
            self.visits.add(session, visit);
            let (services, session) = (self.clone(), session.clone());
            self.ports.spawner.spawn(Box::pin(async move { services.tell_visits(&session).await }));
        }
    }

    /// Tells all visits of a session that wait, unless somebody does so already.
    pub(crate) async fn tell_visits(&self, session: &SessionId) {
        let Some(mut turn) = self.visits.turn(session) else { return };
        while let Some(visit) = turn.next() {
            self.tell_visit(session, visit).await;
        }
    }

    async fn tell_visit(&self, session: &SessionId, visit: Visit) {
        let Visit { user, joined, is_announced } = visit;
        let (present, _) = self.present(session).await;
        if !joined && present.iter().any(|present| present.id == user) {
            // There through another socket.
            return;
        }
        if !is_announced {
            self.announce(session, &user, joined, present.clone());
        }
        self.tell_update(session, &user, joined, present).await;
    }

    /// Tells everybody who takes part in a session that somebody came or went. It is a hint: where it cannot be found out
    /// whom it is for, nobody is told.
    async fn tell_update(&self, session: &SessionId, user: &UserId, joined: bool, present: Vec<Profile>) {
        let engine = match self.ports.store.engine(session).await {
            Ok(Some((_, engine))) => engine.value,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%session, %error, "who takes part in a session cannot be read");
                return;
            }
        };
        let data = update(user, joined, &present);
        let at = self.ports.clock.now();
        for reader in [&engine.owner].into_iter().chain(engine.participants.keys()) {
            let event = BusEvent {
                kind: "session.update".to_owned(),
                session: session.clone(),
                user: reader.clone(),
                data: data.clone(),
                at,
            };
            self.ports.pubsub.publish(&Topic::User(reader.clone()), Hint::Bus(event));
        }
    }
}

/// What is told. Whoever comes is shown to clients of earlier gateways with names, whoever is left by id.
fn update(user: &UserId, joined: bool, present: &[Profile]) -> Value {
    let (event, connected): (_, Vec<Value>) = if joined {
        ("user.joined", present.iter().map(named).collect())
    } else {
        ("user.left", present.iter().map(|user| json!(user.id.as_str())).collect())
    };
    json!({"event": event, "userId": user.as_str(), "connectedUsers": connected})
}

fn named(user: &Profile) -> Value {
    let mut named = json!({"id": user.id.as_str(), "email": user.email});
    for (key, value) in [("name", &user.name), ("avatarUrl", &user.avatar_url)] {
        if let Some(value) = value {
            named[key] = json!(value);
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(number: usize) -> Visit {
        Visit { user: UserId::parse(number.to_string()).unwrap(), joined: true, is_announced: true }
    }

    #[test]
    fn one_at_a_time_tells_in_order() {
        let (visits, session) = (Visits::default(), SessionId::parse("s").unwrap());
        assert!(visits.turn(&session).is_none(), "nothing waits");
        visits.add(&session, visit(1));
        let mut turn = visits.turn(&session).unwrap();
        visits.add(&session, visit(2));
        assert!(visits.turn(&session).is_none(), "it is told already");
        assert_eq!([turn.next(), turn.next(), turn.next()], [Some(visit(1)), Some(visit(2)), None]);
        visits.add(&session, visit(3));
        let mut next = visits.turn(&session).unwrap();
        drop(turn);
        assert_eq!([next.next(), next.next()], [Some(visit(3)), None]);
        assert!(visits.lock().is_empty());
    }

    #[test]
    fn a_turn_that_is_given_up_leaves_nothing() {
        let (visits, session) = (Visits::default(), SessionId::parse("s").unwrap());
        visits.add(&session, visit(1));
        drop(visits.turn(&session));
        assert!(visits.lock().is_empty());
    }

    #[test]
    fn the_newest_are_kept() {
        let (visits, session) = (Visits::default(), SessionId::parse("s").unwrap());
        (0..=MAX_WAITING).for_each(|number| visits.add(&session, visit(number)));
        let mut turn = visits.turn(&session).unwrap();
        assert_eq!(turn.next(), Some(visit(1)));
        assert_eq!(std::iter::from_fn(|| turn.next()).count(), MAX_WAITING - 1);
    }
}
