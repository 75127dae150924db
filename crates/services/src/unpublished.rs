//! Steps that nobody waits for any more while they are being committed.

use std::time::Duration;

use portway_domain::ids::SessionId;
use portway_ports::pubsub::Topic;

use crate::Ports;

/// After these spans watchers look for what was given up: it happens soon, or when a busy database gets to it.
const LOOKS: [Duration; 3] = [Duration::from_millis(100), Duration::from_secs(2), Duration::from_secs(10)];

/// The time from the beginning of a commit to its hint.
///
/// A request is dropped when its client goes away. Its commit may happen all the same, and nobody else would tell those
/// who watch, or the runner that has a command now.
pub(crate) struct Unpublished<'a> {
    ports: &'a Ports,
    session: &'a SessionId,
    is_over: bool,
}

impl<'a> Unpublished<'a> {
    /// A step of that session is going to be committed.
    pub(crate) fn begin(ports: &'a Ports, session: &'a SessionId) -> Self {
        Self { ports, session, is_over: false }
    }

    /// What came of it is known, and is told without waiting for anything.
    pub(crate) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Unpublished<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (ports, topic) = (self.ports.clone(), Topic::Session(self.session.clone()));
        self.ports.spawner.spawn(Box::pin(async move {
            for span in LOOKS {
                ports.clock.sleep(span).await;
                ports.pubsub.missed(&topic);
            }
        }));
    }
}
