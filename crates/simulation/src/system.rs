//! Time, randomness and tasks as a node has them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::time::Timestamp;
use portway_ports::StoreError;
use portway_ports::health::Health;
use portway_ports::system::{Clock, Entropy, Spawner, Task};

use crate::executor::{Group, lock};
use crate::simulation::Simulation;

/// When every simulation begins, in microseconds since the epoch.
const BEGINNING: i64 = 1_800_000_000_000_000;

/// The time of the world as clocks that are right show it.
pub(crate) fn timestamp(micros: u64) -> Timestamp {
    Timestamp::from_micros(BEGINNING + i64::try_from(micros).unwrap_or(i64::MAX - BEGINNING))
}

/// A clock that is fast.
pub(crate) struct NodeClock {
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) fast_by: Duration,
}

#[async_trait]
impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        timestamp(self.simulation.now()).plus(self.fast_by)
    }

    async fn sleep(&self, span: Duration) {
        self.simulation.sleep(span).await;
    }
}

pub(crate) struct SeededEntropy(pub(crate) Arc<Simulation>);

impl Entropy for SeededEntropy {
    fn draw(&self) -> [u8; 32] {
        self.0.draw(|random| random.bytes())
    }
}

/// Keeps tasks until it is released, as a host does, and starts them in the group of its node.
pub(crate) struct HeldSpawner {
    simulation: Arc<Simulation>,
    group: Group,
    held: Mutex<Option<Vec<Task>>>,
}

impl HeldSpawner {
    pub(crate) fn new(simulation: Arc<Simulation>, group: Group) -> Self {
        Self { simulation, group, held: Mutex::new(Some(Vec::new())) }
    }

    pub(crate) fn release(&self) {
        let held = lock(&self.held).take();
        for task in held.into_iter().flatten() {
            self.simulation.executor.spawn(self.group, task);
        }
    }
}

impl Spawner for HeldSpawner {
    fn spawn(&self, task: Task) {
        match &mut *lock(&self.held) {
            Some(held) => held.push(task),
            None => self.simulation.executor.spawn(self.group, task),
        }
    }
}

/// Nobody asks.
pub(crate) struct Healthy;

#[async_trait]
impl Health for Healthy {
    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
