//! A world from its beginning to its end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use portway_adapters_s3::MemoryObjects;
use portway_adapters_sqlite::SqliteDatabase;
use portway_domain::access::Permission;
use portway_domain::engine::Engine;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::tokens::TokenSecret;
use portway_ports::{Store, Stored};
use portway_pubsub::LocalPubSub;
use portway_services::identity::ProfileChange;
use portway_services::{Ports, Services};
use portway_sql::SqlStore;
use portway_sql::migrations::SQLITE;

use crate::driver::Outage;
use crate::executor::{Group, Progress};
use crate::fate::Fate;
use crate::liveness;
use crate::node::{Node, options};
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::random::Random;
use crate::requests::Person;
use crate::sandboxes::{Machine, MachineSandboxes};
use crate::simulation::Simulation;
use crate::system::{Healthy, HeldSpawner, NodeClock, SeededEntropy};
use crate::trace::Trace;
use crate::watcher::Screens;
use crate::{Failure, Run, SetUpError};

/// People go on for so long after the storm, in microseconds.
const CALM: u64 = 8_000_000;

/// After so long in which no prompt reached an agent, nothing may go on any more, in microseconds: the longest wait of a
/// session is fifteen minutes.
const PATIENCE: u64 = 2_400_000_000;

/// Between two looks whether anything goes on, in microseconds.
const LOOK: u64 = 2_000_000;

/// How long watchers may take to see what happened last, in microseconds.
const LAST_HINTS: u64 = 5_000_000;

/// How long the sweep of objects may take, in microseconds.
const SWEEP: u64 = 5_000_000;

/// More steps than any world takes in which nothing turns in circles.
const MAX_STEPS: u64 = 20_000_000;

struct World {
    simulation: Arc<Simulation>,
    nodes: Arc<Vec<Arc<Node>>>,
    screens: Screens,
    key: TokenSecret,
    steps: u64,
}

/// Runs the world of a seed.
pub(crate) fn run(seed: u64, is_traced: bool) -> Result<Run, SetUpError> {
    let mut random = Random::new(seed);
    let plan = Plan::draw(&mut random);
    let mut world = World::new(plan, random, Trace::new(is_traced))?;
    world.live();
    let simulation = world.simulation.clone();
    let (digest, trace) = simulation.trace();
    let failure = simulation.violation().map(|violation| Failure { violation, trace: trace.clone() });
    let counts = simulation.ledger(|ledger| ledger.counts);
    let run = Run {
        seed,
        digest,
        failure,
        trace: if is_traced { trace } else { Vec::new() },
        virtual_seconds: simulation.now() / 1_000_000,
        steps: world.steps,
        writes: counts.writes,
        turns: counts.turns,
        crashes: counts.crashes,
        deletions: counts.deletions,
        reverts: counts.reverts,
    };
    // Nodes hold what holds them.
    for node in world.nodes.iter() {
        node.crash();
    }
    simulation.executor.close();
    Ok(run)
}

impl World {
    fn new(plan: Plan, random: Random, trace: Trace) -> Result<Self, SetUpError> {
        let database = Arc::new(SqliteDatabase::in_memory().map_err(|error| SetUpError(error.to_string()))?);
        at_once(database.migrate(SQLITE))?.map_err(|error| SetUpError(error.to_string()))?;
        let secret = TokenSecret::runner([7; 32]);
        let key =
            TokenSecret::chosen(&format!("sk_test_{}", secret.reveal())).map_err(|e| SetUpError(e.to_string()))?;
        let oracle = Oracle::new(database.clone(), key.hash());
        let simulation = Simulation::new(plan, random, oracle, trace);
        let plan = simulation.plan.clone();
        simulation.note(format_args!("{plan:?}"));
        found(&simulation, &database, &key)?;
        let (wire, disk_full) = (Arc::default(), Arc::default());
        let node = |number| -> Result<Arc<Node>, SetUpError> {
            let name = NodeId::parse(format!("node-{number}")).map_err(|error| SetUpError(error.to_string()))?;
            Ok(Node::new(&simulation, Machine::new(number, name), &wire, &disk_full))
        };
        let nodes: Vec<Arc<Node>> = (0..plan.nodes).map(node).collect::<Result<_, _>>()?;
        let world = Self { simulation, nodes: Arc::new(nodes), screens: Screens::default(), key, steps: 0 };
        world.people();
        world.fate(disk_full);
        Ok(world)
    }

    fn person(&self, number: u64) -> Person {
        let (simulation, nodes) = (self.simulation.clone(), self.nodes.clone());
        Person { simulation, nodes, key: self.key.clone(), number }
    }

    fn people(&self) {
        let plan = &self.simulation.plan;
        let until = micros(plan.storm) + CALM;
        (0..plan.people).for_each(|number| self.person(number).begin(until));
        (0..plan.watchers).for_each(|number| self.person(number).watch(self.screens.clone()));
    }

    fn fate(&self, disk_full: Arc<Outage>) {
        self.nodes.iter().for_each(|node| node.start());
        if self.simulation.plan.faults.blows > 0 {
            let fate = Fate { simulation: self.simulation.clone(), nodes: self.nodes.clone(), disk_full };
            self.simulation.spawn(Group::WORLD, fate.run());
        }
    }

