//! What the engine does by itself when time passes.

use super::{Engine, Link, Step};
use crate::questions::Question;
use crate::sessions::SessionStatus;
use crate::time::Timestamp;

impl Engine {
    /// When the engine has to be asked again at the latest, by an [`super::Event::Due`]. Nothing non-terminal is without
    /// such a time, so nothing can wait for ever.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let link = match self.runner.link {
            Link::Starting { deadline } | Link::Lost { deadline } | Link::Parting { deadline } => Some(deadline),
            Link::Connected { .. } => self.runner.ready_by.filter(|_| self.waits_for_agent()),
            // Only after a sandbox was put away, or too many were lost: otherwise one is ordered as soon as a prompt waits.
            Link::None => {
                let at = self.cooling.map_or(self.last_activity, |cooling| cooling.until.max(self.last_activity));
                Some(at).filter(|_| self.waits_for_sandbox())
            }
        };
        let questions = self.questions.iter().map(|question| question.expires_at);
        // A runner that is out of reach cannot end its turn: the deadline of its return comes first.
        let turn = self.turn.as_ref().filter(|_| self.is_connected());
        let turn = turn.map(|turn| turn.abort_deadline.unwrap_or(turn.check_at));
        link.into_iter().chain(questions).chain(turn).chain(self.first_release()).chain(self.idle_deadline()).min()
    }

    pub(super) fn waits_for_sandbox(&self) -> bool {
        let may_have_one = matches!(self.status, SessionStatus::Running | SessionStatus::Hibernated);
        may_have_one && self.runner.link == Link::None && !self.queue.is_empty()
    }

    fn waits_for_agent(&self) -> bool {
        !self.runner.ready && !self.queue.is_empty()
    }
}

impl Step<'_> {
    pub(super) fn due(&mut self) {
        self.expire_questions();
        self.check_link();
        self.check_turn();
        self.check_collecting();
        self.check_idle();
        self.wake_for_queue();
    }

    fn expire_questions(&mut self) {
        let now = self.now;
        let expired: Vec<Question> =
            self.engine.questions.iter().filter(|question| question.expires_at <= now).cloned().collect();
        for question in expired {
            if self.engine.question(&question.id).is_some() {
                self.question_expired(&question);
            }
        }
    }

    fn check_link(&mut self) {
        match self.engine.runner.link {
            Link::Starting { deadline } if deadline <= self.now => {
                let seconds = self.engine.timeouts.start.as_secs();
                self.give_up(&format!("The runner did not connect within {seconds} seconds"));
            }
            Link::Lost { deadline } if deadline <= self.now => {
                let seconds = self.engine.timeouts.reconnect.as_secs();
                let worked_before = self.engine.runner.ready;
                self.runner_lost(&format!("The runner did not come back within {seconds} seconds"), worked_before);
            }
            Link::Parting { deadline } if deadline <= self.now => {
                let seconds = self.engine.timeouts.hibernate.as_secs();
                self.give_up(&format!("The sandbox could not be put away within {seconds} seconds"));
            }
            Link::Connected { .. } => self.check_ready(),
            _ => {}
        }
    }

    fn check_ready(&mut self) {
        let late = self.engine.runner.ready_by.is_some_and(|deadline| deadline <= self.now);
        if late && self.engine.waits_for_agent() {
            let seconds = self.engine.timeouts.ready.as_secs();
            self.give_up(&format!("The agent took no prompts within {seconds} seconds of its start"));
        }
    }

    fn check_turn(&mut self) {
        if !self.engine.is_connected() {
            return;
        }
        let silence = self.engine.timeouts.silence;
        let waits_for_people = !self.engine.questions.is_empty();
        let now = self.now;
        let Some(turn) = self.engine.turn.as_mut() else {
            return;
        };
        match turn.abort_deadline {
            Some(deadline) if deadline <= now => {
                self.runner_lost("The agent did not end its turn when it was told to", true);
            }
            Some(_) => {}
            None if turn.check_at <= now => {
                let quiet_since = if waits_for_people { now } else { turn.last_report };
                if now.since(quiet_since) >= silence {
                    self.abort_silent_turn();
                } else {
                    turn.check_at = quiet_since.plus(silence);
                }
            }
            None => {}
        }
    }

    fn abort_silent_turn(&mut self) {
        let minutes = self.engine.timeouts.silence.as_secs() / 60;
        self.report_error(&format!("The agent showed no sign of life for {minutes} minutes; its turn is aborted"));
        self.begin_abort();
    }
}
