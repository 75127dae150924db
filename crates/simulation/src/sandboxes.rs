//! Machines: each has a node of the gateway on it, and the sandboxes that this node starts. They outlive the node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portway_domain::ids::{NodeId, SessionId};
use portway_ports::sandboxes::{SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway_services::Services;
use tokio::sync::Notify;

use crate::executor::{Group, lock};
use crate::runner;
use crate::simulation::Simulation;

/// The gateway of a machine while it takes connections.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) services: Arc<Services>,
    /// Its tasks.
    pub(crate) group: Group,
}

/// A machine.
pub(crate) struct Machine {
    pub(crate) number: usize,
    pub(crate) node: NodeId,
    gateway: Mutex<Option<Gateway>>,
    sandboxes: Mutex<BTreeMap<(SessionId, u32), Sandbox>>,
    changed: Notify,
}

struct Sandbox {
    group: Group,
    is_alive: bool,
}

impl Machine {
    pub(crate) fn new(number: usize, node: NodeId) -> Arc<Self> {
        Arc::new(Self { number, node, gateway: Mutex::default(), sandboxes: Mutex::default(), changed: Notify::new() })
    }

    /// The gateway, if it can be reached.
    pub(crate) fn gateway(&self) -> Option<Gateway> {
        lock(&self.gateway).clone()
    }

    pub(crate) fn set_gateway(&self, gateway: Option<Gateway>) {
        let before = std::mem::replace(&mut *lock(&self.gateway), gateway);
        drop(before);
    }

    /// The sandboxes that live, in order.
    pub(crate) fn living(&self) -> Vec<(SessionId, u32)> {
        lock(&self.sandboxes).iter().filter(|(_, sandbox)| sandbox.is_alive).map(|(name, _)| name.clone()).collect()
    }

    /// Ends a sandbox and everything in it.
    pub(crate) fn end(&self, simulation: &Simulation, session: &SessionId, generation: u32) {
        let name = (session.clone(), generation);
        let mut sandboxes = lock(&self.sandboxes);
        let Some(sandbox) = sandboxes.get_mut(&name).filter(|sandbox| sandbox.is_alive) else {
            return;
        };
        sandbox.is_alive = false;
        let group = sandbox.group;
        drop(sandboxes);
        simulation.note(format_args!("sandbox {session}/{generation} of machine {} ends", self.number));
        simulation.executor.kill(group);
        self.changed.notify_waiters();
    }

    fn is_alive(&self, session: &SessionId, generation: u32) -> bool {
        lock(&self.sandboxes).get(&(session.clone(), generation)).is_some_and(|sandbox| sandbox.is_alive)
    }

    fn begin(self: &Arc<Self>, simulation: &Arc<Simulation>, order: SandboxOrder) {
        let older = self
            .living()
            .into_iter()
            .filter(|(id, generation)| *id == order.session && *generation <= order.generation);
        for (session, generation) in older {
            self.end(simulation, &session, generation);
        }
        let group = simulation.executor.group();
        let name = (order.session.clone(), order.generation);
        lock(&self.sandboxes).insert(name.clone(), Sandbox { group, is_alive: true });
        let (simulation_of_task, machine) = (simulation.clone(), self.clone());
        simulation.spawn(group, async move {
            runner::run(simulation_of_task.clone(), machine.clone(), group, order).await;
            machine.end(&simulation_of_task, &name.0, name.1);
        });
    }
}

/// The sandboxes of a machine, as its node has them.
pub(crate) struct MachineSandboxes {
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) machine: Arc<Machine>,
}

impl MachineSandboxes {
    async fn work(&self) -> Result<(), SandboxError> {
        let faults = self.simulation.plan.faults.starts;
        let most = if self.simulation.strikes(faults) { 30_000 } else { 300 };
        self.simulation.pause(10, most).await;
        if self.simulation.strikes(faults) {
            return Err(SandboxError::Unavailable("simulated".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Sandboxes for MachineSandboxes {
    async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        self.work().await?;
        if self.simulation.strikes(self.simulation.plan.faults.starts / 16) {
            return Err(SandboxError::Refused("simulated".to_owned()));
        }
        let (session, generation) = (order.session.clone(), order.generation);
        self.simulation.note(format_args!("sandbox {session}/{generation} begins on machine {}", self.machine.number));
        self.machine.begin(&self.simulation, order);
        if self.simulation.strikes(self.simulation.plan.faults.starts / 4) {
            return Err(SandboxError::Unavailable("simulated: it was started, and nobody knows".to_owned()));
        }
        Ok(StartedSandbox::default())
    }

    async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError> {
        self.work().await?;
        self.machine.end(&self.simulation, &sandbox.session, sandbox.generation);
        Ok(())
    }

    async fn is_alive(&self, sandbox: &SandboxRef) -> Result<bool, SandboxError> {
        Ok(self.machine.is_alive(&sandbox.session, sandbox.generation))
    }

    async fn on_this_node(&self) -> Result<Vec<SandboxRef>, SandboxError> {
        let living = self.machine.living().into_iter();
        Ok(living.map(|(session, generation)| SandboxRef::new(session, generation)).collect())
    }

    async fn was_here(&self, sandbox: &SandboxRef) -> bool {
        lock(&self.machine.sandboxes).contains_key(&(sandbox.session.clone(), sandbox.generation))
    }

    async fn ended(&self, sandbox: &SandboxRef) -> String {
        loop {
            let changed = self.machine.changed.notified();
            if !self.machine.is_alive(&sandbox.session, sandbox.generation) {
                return "simulated".to_owned();
            }
            changed.await;
        }
    }
}
