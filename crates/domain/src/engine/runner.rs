//! The connection of a runner: hello, numbered reports, commands taken over.

use super::{AgentStatus, Change, Link, Notice, Refusal, RunnerHello, RunnerReport, StatusNotice, Step, Turn};
use crate::ids::MessageId;

/// Longest name of a conversation that is kept, in bytes.
const MAX_AGENT_SESSION: usize = 1_000;

impl Step<'_> {
    pub(super) fn runner_connected(&mut self, hello: RunnerHello) -> Result<(), Refusal> {
        self.refuse_stale(&hello)?;
        self.replace_connection(hello.connection);
        self.take_commands(hello.last_command);
        self.set_running();
        self.status(StatusNotice::RunnerConnected);
        self.resume_turn(hello.turn.as_ref(), hello.last_frame);
        self.drain();
        Ok(())
    }

    fn replace_connection(&mut self, connection: String) {
        let new = Link::Connected { connection };
        let old = std::mem::replace(&mut self.engine.runner.link, new);
        if let Link::Connected { connection } = &old
            && old != self.engine.runner.link
        {
            self.notice(Notice::RunnerReplaced { connection: connection.clone() });
        }
        let (now, timeouts) = (self.now, self.engine.timeouts);
        let ready_by = self.engine.runner.ready_by.unwrap_or_else(|| now.plus(timeouts.ready));
        // A report of it may be among those that the runner sends again.
        self.engine.runner.ready_by = Some(ready_by.max(now.plus(timeouts.reconnect)));
    }

    /// The turn goes on with the runner's return: its deadlines stood still meanwhile, and the reports that the runner
    /// kept are on their way. A turn that the runner no longer knows ends when they are there and did not end it.
    fn resume_turn(&mut self, works_on: Option<&MessageId>, last_frame: u64) {
        let (now, timeouts, taken) = (self.now, self.engine.timeouts, self.engine.runner.taken_command);
        let Some(turn) = self.engine.turn.as_mut() else {
            return;
        };
        turn.check_at = turn.check_at.max(now.plus(timeouts.reconnect));
        turn.abort_deadline = turn.abort_deadline.map(|deadline| deadline.max(now.plus(timeouts.abort)));
        let forgotten = turn.command <= taken && works_on != Some(&turn.prompt);
        turn.ends_after = forgotten.then_some(last_frame);
        self.end_forgotten_turn();
    }

    fn end_forgotten_turn(&mut self) {
        let last_frame = self.engine.runner.last_frame;
        let over = |turn: &Turn| turn.ends_after.is_some_and(|frame| frame <= last_frame);
        if self.engine.turn.as_ref().is_some_and(over) {
            self.turn_lost("The runner no longer works on this prompt");
            self.drain();
        }
    }

    pub(super) fn runner_disconnected(&mut self, generation: u32, connection: &str) {
        let current = matches!(&self.engine.runner.link, Link::Connected { connection: held } if held == connection);
        if !self.is_current(generation) || !current {
            return;
        }
        self.lose_link();
    }

    /// Whoever wanted to say hello meanwhile could not, so the time for it begins anew.
    pub(super) fn gateway_restarted(&mut self) {
        let (now, timeouts) = (self.now, self.engine.timeouts);
        match &mut self.engine.runner.link {
            Link::None => {}
            Link::Starting { deadline } => *deadline = now.plus(timeouts.start).max(*deadline),
            Link::Parting { deadline } => *deadline = now.plus(timeouts.hibernate).max(*deadline),
            Link::Lost { deadline } => *deadline = now.plus(timeouts.reconnect).max(*deadline),
            Link::Connected { .. } => self.lose_link(),
        }
    }

    pub(super) fn commands_taken(&mut self, generation: u32, command: u64) -> Result<(), Refusal> {
        if !self.is_current(generation) || !self.engine.uses_sandbox() {
            return Err(Refusal::StaleRunner);
        }
        self.take_commands(command);
        Ok(())
    }

    pub(super) fn reported(&mut self, generation: u32, frame: u64, report: RunnerReport) -> Result<(), Refusal> {
        let link = &self.engine.runner.link;
        let speaks = matches!(link, Link::Connected { .. } | Link::Lost { .. });
        if !self.is_current(generation) || !speaks {
            return Err(Refusal::StaleRunner);
        }
        let expected = self.engine.runner.last_frame.saturating_add(1);
        // A connection that was taken for lost must be made anew, too, or the runner would be given up later.
        if frame > expected || !self.engine.is_connected() {
            return Err(Refusal::Gap(frame));
        }
        if frame == expected {
            self.engine.runner.last_frame = frame;
            self.report(report);
            self.end_forgotten_turn();
        }
        Ok(())
    }

    pub(super) fn agent_ready(&mut self, agent_session: Option<String>) {
        self.engine.runner.ready = true;
        self.engine.runner.agent_session = agent_session.filter(|name| is_kept(name));
        self.drain();
    }

    /// A runner of another generation, or one that knows less than it once did, is not the one that was started.
    fn refuse_stale(&self, hello: &RunnerHello) -> Result<(), Refusal> {
        let runner = &self.engine.runner;
        let fresh = self.is_current(hello.generation)
            && self.engine.uses_sandbox()
            && hello.last_frame >= runner.last_frame
            && hello.last_command >= runner.taken_command
            && hello.last_command <= runner.last_command;
        if fresh { Ok(()) } else { Err(Refusal::StaleRunner) }
    }

    /// A report about the turn proves that its prompt was taken over, even before the runner says so.
    pub(super) fn prompt_was_taken(&mut self) {
        if let Some(command) = self.engine.turn.as_ref().map(|turn| turn.command) {
            self.take_commands(command);
        }
    }

    fn take_commands(&mut self, number: u64) {
        let number = number.min(self.engine.runner.last_command);
        if number > self.engine.runner.taken_command {
            self.engine.runner.taken_command = number;
            let generation = self.engine.runner.generation;
            self.effects.changes.push(Change::CommandsTaken { generation, number });
        }
    }

    pub(super) fn lose_link(&mut self) {
        self.engine.runner.link = Link::Lost { deadline: self.now.plus(self.engine.timeouts.reconnect) };
        let queued = self.engine.queue.len();
        self.status(StatusNotice::RunnerDisconnected { queued });
        let status = if self.engine.turn.is_some() { AgentStatus::Thinking } else { AgentStatus::Idle };
        self.notice(Notice::Agent { status, detail: None });
    }
}

/// Whether a conversation of that name can be asked for again: the name is kept in every stored state and handed to the
/// next runner in its environment, where not everything has room.
pub(super) fn is_kept(name: &str) -> bool {
    (1..=MAX_AGENT_SESSION).contains(&name.len()) && !name.contains('\0')
}
