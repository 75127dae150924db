//! The life of a session and of its sandboxes.

use serde_json::json;

use super::transcript::bounded;
use super::{
    Actor, COOL_DOWNS, Change, Cooling, Link, MAX_RESTARTS, Notice, RESTART_WINDOW, Refusal, StatusNotice, Step,
};
use crate::children::ChildEvent;
use crate::ids::{NodeId, SandboxId, UserId};
use crate::messages::FinishReason;
use crate::sessions::SessionStatus;
use crate::tokens::TokenHash;
use crate::tunnels::{Exposure, SandboxUrls};

impl Step<'_> {
    pub(super) fn opened(&mut self, title: Option<String>) {
        let fresh = self.engine.runner.generation == 0 && self.engine.status == SessionStatus::Initializing;
        if !fresh {
            return;
        }
        self.tell_status(SessionStatus::Initializing, None, None);
        self.audit("session.started", title.as_deref().unwrap_or("Session started"), Some(self.engine.owner.clone()));
        self.bus("session.started", json!({}));
        self.order_sandbox();
    }

    pub(super) fn renamed(&mut self, title: String) {
        self.effects.changes.push(Change::SessionTouched {
            status: None,
            error: None,
            title: Some(title.clone()),
            at: self.now,
        });
        self.next_seq();
        self.notice(Notice::Title(title));
    }

    pub(super) fn terminated(&mut self, by: &Actor) {
        let was_live = !self.engine.status.is_ended();
        self.terminate(Some(by.user.clone()), "Session terminated", "user_stopped");
        if was_live {
            self.tell_parent(ChildEvent::Completed);
        }
    }

    pub(super) fn terminate(&mut self, by: Option<UserId>, summary: &str, reason: &str) {
        if !self.engine.status.may_become(SessionStatus::Terminated) {
            return;
        }
        self.finish_open_message(FinishReason::Canceled, None);
        self.end(summary);
        self.set_status(SessionStatus::Terminated, Some(false), None);
        self.audit("session.terminated", summary, by);
        self.bus("session.completed", json!({"reason": reason}));
    }

    /// Orders a new sandbox, whose runner must say hello in time.
    pub(super) fn order_sandbox(&mut self) {
        let runner = &mut self.engine.runner;
        runner.generation += 1;
        runner.sandbox = None;
        runner.link = Link::Starting { deadline: self.now.plus(self.engine.timeouts.start) };
        runner.token = None;
        runner.ready = false;
        runner.ready_by = None;
        runner.last_frame = 0;
        runner.last_command = 0;
        runner.taken_command = 0;
        runner.exposure = Exposure::default();
        // What the agent worked on is there.
        let ordered = Change::SandboxOrdered { generation: runner.generation, node: runner.node.clone() };
        self.effects.changes.push(ordered);
    }

    pub(super) fn sandbox_prepared(&mut self, generation: u32, node: NodeId, token: TokenHash) -> Result<(), Refusal> {
        let Link::Starting { deadline } = self.engine.runner.link else {
            return Err(Refusal::StaleRunner);
        };
        if !self.is_current(generation) {
            return Err(Refusal::StaleRunner);
        }
        let runner = &mut self.engine.runner;
        if runner.token.is_some() && runner.node.as_ref() != Some(&node) {
            self.dismiss_sandbox();
            self.engine.runner.node = None;
            self.order_sandbox();
            // However many nodes try, it is one start to those who wait for it.
            self.engine.runner.link = Link::Starting { deadline };
            return Ok(());
        }
        runner.node = Some(node);
        runner.token = Some(token);
        Ok(())
    }

    /// Its runner may have said hello already: then only where it is reached is news.
    pub(super) fn sandbox_started(
        &mut self,
        generation: u32,
        node: NodeId,
        sandbox: Option<SandboxId>,
        urls: SandboxUrls,
    ) {
        if !self.wants_sandbox(generation) {
            self.effects.changes.push(Change::SandboxDismissed { generation, node: Some(node), sandbox });
            return;
        }
        if sandbox.is_some() {
            self.engine.runner.sandbox = sandbox;
        }
        let is_news = self.reached_at(urls);
        let before = self.engine.status;
        self.set_running();
        if is_news && before == self.engine.status {
            self.tell_status(before, Some(true), None);
        }
    }

    fn wants_sandbox(&self, generation: u32) -> bool {
        self.is_current(generation) && self.engine.runner.link != Link::None
    }

    /// Once its runner said hello, a sandbox did start: a failure to start that is reported after that is that of a
    /// repeated attempt. A sandbox that nobody wants any more is dismissed, since an attempt that failed may have left it.
    pub(super) fn sandbox_failed(&mut self, generation: u32, node: NodeId, error: &str) {
        if !self.wants_sandbox(generation) {
            self.effects.changes.push(Change::SandboxDismissed { generation, node: Some(node), sandbox: None });
            return;
        }
        let waits = matches!(self.engine.runner.link, Link::Starting { .. } | Link::Parting { .. });
        if waits {
            self.give_up(error);
        }
    }

    /// One that is being put away has to go: that it is kept is told by whoever does it.
    pub(super) fn sandbox_gone(&mut self, generation: u32, detail: &str) {
        if !self.is_current(generation) || !self.engine.uses_sandbox() {
            return;
        }
        let worked_before = self.engine.runner.ready;
        self.runner_lost(&format!("The sandbox ended: {detail}"), worked_before);
    }

    /// The runner is gone for good. The turn that it worked on ends; the session goes on with a new sandbox when one
    /// is needed, after a wait if runners were lost too often, unless waiting did not help or this one never worked.
    pub(super) fn runner_lost(&mut self, error: &str, worked_before: bool) {
        if !worked_before || !self.may_restart() {
            self.give_up(error);
            return;
        }
        self.unlink();
        self.dismiss_sandbox();
        self.turn_lost(error);
        if let Some(wait) =
            self.engine.cooling.map(|cooling| cooling.until.since(self.now)).filter(|wait| !wait.is_zero())
        {
            let minutes = wait.as_secs() / 60;
            self.report_error(&format!("The runner was lost too often; there is none for {minutes} min"));
        }
        let queued = self.engine.queue.len();
        self.status(StatusNotice::RunnerDisconnected { queued });
        self.wake_for_queue();
    }

    /// Counts a loss. Too many of them in a short time lead to a wait, and losses after that to longer ones, until a
    /// turn ends; answers whether there is another try.
    fn may_restart(&mut self) -> bool {
        let now = self.now;
        let losses = &mut self.engine.losses;
        losses.retain(|loss| now.since(*loss) < RESTART_WINDOW);
        losses.push(now);
        if losses.len() < MAX_RESTARTS && self.engine.cooling.is_none() {
            return true;
        }
        losses.drain(..losses.len().saturating_sub(MAX_RESTARTS));
        let count = self.engine.cooling.map_or(0, |cooling| cooling.count);
        let Some(wait) = COOL_DOWNS.get(count) else {
            return false;
        };
        self.engine.cooling = Some(Cooling { until: now.plus(*wait), count: count + 1 });
        true
    }

    /// The sandbox is put away while nothing is wrong with it. Prompts that wait keep waiting: a later
    /// [`super::Event::Due`] orders a new sandbox for them.
    pub(super) fn sandbox_retired(&mut self) {
        if !self.engine.uses_sandbox() {
            return;
        }
        self.set_running();
        self.notice(Notice::RunnerStop { reason: "The gateway goes down".to_owned() });
        self.unlink();
        self.dismiss_sandbox();
        self.turn_lost("The gateway was stopped");
        let queued = self.engine.queue.len();
        self.status(StatusNotice::RunnerDisconnected { queued });
    }

    /// Ends the session with an error.
    pub(super) fn give_up(&mut self, error: &str) {
        if !self.engine.status.may_become(SessionStatus::Error) {
            return;
        }
        let error = bounded(error);
        self.finish_open_message(FinishReason::Error, Some(error.clone()));
        self.end("Session failed");
        self.set_status(SessionStatus::Error, Some(false), Some(error.clone()));
        self.report_error(&error);
    }

    /// What every end of a session has in common: nothing waits any more, and the sandbox goes.
    fn end(&mut self, reason: &str) {
        self.close_questions();
        self.engine.turn = None;
        self.engine.wakes_for = None;
        self.drop_queue();
        if self.engine.has_sandbox() {
            self.notice(Notice::RunnerStop { reason: reason.to_owned() });
            self.dismiss_sandbox();
        }
        self.unlink();
        self.stop_children();
    }

    /// The node of the sandbox is gone.
    pub(super) fn node_lost(&mut self, node: &NodeId) {
        if self.engine.runner.node.as_ref() != Some(node) {
            return;
        }
        match self.engine.runner.link {
            Link::Starting { .. } => {
                self.dismiss_sandbox();
                self.order_sandbox();
            }
            Link::Connected { .. } => self.lose_link(),
            Link::Lost { .. } | Link::Parting { .. } | Link::None => {}
        }
    }

    fn dismiss_sandbox(&mut self) {
        let runner = &self.engine.runner;
        let (generation, node, sandbox) = (runner.generation, runner.node.clone(), runner.sandbox.clone());
        let dismissed = Change::SandboxDismissed { generation, node, sandbox };
        self.effects.changes.push(dismissed);
    }

    pub(super) fn unlink(&mut self) {
        let runner = &mut self.engine.runner;
        runner.link = Link::None;
        runner.ready = false;
        runner.ready_by = None;
        runner.token = None;
        runner.exposure = Exposure::default();
    }

    pub(super) fn set_running(&mut self) {
        let before = self.engine.status;
        if matches!(before, SessionStatus::Initializing | SessionStatus::Restoring) {
            self.set_status(SessionStatus::Running, Some(true), None);
        }
        if before == SessionStatus::Restoring {
            self.audit("session.restored", "Session is back", None);
        }
    }

    /// Records that something worth sorting by happened.
    pub(super) fn touch(&mut self) {
        self.effects.changes.push(Change::SessionTouched { status: None, error: None, title: None, at: self.now });
    }

    pub(super) fn set_status(&mut self, status: SessionStatus, sandbox: Option<bool>, error: Option<String>) {
        self.engine.status = status;
        self.next_seq();
        self.effects.changes.push(Change::SessionTouched {
            status: Some(status),
            error: error.clone(),
            title: None,
            at: self.now,
        });
        self.tell_status(status, sandbox, error);
    }

    fn tell_status(&mut self, status: SessionStatus, sandbox: Option<bool>, error: Option<String>) {
        let urls = self.engine.runner.exposure.urls.clone();
        self.status(StatusNotice::Lifecycle { status, sandbox, error, urls });
    }

    pub(super) fn is_current(&self, generation: u32) -> bool {
        self.engine.runner.generation == generation
    }
}
