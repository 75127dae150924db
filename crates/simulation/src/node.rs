//! A node of the gateway: how it starts, ends and crashes, as the host wires it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portway_adapters_s3::MemoryObjects;
use portway_adapters_sqlite::SqliteDatabase;
use portway_ports::pubsub::PubSub;
use portway_ports::sandboxes::AgentCommand;
use portway_pubsub::LocalPubSub;
use portway_services::error::Error;
use portway_services::recovery::Tenancy;
use portway_services::{Options, Ports, Services};
use portway_sql::SqlStore;

use crate::driver::{FaultyDriver, Outage};
use crate::executor::{Group, lock};
use crate::objects::FaultyObjects;
use crate::pubsub::{SharedPubSub, Wire};
use crate::sandboxes::{Gateway, Machine, MachineSandboxes};
use crate::simulation::Simulation;
use crate::system::{Healthy, HeldSpawner, NodeClock, SeededEntropy};

/// How long stopping all sandboxes may take at the end.
const STOP_SANDBOXES: u64 = 10_000_000;

/// How long work that was begun may take to finish at the end.
const FINISH_WORK: Duration = Duration::from_secs(5);

/// A node, whether it runs or not.
pub(crate) struct Node {
    simulation: Arc<Simulation>,
    database: Arc<SqliteDatabase>,
    objects: Arc<MemoryObjects>,
    pub(crate) machine: Arc<Machine>,
    wire: Arc<Wire>,
    pub(crate) cut_off: Arc<Outage>,
    disk_full: Arc<Outage>,
    fast_by: Duration,
    process: Mutex<Option<Process>>,
}

/// A node that runs.
#[derive(Clone)]
struct Process {
    group: Group,
    /// What ends as soon as the node begins to stop.
    deadlines: Group,
    local: LocalPubSub,
    is_stopping: bool,
}

impl Node {
    pub(crate) fn new(
        simulation: &Arc<Simulation>,
        machine: Arc<Machine>,
        wire: &Arc<Wire>,
        disk_full: &Arc<Outage>,
    ) -> Arc<Self> {
        let skew = simulation.plan.skew;
        Arc::new(Self {
            simulation: simulation.clone(),
            database: simulation.oracle(|oracle| oracle.database.clone()),
            objects: simulation.oracle(|oracle| oracle.objects.clone()),
            machine,
            wire: wire.clone(),
            cut_off: Arc::default(),
            disk_full: disk_full.clone(),
            fast_by: simulation.draw(|random| random.span(0, skew.max(1))),
            process: Mutex::default(),
        })
    }

    fn tenancy(&self) -> Tenancy {
        if self.simulation.plan.nodes > 1 { Tenancy::Shared } else { Tenancy::Alone }
    }

    pub(crate) fn is_up(&self) -> bool {
        lock(&self.process).as_ref().is_some_and(|process| !process.is_stopping)
    }

    pub(crate) fn is_down(&self) -> bool {
        lock(&self.process).is_none()
    }

    /// Starts the node; whatever fails is tried again, as whoever looks after the process does.
    pub(crate) fn start(self: &Arc<Self>) {
        if !self.is_down() {
            return;
        }
        let executor = &self.simulation.executor;
        let process = Process {
            group: executor.group(),
            deadlines: executor.group(),
            local: LocalPubSub::new(),
            is_stopping: false,
        };
        self.simulation.note(format_args!("node {} starts", self.machine.number));
        *lock(&self.process) = Some(process.clone());
        let node = self.clone();
        self.simulation.spawn(process.group, async move {
            while let Err(error) = node.work(&process).await {
                node.simulation.note(format_args!("node {} cannot start: {error}", node.machine.number));
                node.simulation.pause(500, 1_500).await;
            }
        });
    }

    async fn work(self: &Arc<Self>, process: &Process) -> Result<(), Error> {
        let spawner = Arc::new(HeldSpawner::new(self.simulation.clone(), process.group));
        let services = Services::new(self.ports(process, &spawner), options(&self.simulation));
        let services = Arc::new(services.as_node(self.machine.node.clone()));
        if self.tenancy() == Tenancy::Shared {
            services.enter_node().await?;
        }
        services.recover(self.tenancy()).await?;
        spawner.release();
        self.simulation.spawn(process.group, services.clone().run_jobs());
        self.simulation.spawn(process.deadlines, services.clone().run_deadlines());
        if self.tenancy() == Tenancy::Shared {
            self.simulation.spawn(process.group, services.clone().run_node());
        }
        self.machine.set_gateway(Some(Gateway { services, group: process.group }));
        self.simulation.note(format_args!("node {} works", self.machine.number));
        Ok(())
    }

