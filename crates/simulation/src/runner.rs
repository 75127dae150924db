//! A runner in its sandbox: it keeps the rules of `docs/protocol.md` for numbering, sending again and reconnecting.

use std::sync::Arc;
use std::time::Duration;

use portway_domain::engine::{Command, RunnerHello, RunnerReport};
use portway_domain::ids::MessageId;
use portway_ports::sandboxes::SandboxOrder;
use portway_ports::sessions::PendingCommand;
use tokio::sync::mpsc;

use crate::agent::{self, Agent};
use crate::executor::Group;
use crate::link::{self, Caller, FromRunner, ToRunner};
use crate::outbox::Outbox;
use crate::pipe::{Receiver, Sender, pipe};
use crate::reverts;
use crate::sandboxes::Machine;
use crate::simulation::Simulation;

/// So many refusals in a row are an answer.
const MAX_REFUSALS: u32 = 5;

/// How long an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long there may be no gateway, in microseconds.
const GIVE_UP: u64 = 120_000_000;

struct Runner {
    simulation: Arc<Simulation>,
    machine: Arc<Machine>,
    order: SandboxOrder,
    outbox: Outbox,
    taken: u64,
    turn: Option<MessageId>,
    commands: mpsc::UnboundedSender<PendingCommand>,
    reports: mpsc::UnboundedReceiver<RunnerReport>,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Lost,
    Refused,
    Exit,
}

/// Works until it is not wanted any more.
pub(crate) async fn run(simulation: Arc<Simulation>, machine: Arc<Machine>, group: Group, order: SandboxOrder) {
    let (commands, to_agent) = mpsc::unbounded_channel();
    let (from_agent, reports) = mpsc::unbounded_channel();
    let agent = Agent::new(simulation.clone(), order.generation, to_agent, from_agent);
    simulation.spawn(group, agent::run(agent));
    if simulation.strikes(simulation.plan.faults.hangs / 6) {
        simulation.note(format_args!("runner {}/{} hangs", order.session, order.generation));
        return std::future::pending().await;
    }
    let mut runner =
        Runner { simulation, machine, order, outbox: Outbox::default(), taken: 0, turn: None, commands, reports };
    runner.stay_connected().await;
}

impl Runner {
    async fn stay_connected(&mut self) {
        let mut refusals = 0;
        let mut heard_at = self.simulation.now();
        loop {
            self.simulation.pause(5, 50).await;
            let ended = self.connect().await;
            refusals = if ended == Some(Ended::Refused) { refusals + 1 } else { 0 };
            if ended.is_some() {
                heard_at = self.simulation.now();
            }
            let is_abandoned = self.simulation.now() - heard_at > GIVE_UP;
            if ended == Some(Ended::Exit) || refusals >= MAX_REFUSALS || is_abandoned {
                return;
            }
            self.simulation.pause(100, 1_500).await;
        }
    }

    /// `None` when the gateway cannot be reached.
    async fn connect(&mut self) -> Option<Ended> {
        let gateway = self.machine.gateway()?;
        let (to_gateway, frames) = pipe(&self.simulation);
        let (to_runner, from_gateway) = pipe(&self.simulation);
        let caller = Caller { session: self.order.session.clone(), token: self.order.token.hash() };
        let serving = link::serve(self.simulation.clone(), gateway.services, caller, frames, to_runner);
        self.simulation.spawn(gateway.group, serving);
        Some(self.talk(to_gateway, from_gateway).await)
    }

    async fn talk(&mut self, mut to_gateway: Sender<FromRunner>, mut from_gateway: Receiver<ToRunner>) -> Ended {
        to_gateway.send(FromRunner::Hello(self.hello()));
        let mut is_welcome = false;
        let ended = loop {
            if is_welcome {
                while let Some((number, report)) = self.outbox.next_unsent() {
                    to_gateway.send(FromRunner::Report(number, report));
                }
            }
            if self.simulation.strikes(self.simulation.plan.faults.cuts) {
                break Ended::Lost;
            }
            tokio::select! {
                biased;
                frame = from_gateway.next() => {
                    if let Some(ended) = self.heard(frame, &mut is_welcome, &mut to_gateway) {
                        break ended;
                    }
                }
                Some(report) = self.reports.recv() => self.keep(report),
                () = self.simulation.sleep(PATIENCE) => {
                    to_gateway.send(FromRunner::Ping);
                    if self.outbox.is_owed() {
                        self.outbox.rewind();
                    }
                }
            }
        };
        if ended == Ended::Lost {
            self.abandon(to_gateway);
        }
        ended
    }

