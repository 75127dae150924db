//! What the agent writes, and the other things that land in the transcript.

use serde_json::json;

use super::minted::Minted;
use super::{Actor, AuditEntry, BusEvent, Change, Notice, OpenMessage, RunnerReport, StatusNotice, Step};
use crate::ids::{MessageId, UserId};
use crate::messages::{FinishReason, Message, MessageRole, Part, PlanEntry, TextKind, ToolCall, transcribe};
use crate::text::keepable;

/// Longest error text that is stored, in characters.
const MAX_ERROR_CHARS: usize = 4_000;

impl Step<'_> {
    /// What a report means for the transcript and the turn.
    pub(super) fn report(&mut self, report: RunnerReport) {
        let is_of_the_agent =
            !matches!(report, RunnerReport::FilesChanged(_) | RunnerReport::GitState(_) | RunnerReport::Tunnels(_));
        if let Some(turn) = self.engine.turn.as_mut().filter(|_| is_of_the_agent) {
            turn.last_report = self.now;
        }
        match report {
            RunnerReport::Ready { agent_session } => self.agent_ready(agent_session),
            RunnerReport::Failed { error } => self.give_up(&error),
            RunnerReport::MessageCreated { message } => self.message_created(message),
            RunnerReport::Text { message, kind, delta } => self.text(&message, kind, &delta),
            RunnerReport::Tool { message, call } => self.tool(message.as_ref(), call),
            RunnerReport::Plan { message, entries } => self.plan(&message, entries),
            RunnerReport::MessageFinished { message, reason, error } => {
                if message.is_none_or(|id| self.is_open(&id)) {
                    self.finish_open_message(reason, error);
                }
            }
            RunnerReport::Asked { question, text, choices } => self.asked(question, &text, choices),
            RunnerReport::QuestionClosed { question } => self.question_withdrawn(&question),
            RunnerReport::Named(name) => self.named(name),
            RunnerReport::ChannelSession(session) => self.channel_session(session),
            RunnerReport::Showed { message, description, pictures } => {
                let parts = pictures.into_iter().map(Part::Attachment).collect();
                self.add_new_message(message, MessageRole::System, &description, parts);
            }
            RunnerReport::Transcribed { message, transcript } => self.transcribed(*message, &transcript),
            RunnerReport::Configured => {
                self.audit("opencode.config_applied", "The agent was started with its settings", None);
            }
            RunnerReport::Status { status, detail } => self.notice(Notice::Agent { status, detail }),
            RunnerReport::Models(models) => self.models_offered(models),
            RunnerReport::ModelSwitched(switch) => self.model_switched(switch),
            RunnerReport::Error { error } => self.report_error(&error),
            RunnerReport::Completed { prompt, aborted } => {
                if self.engine.turn.as_ref().is_some_and(|turn| turn.prompt == prompt) {
                    self.prompt_was_taken();
                    self.turn_completed(aborted);
                }
            }
            RunnerReport::FilesChanged(files) => self.files_changed(files),
            RunnerReport::GitState(report) => self.git_state_changed(report),
            RunnerReport::Tunnels(tunnels) => self.tunnels_told(tunnels),
            RunnerReport::SessionReset => self.session_reset(),
            RunnerReport::Unknown => {}
        }
    }

    fn message_created(&mut self, id: MessageId) {
        if self.message_minted(&id) != Minted::New {
            return;
        }
        self.finish_open_message(FinishReason::Canceled, None);
        let seq = self.next_seq();
        let channel = self.engine.turn.as_ref().and_then(|turn| turn.queued.channel.clone());
        let open = OpenMessage { channel, ..OpenMessage::new(id.clone(), seq, self.now) };
        self.add_message(open.snapshot(seq));
        self.engine.open = Some(open);
        if let Some(turn) = self.engine.turn.as_mut() {
            turn.message = Some(id);
        }
    }

    fn text(&mut self, message: &MessageId, kind: TextKind, delta: &str) {
        if !self.is_open(message) {
            return;
        }
        let segment = self.engine.open.as_mut().and_then(|open| open.append(kind, &keepable(delta)));
        if let Some(segment) = segment {
            self.notice(Notice::Chunk(segment.clone()));
            self.effects.changes.push(Change::TextAppended(segment));
        }
    }

    fn tool(&mut self, message: Option<&MessageId>, call: ToolCall) {
        if message.is_none_or(|id| self.is_open(id)) {
            let set = self.engine.open.as_mut().and_then(|open| open.set_tool(call));
            self.part_set(set);
        }
    }

    fn plan(&mut self, message: &MessageId, entries: Vec<PlanEntry>) {
        if self.is_open(message) {
            let set = self.engine.open.as_mut().and_then(|open| open.set_plan(entries));
            self.part_set(set);
        }
    }

    fn part_set(&mut self, set: Option<(u32, Part)>) {
        let Some((index, part)) = set else {
            return;
        };
        let seq = self.next_seq();
        if let Some(open) = &self.engine.open {
            let message = open.id.clone();
            let snapshot = open.snapshot(seq);
            self.effects.changes.push(Change::PartSet { message, index, part, seq });
            self.notice(Notice::MessageUpdated(snapshot));
        }
    }

    /// Finishes the message that is being written, if there is one.
    pub(super) fn finish_open_message(&mut self, reason: FinishReason, error: Option<String>) {
        let Some(open) = self.engine.open.take() else {
            return;
        };
        let seq = self.next_seq();
        let message = open.finish(seq, reason, error.map(|text| bounded(&text)));
        self.effects.changes.push(Change::MessageFinished(message.clone()));
        self.notice(Notice::MessageUpdated(message));
        if let Some(turn) = self.engine.turn.as_mut() {
            turn.message = None;
        }
    }

    fn transcribed(&mut self, mut message: Message, transcript: &str) {
        if message.role != MessageRole::User || !transcribe(&mut message.parts, transcript) {
            return;
        }
        message.seq = self.next_seq();
        let (id, parts, seq) = (message.id.clone(), message.parts.clone(), message.seq);
        self.effects.changes.push(Change::PartsReplaced { message: id, parts, seq });
        self.notice(Notice::MessageUpdated(message));
    }

    /// Takes out of the transcript what the agent no longer knows.
    pub(super) fn reverted(&mut self, first: u64, last: u64, messages: Vec<MessageId>, by: &Actor) {
        if messages.is_empty() {
            return;
        }
        self.engine.last_activity = self.now;
        let seq = self.next_seq();
        let summary = match messages.len() {
            1 => "1 message was taken back".to_owned(),
            count => format!("{count} messages were taken back"),
        };
        self.effects.changes.push(Change::MessagesRemoved { first, last, seq });
        self.notice(Notice::MessagesRemoved(messages));
        self.audit("prompt.reverted", &summary, Some(by.user.clone()));
    }

    /// Stores and tells an error of the agent or its sandbox.
    pub(super) fn report_error(&mut self, error: &str) {
        let error = bounded(error);
        let seq = self.next_seq();
        let message = Message {
            id: self.ids.draw(),
            seq,
            position: seq,
            role: MessageRole::System,
            content: format!("Error: {error}"),
            parts: Vec::new(),
            author: None,
            channel: None,
            created_at: self.now,
        };
        let id = message.id.clone();
        // Clients draw the error frame themselves, so the stored message is not announced as well.
        self.effects.changes.push(Change::MessageAdded(message));
        self.notice(Notice::Error { message: id.clone(), error: error.clone() });
        self.audit("agent.error", &error, None);
        self.tell_parent_of_error(&error);
        self.bus("session.errored", json!({"error": error, "messageId": id.as_str()}));
    }

    /// Shows where the agent begins to remember.
    fn session_reset(&mut self) {
        let id = self.ids.draw();
        let text = "A new conversation begins: the agent knows nothing of what was said before";
        self.add_new_message(id, MessageRole::System, text, vec![Part::SessionBreak]);
        self.audit("agent.session_reset", "New conversation", None);
    }

    /// Adds what nobody on a channel wrote.
    pub(super) fn add_new_message(&mut self, id: MessageId, role: MessageRole, content: &str, parts: Vec<Part>) {
        let seq = self.next_seq();
        let content = keepable(content).into_owned();
        let created_at = self.now;
        self.add_message(Message {
            id,
            seq,
            position: seq,
            role,
            content,
            parts,
            author: None,
            channel: None,
            created_at,
        });
    }

    pub(super) fn add_message(&mut self, message: Message) {
        self.effects.changes.push(Change::MessageAdded(message.clone()));
        self.notice(Notice::Message(message));
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.effects.notices.push(notice);
    }

    pub(super) fn status(&mut self, status: StatusNotice) {
        self.notice(Notice::Status(status));
    }

    pub(super) fn audit(&mut self, event_type: &str, summary: &str, actor: Option<UserId>) {
        let entry = AuditEntry {
            id: self.ids.draw(),
            seq: self.next_seq(),
            event_type: event_type.to_owned(),
            summary: keepable(summary).into_owned(),
            actor,
            created_at: self.now,
        };
        self.effects.changes.push(Change::Audited(entry.clone()));
        self.notice(Notice::Audit(entry));
    }

    /// Tells everybody who takes part.
    pub(super) fn bus(&mut self, kind: &str, data: serde_json::Value) {
        let event = |user: &UserId| BusEvent {
            kind: kind.to_owned(),
            session: self.engine.session.clone(),
            user: user.clone(),
            data: data.clone(),
            at: self.now,
        };
        self.effects.bus.push(event(&self.engine.owner));
        self.effects.bus.extend(self.engine.participants.keys().map(event));
    }

    fn is_open(&self, id: &MessageId) -> bool {
        self.engine.open.as_ref().is_some_and(|open| open.id == *id)
    }
}

/// An error as it is kept.
pub(super) fn bounded(text: &str) -> String {
    keepable(text).chars().take(MAX_ERROR_CHARS).collect()
}
