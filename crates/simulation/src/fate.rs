//! What happens to nodes, machines and sandboxes from outside.

use std::sync::Arc;

use crate::driver::Outage;
use crate::executor::Group;
use crate::node::Node;
use crate::simulation::Simulation;

/// Whoever strikes.
pub(crate) struct Fate {
    pub(crate) simulation: Arc<Simulation>,
    pub(crate) nodes: Arc<Vec<Arc<Node>>>,
    pub(crate) disk_full: Arc<Outage>,
}

impl Fate {
    /// Strikes now and then until the world is calm; what is down is started again after a while.
    pub(crate) async fn run(self) {
        let between = self.simulation.plan.faults.blows;
        loop {
            self.simulation.pause(between / 4, between * 2).await;
            if self.simulation.is_calm() {
                return;
            }
            let Some(node) = self.simulation.draw(|random| random.pick(&self.nodes).cloned()) else {
                return;
            };
            self.strike(&node);
        }
    }

    fn strike(&self, node: &Arc<Node>) {
        match self.simulation.draw(|random| random.below(100)) {
            0..30 => self.crash(node, false),
            30..38 => self.crash(node, true),
            38..55 => self.stop(node),
            55..85 => self.end_sandbox(node),
            85..95 => {
                let span = self.simulation.draw(|random| random.below(25_000_000));
                self.simulation.note(format_args!("node {} is cut off for {span} us", node.machine.number));
                node.cut_off.set(self.simulation.now() + span);
            }
            _ => {
                let span = self.simulation.draw(|random| random.below(8_000_000));
                self.simulation.note(format_args!("the disk is full for {span} us"));
                self.disk_full.set(self.simulation.now() + span);
            }
        }
    }

    /// The node ends where it stands, and its whole machine with it or not.
    fn crash(&self, node: &Arc<Node>, with_machine: bool) {
        node.crash();
        if with_machine {
            for (session, generation) in node.machine.living() {
                node.machine.end(&self.simulation, &session, generation);
            }
        }
        self.start_later(node);
    }

    fn start_later(&self, node: &Arc<Node>) {
        let (node, simulation) = (node.clone(), self.simulation.clone());
        let pause = simulation.pause(100, 30_000);
        self.simulation.spawn(Group::WORLD, async move {
            pause.await;
            node.start();
        });
    }

    fn stop(&self, node: &Arc<Node>) {
        let (node, simulation) = (node.clone(), self.simulation.clone());
        self.simulation.spawn(Group::WORLD, async move {
            node.stop().await;
            simulation.pause(100, 20_000).await;
            node.start();
        });
    }

    fn end_sandbox(&self, node: &Arc<Node>) {
        let living = node.machine.living();
        let ended = self.simulation.draw(|random| random.pick(&living).cloned());
        if let Some((session, generation)) = ended {
            node.machine.end(&self.simulation, &session, generation);
        }
    }
}
