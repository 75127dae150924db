//! Prompts: the turn and its abort.

use std::time::Duration;

use super::{
    Actor, AgentStatus, Change, Command, Link, MAX_QUEUED, Notice, Prompt, QueuedPrompt, Refusal, StatusNotice, Step,
    Turn,
};
use crate::channels::{Channel, is_same_place};
use crate::messages::{FinishReason, Message, MessageRole, Part};
use crate::sessions::QueueMode;

/// Characters of a prompt that the audit log shows.
const SUMMARY_CHARS: usize = 120;

impl Step<'_> {
    pub(super) fn prompted(&mut self, prompt: Prompt) -> Result<(), Refusal> {
        self.refuse_when_ended()?;
        let mode = prompt.queue_mode.unwrap_or(self.engine.queue_mode);
        let steers = mode == QueueMode::Steer && self.may_steer(prompt.channel.as_ref());
        if !steers && self.engine.queue.len() >= MAX_QUEUED {
            return Err(Refusal::QueueFull);
        }
        self.engine.last_activity = self.now;
        let actor = prompt.author.as_ref().map(|author| author.id.clone());
        if steers {
            match &prompt.channel {
                Some(channel) => self.drop_queue_of(channel),
                None => self.drop_queue(),
            }
            self.begin_abort();
            self.notice(Notice::Agent { status: AgentStatus::Idle, detail: None });
            self.audit("user.abort", "Turn aborted by a new prompt", actor.clone());
        }
        let summary: String = prompt.content.chars().take(SUMMARY_CHARS).collect();
        let queued = QueuedPrompt {
            id: prompt.id.clone(),
            author: actor.clone(),
            model: prompt.model.clone(),
            channel: prompt.channel.clone(),
            is_collected: mode == QueueMode::Collect,
            held_until: None,
        };
        self.add_user_message(prompt);
        self.audit("user.prompt", &summary, actor);
        if queued.is_collected {
            self.collect(queued);
        } else if self.engine.queue.is_empty() && self.can_dispatch() {
            self.dispatch(Vec::new(), queued);
        } else {
            self.enqueue(queued);
        }
        Ok(())
    }

    /// Whether a prompt ends the turn that goes on: one of a channel does not end what another channel asked for.
    fn may_steer(&self, channel: Option<&Channel>) -> bool {
        self.engine.turn.as_ref().is_some_and(|turn| channel.is_none() || turn.queued.channel.as_ref() == channel)
    }

    pub(super) fn aborted(&mut self, channel: Option<&Channel>, by: &Actor) -> Result<(), Refusal> {
        self.refuse_when_ended()?;
        self.engine.last_activity = self.now;
        self.drop_queued(|queued| channel.is_none() || is_same_place(queued.channel.as_ref(), channel));
        if !self.works_for_another(channel) {
            self.begin_abort();
            self.notice(Notice::Agent { status: AgentStatus::Idle, detail: None });
        }
        self.audit("user.abort", "Turn aborted", Some(by.user.clone()));
        Ok(())
    }

    /// Tells the runner once to end the turn. Open questions of the turn are closed: nobody's answer matters any more.
    pub(super) fn begin_abort(&mut self) {
        let deadline = self.now.plus(self.engine.timeouts.abort);
        let Some(turn) = self.engine.turn.as_mut().filter(|turn| turn.abort_deadline.is_none()) else {
            return;
        };
        turn.abort_deadline = Some(deadline);
        let prompt = turn.prompt.clone();
        self.close_questions();
        self.command(Command::Abort { prompt });
    }

    /// Ends the turn after the runner said so, and lets the next prompt go.
    pub(super) fn turn_completed(&mut self, aborted: bool) {
        self.finish_open_message(if aborted { FinishReason::Canceled } else { FinishReason::EndTurn }, None);
        self.engine.turn = None;
        self.engine.cooling = None;
        self.close_questions();
        self.engine.last_activity = self.now;
        if aborted {
            self.notice(Notice::Agent { status: AgentStatus::Idle, detail: None });
            self.status(StatusNotice::TurnEnded { aborted: true });
        }
        self.audit("agent.turn_complete", "Turn complete", None);
        self.touch();
        if !self.drain() && !aborted {
            self.status(StatusNotice::TurnEnded { aborted: false });
        }
    }

    /// Ends the turn because what worked on it is gone. A prompt that was taken over is never sent again; one that was
    /// not goes back to the head of the queue.
    pub(super) fn turn_lost(&mut self, error: &str) {
        let Some(turn) = self.engine.turn.take() else {
            return;
        };
        self.close_questions();
        if turn.command > self.engine.runner.taken_command && turn.abort_deadline.is_none() {
            self.engine.queue.push_front(turn.queued);
            turn.earlier.into_iter().rev().for_each(|earlier| self.engine.queue.push_front(earlier));
            self.audit("prompt.dispatch_failed", "The runner was lost before it took the prompt over", None);
            self.status(StatusNotice::PromptQueued { position: 1 });
            return;
        }
        let reason = if turn.abort_deadline.is_some() { FinishReason::Canceled } else { FinishReason::Error };
        self.finish_open_message(reason, Some(error.to_owned()));
        if reason == FinishReason::Error {
            self.report_error(error);
        }
        self.audit("agent.turn_complete", "Turn ended early", None);
        self.touch();
        self.notice(Notice::Agent { status: AgentStatus::Idle, detail: None });
        self.status(StatusNotice::TurnEnded { aborted: reason == FinishReason::Canceled });
    }

    pub(super) fn can_dispatch(&self) -> bool {
        self.engine.turn.is_none() && self.engine.runner.ready && self.engine.is_connected()
    }

    /// Gives a prompt to the agent, and with it those that were collected before it.
    pub(super) fn dispatch(&mut self, earlier: Vec<QueuedPrompt>, queued: QueuedPrompt) {
        self.engine.owes_idle = self.engine.parent.is_some();
        let silence: Duration = self.engine.timeouts.silence;
        let command = Command::Prompt {
            prompt: queued.id.clone(),
            earlier: earlier.iter().map(|earlier| earlier.id.clone()).collect(),
            model: queued.model.clone().or_else(|| self.engine.initial_model.clone()),
        };
        let number = self.command(command);
        self.engine.turn = Some(Turn {
            prompt: queued.id.clone(),
            queued,
            earlier,
            command: number,
            started_at: self.now,
            last_report: self.now,
            check_at: self.now.plus(silence),
            abort_deadline: None,
            message: None,
            last_message: 0,
            last_question: 0,
            ends_after: None,
            names: Vec::new(),
        });
    }

    fn add_user_message(&mut self, prompt: Prompt) {
        let seq = self.next_seq();
        let message = Message {
            id: prompt.id,
            seq,
            position: seq,
            role: MessageRole::User,
            content: prompt.content,
            parts: prompt.attachments.into_iter().map(Part::Attachment).collect(),
            author: prompt.author,
            channel: prompt.channel,
            created_at: self.now,
        };
        self.add_message(message);
    }

    pub(super) fn refuse_when_ended(&self) -> Result<(), Refusal> {
        if self.engine.status.is_ended() {
            return Err(Refusal::Ended(self.engine.status.as_str()));
        }
        Ok(())
    }

    /// Numbers a command for the runner of the current generation. Without a sandbox there is nobody to tell.
    pub(super) fn command(&mut self, command: Command) -> u64 {
        if self.engine.runner.link == Link::None {
            return self.engine.runner.last_command;
        }
        self.engine.runner.last_command += 1;
        let number = self.engine.runner.last_command;
        let generation = self.engine.runner.generation;
        self.effects.changes.push(Change::CommandGiven { generation, number, command });
        self.notice(Notice::Commands);
        number
    }
}
