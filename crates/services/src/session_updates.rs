//! Telling those who watch everything of theirs who comes into a session and who goes.

use std::sync::Arc;

use portway_domain::engine::BusEvent;
use portway_domain::ids::{SessionId, UserId};
use portway_domain::users::Profile;
use portway_ports::pubsub::{Hint, Topic};
use serde_json::{Value, json};

use crate::Services;

impl Services {
    /// As [`Services::tell_update`], for a caller who cannot wait.
    pub(crate) fn tell_update_beside(
        self: &Arc<Self>,
        session: &SessionId,
        user: &UserId,
        joined: bool,
        present: Vec<Profile>,
    ) {
        // Sockets of sessions are many, and those of everything of one's own are few.
        if self.event_sockets.are_open() {
            let (services, session, user) = (self.clone(), session.clone(), user.clone());
            self.ports.spawner.spawn(Box::pin(async move {
                services.tell_update(&session, &user, joined, present).await;
            }));
        }
    }

    /// Tells everybody who takes part in a session that somebody came or went. It is a hint: where it cannot be found out
    /// whom it is for, nobody is told.
    pub(crate) async fn tell_update(&self, session: &SessionId, user: &UserId, joined: bool, present: Vec<Profile>) {
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
