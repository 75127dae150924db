//! Hints between nodes: the queues of every node are the real ones, the wire between them is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portway_ports::pubsub::{Hint, PubSub, Subscription, Topic};
use portway_ports::sessions::SessionStore;
use portway_pubsub::LocalPubSub;
use portway_sql::SqlStore;

use crate::executor::{Group, lock};
use crate::simulation::Simulation;

/// Between two looks at what was lost without anybody knowing.
const LOOK: Duration = Duration::from_millis(1_500);

/// A hint may be on its way for so long.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// The wire: the queues of the nodes that are there.
#[derive(Default)]
pub(crate) struct Wire(Mutex<Vec<Option<LocalPubSub>>>);

impl Wire {
    /// A node begins or ends to listen.
    pub(crate) fn set(&self, node: usize, local: Option<LocalPubSub>) {
        let mut nodes = lock(&self.0);
        if nodes.len() <= node {
            nodes.resize(node + 1, None);
        }
        nodes[node] = local;
    }

    fn others(&self, node: usize) -> Vec<LocalPubSub> {
        lock(&self.0).iter().enumerate().filter(|(other, _)| *other != node).filter_map(|(_, l)| l.clone()).collect()
    }
}

/// Hints as a node publishes and hears them, by the rules of the adapter for several nodes.
pub(crate) struct SharedPubSub {
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) node: usize,
    pub(crate) local: LocalPubSub,
    pub(crate) wire: Arc<Wire>,
    pub(crate) store: SqlStore,
}

impl SharedPubSub {
    /// What happens to a hint on its way to one node.
    fn send(&self, to: LocalPubSub, topic: Topic, hint: Arc<Hint>) {
        let faults = self.simulation.plan.faults.hints;
        if self.simulation.strikes(faults) {
            if self.simulation.strikes(500) {
                let version = match &*hint {
                    Hint::Session { version, .. } => Some(*version),
                    Hint::Presence(_)
                    | Hint::Bus(_)
                    | Hint::RunnerAsked(_)
                    | Hint::RunnerAnswered { .. }
                    | Hint::Responded(_) => None,
                };
                to.lost(&topic, version);
            }
            return;
        }
        let most = if self.simulation.strikes(faults) { 450 } else { 5 };
        let copies = 1 + usize::from(self.simulation.strikes(faults));
        for _ in 0..copies {
            let (to, topic, hint) = (to.clone(), topic.clone(), hint.clone());
            let pause = self.simulation.pause(0, most);
            self.simulation.spawn(Group::WORLD, async move {
                pause.await;
                to.deliver(&topic, hint);
            });
        }
    }

    /// Finds out what was lost, for ever.
    pub(crate) async fn look(self: Arc<Self>) {
        loop {
            self.simulation.sleep(LOOK).await;
            let mut sessions = self.local.sessions();
            sessions.sort();
            let Ok(found) = self.store.engine_versions(&sessions).await else {
                continue;
            };
            self.simulation.sleep(ON_ITS_WAY).await;
            for session in sessions {
                let version = found.iter().find(|(id, _)| *id == session).map(|(_, version)| *version);
                match version {
                    Some(version) => self.local.reached(&Topic::Session(session), version),
                    None => self.local.lost(&Topic::Session(session), None),
                }
            }
        }
    }
}

#[async_trait]
impl PubSub for SharedPubSub {
    fn publish(&self, topic: &Topic, hint: Hint) {
        let hint = Arc::new(hint);
        self.local.deliver(topic, hint.clone());
        for other in self.wire.others(self.node) {
            self.send(other, topic.clone(), hint.clone());
        }
    }

    fn missed(&self, topic: &Topic) {
        self.local.missed(topic);
    }

    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription> {
        let subscription = self.local.subscribe(topic).await;
        if let Topic::Session(session) = topic {
            let found = self.store.engine_versions(std::slice::from_ref(session)).await.unwrap_or_default();
            // Every session has had its first version.
            let version = found.first().map_or(1, |(_, version)| *version);
            self.local.begin(topic, version);
        }
        subscription
    }
}