    fn ports(&self, process: &Process, spawner: &Arc<HeldSpawner>) -> Ports {
        let driver = FaultyDriver {
            simulation: self.simulation.clone(),
            database: self.database.clone(),
            node: self.machine.number,
            cut_off: self.cut_off.clone(),
            disk_full: self.disk_full.clone(),
        };
        let objects = FaultyObjects {
            simulation: self.simulation.clone(),
            objects: self.objects.clone(),
            node: self.machine.number,
        };
        let store = SqlStore::new(Arc::new(driver));
        let sandboxes = MachineSandboxes { simulation: self.simulation.clone(), machine: self.machine.clone() };
        let clock = Arc::new(NodeClock { simulation: self.simulation.clone(), fast_by: self.fast_by });
        Ports {
            pubsub: self.pubsub(process, &store),
            store: Arc::new(store),
            health: Arc::new(Healthy),
            objects: Arc::new(objects),
            sandboxes: Arc::new(sandboxes),
            clock,
            entropy: Arc::new(SeededEntropy(self.simulation.clone())),
            spawner: spawner.clone(),
        }
    }

    fn pubsub(&self, process: &Process, store: &SqlStore) -> Arc<dyn PubSub> {
        if self.tenancy() == Tenancy::Alone {
            return Arc::new(process.local.clone());
        }
        let number = self.machine.number;
        self.wire.set(number, Some(process.local.clone()));
        let shared = Arc::new(SharedPubSub {
            simulation: self.simulation.clone(),
            node: number,
            local: process.local.clone(),
            wire: self.wire.clone(),
            store: store.clone(),
        });
        self.simulation.spawn(process.group, shared.clone().look());
        shared
    }

    /// Ends the node where it stands.
    pub(crate) fn crash(&self) {
        let Some(process) = lock(&self.process).take() else {
            return;
        };
        self.simulation.note(format_args!("node {} crashes", self.machine.number));
        self.simulation.ledger(|ledger| ledger.counts.crashes += 1);
        self.end(&process);
    }

    fn end(&self, process: &Process) {
        self.machine.set_gateway(None);
        self.wire.set(self.machine.number, None);
        self.simulation.executor.kill(process.deadlines);
        self.simulation.executor.kill(process.group);
    }

    /// Stops the node in order.
    pub(crate) async fn stop(&self) {
        let process = match &mut *lock(&self.process) {
            Some(process) if !process.is_stopping => {
                process.is_stopping = true;
                process.clone()
            }
            _ => return,
        };
        let Some(gateway) = self.machine.gateway() else {
            return self.crash();
        };
        self.simulation.note(format_args!("node {} stops", self.machine.number));
        self.machine.set_gateway(None);
        process.local.close();
        self.simulation.executor.kill(process.deadlines);
        let services = gateway.services;
        if let Err(error) = services.retire_sandboxes(self.tenancy()).await {
            self.simulation.note(format_args!("not all sandboxes are put away: {error}"));
        }
        let end = self.simulation.now() + STOP_SANDBOXES;
        while services.has_work().await.unwrap_or(true) && self.simulation.now() < end {
            self.simulation.sleep(Duration::from_millis(20)).await;
        }
        self.simulation.sleep(FINISH_WORK).await;
        if self.tenancy() == Tenancy::Shared {
            // Others find out by themselves.
            let _ = services.leave_node().await;
        }
        let is_same = lock(&self.process).take_if(|running| running.group == process.group).is_some();
        if is_same {
            self.simulation.note(format_args!("node {} stopped", self.machine.number));
            self.end(&process);
        }
    }
}

pub(crate) fn options(simulation: &Simulation) -> Options {
    Options {
        agents: BTreeMap::from([("simulated".to_owned(), AgentCommand::new(["simulated"]))]),
        default_agent: "simulated".to_owned(),
        timeouts: simulation.plan.timeouts,
        max_children: simulation.plan.max_children,
    }
}
