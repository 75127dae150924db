//! Rest without a sandbox, and the way back.

use super::{Actor, Change, Engine, Link, Notice, Step};
use crate::ids::{SnapshotId, UserId};
use crate::sessions::SessionStatus;
use crate::time::Timestamp;

/// Why a runner is to stop whose session hibernates.
pub const HIBERNATES: &str = "Session hibernates";

impl Engine {
    /// Whether the sandbox can be put away: it is not just starting, and nothing is to be done in it.
    #[must_use]
    pub fn can_hibernate(&self) -> bool {
        self.status == SessionStatus::Running
            && !matches!(self.runner.link, Link::Starting { .. })
            && self.turn.is_none()
            && self.queue.is_empty()
    }

    /// When the sandbox is put away if nothing happens.
    pub(super) fn idle_deadline(&self) -> Option<Timestamp> {
        let rests = self.can_hibernate() && self.is_connected();
        self.timeouts.idle.filter(|_| rests).map(|idle| self.last_activity.plus(idle))
    }
}

impl Step<'_> {
    pub(super) fn hibernation_wanted(&mut self, by: &Actor) {
        if self.engine.can_hibernate() {
            self.hibernate(Some(by.user.clone()));
        }
    }

    pub(super) fn check_idle(&mut self) {
        if self.engine.idle_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.hibernate(None);
        }
    }

    fn hibernate(&mut self, by: Option<UserId>) {
        self.set_status(SessionStatus::Hibernating, None, None);
        self.audit("session.hibernating", "Session hibernates", by);
        if !self.engine.has_sandbox() {
            self.rest();
            return;
        }
        self.notice(Notice::RunnerStop { reason: HIBERNATES.to_owned() });
        self.unlink();
        let deadline = self.now.plus(self.engine.timeouts.hibernate);
        let runner = &mut self.engine.runner;
        runner.link = Link::Parting { deadline };
        let (generation, node, sandbox) = (runner.generation, runner.node.clone(), runner.sandbox.clone());
        let hibernated = Change::SandboxHibernated { generation, node, sandbox };
        self.effects.changes.push(hibernated);
    }

    /// The rest begins, unless prompts came meanwhile, or somebody who wants it back.
    pub(super) fn sandbox_put_away(&mut self, generation: u32, snapshot: Option<SnapshotId>) {
        if !self.is_current(generation) || !matches!(self.engine.runner.link, Link::Parting { .. }) {
            return;
        }
        self.unlink();
        self.engine.runner.snapshot = snapshot;
        self.rest();
        if let Some(by) = self.engine.wakes_for.take() {
            self.wake(Some(by));
        }
        self.wake_for_queue();
    }

    fn rest(&mut self) {
        self.set_status(SessionStatus::Hibernated, Some(false), None);
        self.audit("session.hibernated", "Session rests", None);
    }

    pub(super) fn wake_wanted(&mut self, by: &Actor) {
        match self.engine.status {
            SessionStatus::Hibernated => {
                self.engine.last_activity = self.now;
                self.wake(Some(by.user.clone()));
            }
            SessionStatus::Hibernating => self.engine.wakes_for = Some(by.user.clone()),
            _ => {}
        }
    }

    /// Orders a sandbox that goes on where the last one was put away.
    pub(super) fn wake(&mut self, by: Option<UserId>) {
        self.set_status(SessionStatus::Restoring, None, None);
        self.audit("session.waking", "Session wakes up", by);
        self.order_sandbox();
    }
}