    /// The gateway may notice later, and gets what is on its way.
    fn abandon(&self, to_gateway: Sender<FromRunner>) {
        let pause = self.simulation.pause(0, 3_000);
        self.simulation.spawn(Group::WORLD, async move {
            pause.await;
            drop(to_gateway);
        });
    }

    fn hello(&self) -> RunnerHello {
        RunnerHello {
            generation: self.order.generation,
            connection: String::new(),
            last_command: self.taken,
            last_frame: self.outbox.last(),
            turn: self.turn.clone(),
        }
    }

    fn keep(&mut self, report: RunnerReport) {
        if let RunnerReport::Completed { prompt, .. } = &report
            && self.turn.as_ref() == Some(prompt)
        {
            self.turn = None;
        }
        let is_of_the_workspace = matches!(report, RunnerReport::FilesChanged(_) | RunnerReport::GitState(_));
        let told = is_of_the_workspace.then(|| report.clone());
        let number = self.outbox.put(report);
        if let Some(report) = told {
            let (session, generation) = (self.order.session.clone(), self.order.generation);
            self.simulation.ledger(|ledger| ledger.workspaces.tell(session, generation, number, report));
        }
    }

    fn heard(
        &mut self,
        frame: Option<ToRunner>,
        is_welcome: &mut bool,
        to_gateway: &mut Sender<FromRunner>,
    ) -> Option<Ended> {
        match frame {
            None => return Some(Ended::Lost),
            Some(ToRunner::Welcome(number)) => {
                if !self.outbox.welcome(number) {
                    let (id, last) = (&self.order.session, self.outbox.last());
                    self.simulation
                        .violated(format_args!("session {id} has report {number} of a runner that made {last}"));
                    return Some(Ended::Exit);
                }
                *is_welcome = true;
            }
            Some(ToRunner::Kept(number)) => self.outbox.acknowledge(number),
            Some(ToRunner::Command(command)) => {
                if command.number == self.taken + 1 {
                    self.take(command);
                } else if command.number > self.taken {
                    return None;
                }
                to_gateway.send(FromRunner::Taken(self.taken));
            }
            Some(ToRunner::Asked(asked)) => {
                if let Some(response) = reverts::answer(&self.simulation) {
                    to_gateway.send(FromRunner::Answer { request_id: asked.request_id, response });
                }
            }
            Some(ToRunner::Refused) => return Some(Ended::Refused),
            Some(ToRunner::Stop | ToRunner::Replaced) => return Some(Ended::Exit),
        }
        None
    }

    fn take(&mut self, command: PendingCommand) {
        self.taken = command.number;
        if let Command::Prompt { prompt, earlier, .. } = &command.command {
            let generation = self.order.generation;
            self.simulation.note(format_args!("runner {}/{generation} takes {prompt}", self.order.session));
            let said: Vec<MessageId> = earlier.iter().chain([prompt]).cloned().collect();
            if let Err(error) = self.simulation.ledger(|ledger| ledger.give(&said, generation)) {
                self.simulation.violated(format_args!("{error}"));
            }
            self.simulation.oracle(|oracle| oracle.taken(&said, generation)).into_iter().for_each(|finding| {
                self.simulation.violated(format_args!("{finding}"));
            });
            if let Some(turn) = &self.turn {
                self.simulation.violated(format_args!("{prompt} was given while {turn} is worked on"));
            }
            self.turn = Some(prompt.clone());
        }
        // The agent ends only with its sandbox.
        let _ = self.commands.send(command);
    }
}