    fn live(&mut self) {
        let storm = micros(self.simulation.plan.storm);
        if !self.pass_until(storm) {
            return;
        }
        self.simulation.note(format_args!("nothing fails any more"));
        self.simulation.calm();
        self.nodes.iter().for_each(|node| node.start());
        if !self.pass_until(storm + CALM) {
            return;
        }
        if self.simulation.plan.answers_all {
            self.person(0).begin_to_answer();
        }
        if self.finish() && self.sweep() && self.settle() {
            liveness::check_end(&self.simulation, &self.nodes, &self.screens);
        }
    }

    /// Waits until nothing goes on any more. Answers whether all is well.
    fn finish(&mut self) -> bool {
        // A long queue of prompts with questions that nobody answers takes its time.
        let given = |world: &Self| world.simulation.ledger(|ledger| ledger.given.len());
        let (mut before, mut end) = (given(self), self.simulation.now() + PATIENCE);
        while let Some(what) = self.unfinished() {
            if given(self) > before {
                (before, end) = (given(self), self.simulation.now() + PATIENCE);
            }
            if self.simulation.now() >= end {
                self.simulation.violated(format_args!("this goes on for ever: {what}"));
                return false;
            }
            if !self.pass_until(self.simulation.now() + LOOK) {
                return false;
            }
        }
        true
    }

    /// Waits until watchers were told everything: a session that nobody uses may still go to rest. Answers whether all is
    /// well.
    fn settle(&mut self) -> bool {
        let versions = |world: &Self| {
            let version = |(id, stored): (&SessionId, &Stored<Engine>)| (id.clone(), stored.version);
            world.simulation.oracle(|oracle| oracle.sessions().map(version).collect::<Vec<_>>())
        };
        loop {
            let before = versions(self);
            if !self.pass_until(self.simulation.now() + LAST_HINTS) || !self.finish() {
                return false;
            }
            if versions(self) == before {
                return true;
            }
        }
    }

    /// Removes objects that nothing refers to. Answers whether all is well.
    fn sweep(&mut self) -> bool {
        let gateway = self.nodes.first().and_then(|node| node.machine.gateway());
        if let Some(gateway) = gateway {
            let simulation = self.simulation.clone();
            self.simulation.spawn(Group::WORLD, async move {
                let swept = gateway.services.sweep_objects().await;
                simulation.note(format_args!("the sweep removes {swept:?} objects"));
            });
        }
        self.pass_until(self.simulation.now() + SWEEP)
    }

    fn unfinished(&self) -> Option<String> {
        liveness::unfinished(&self.simulation, &self.nodes)
    }

    /// Lets time pass. Answers whether all is well.
    fn pass_until(&mut self, end: u64) -> bool {
        loop {
            self.steps += 1;
            match self.simulation.executor.step(end) {
                Progress::Polled(task) => self.simulation.count(task),
                Progress::Panicked(task) => self.simulation.violated(format_args!("task {task} panicked")),
                Progress::Waited => self.simulation.count(self.simulation.now()),
                Progress::Done => return true,
            }
            if self.steps > MAX_STEPS {
                self.simulation.violated(format_args!("something turns in circles"));
            }
            if self.simulation.violation().is_some() {
                return false;
            }
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// What does not wait for anything.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, SetUpError> {
    future.now_or_never().ok_or_else(|| SetUpError("the database in memory did not answer at once".to_owned()))
}

/// Makes the one user of the world.
fn found(simulation: &Arc<Simulation>, database: &Arc<SqliteDatabase>, key: &TokenSecret) -> Result<(), SetUpError> {
    let store: Arc<dyn Store> = Arc::new(SqlStore::new(database.clone()));
    let node = NodeId::parse("founder").map_err(|error| SetUpError(error.to_string()))?;
    let machine = Machine::new(0, node);
    let clock = Arc::new(NodeClock { simulation: simulation.clone(), fast_by: Duration::ZERO });
    let ports = Ports {
        store,
        health: Arc::new(Healthy),
        objects: Arc::new(MemoryObjects::new(clock.clone())),
        pubsub: Arc::new(LocalPubSub::new()),
        sandboxes: Arc::new(MachineSandboxes { simulation: simulation.clone(), machine }),
        clock,
        entropy: Arc::new(SeededEntropy(simulation.clone())),
        spawner: Arc::new(HeldSpawner::new(simulation.clone(), Group::WORLD)),
    };
    let services = Services::new(ports, options(simulation));
    at_once(services.bootstrap(Some(key.clone())))?.map_err(|error| SetUpError(error.to_string()))?;
    let context = services.context(key, Permission::SignedIn);
    let idle_timeout_seconds = Some(simulation.plan.idle_seconds);
    let change = ProfileChange { idle_timeout_seconds, ..ProfileChange::default() };
    at_once(services.change_me(&context, change))?.map_err(|error| SetUpError(error.to_string()))?;
    Ok(())
}
