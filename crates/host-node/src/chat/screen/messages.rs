//! Messages and their parts.

use portway_protocol::message::{FinishReason, Message, MessageRole, Part};
use portway_protocol::server::{InitData, InitSession, MessageUpdate};

use super::Screen;
use super::page::Tone;
use super::tools::{ToolNow, plan_lines};
use super::transcript::{News, PartSeen};
use crate::terminal_text::{brief, clean_line};

/// How many messages of a joined session are shown.
const RECENT: usize = 10;

/// Most characters of a name.
const MAX_NAME: usize = 60;

/// Kinds of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// For the user.
    Prose,
    /// What the agent thinks aloud.
    Reasoning,
}

impl Screen {
    /// The whole state of the session.
    pub(super) fn init(&mut self, session: &InitSession, data: &InitData) {
        let first = !self.seen_init;
        self.seen_init = true;
        self.activity.init(data, &session.messages);
        self.questions.renew();
        self.shown_question = None;
        self.starting = !data.runner_connected;
        if std::mem::take(&mut self.lost) && !first {
            self.page.line(Tone::Dim, "connected again");
        }
        if first {
            self.begin(session, data);
        } else {
            let known = |id: &str| session.messages.iter().any(|message| message.id == id);
            self.transcript.keep(known);
            for message in &session.messages {
                self.message(message);
            }
        }
        // Old messages were just followed: only the frame itself tells what goes on.
        self.activity.init(data, &session.messages);
        self.lifecycle(&session.status, None, first);
    }

    fn begin(&mut self, session: &InitSession, data: &InitData) {
        let open = session.messages.last().filter(|last| data.runner_busy && !last.is_done());
        let old = session.messages.len() - usize::from(open.is_some());
        if !self.muted {
            let from = old.saturating_sub(RECENT);
            if from > 0 {
                self.page.line(Tone::Dim, &format!("({from} earlier messages)"));
            }
            for message in session.messages.iter().take(old).skip(from) {
                self.summary(message);
            }
        }
        for message in session.messages.iter().take(old) {
            self.silently(message);
        }
        if let Some(open) = open {
            self.message(open);
        }
    }

    fn summary(&mut self, message: &Message) {
        let text = brief(&message.content);
        if text.is_empty() {
            return;
        }
        let line = match message.role {
            MessageRole::User => format!("{}: {text}", author(message)),
            MessageRole::Assistant => format!("agent: {text}"),
            MessageRole::System => text,
        };
        self.page.line(Tone::Dim, &line);
    }

    /// Counts a message as printed.
    fn silently(&mut self, message: &Message) {
        let (muted, failed) = (self.muted, self.failed);
        self.muted = true;
        self.message(message);
        (self.muted, self.failed) = (muted, failed);
        self.current = None;
    }

    /// A message, new or known.
    pub(super) fn message(&mut self, message: &Message) {
        let new = self.transcript.add(&message.id);
        match message.role {
            MessageRole::User => {
                self.activity.prompted(&message.id);
                if new {
                    self.last_error = None;
                    self.prompted(message);
                }
            }
            MessageRole::System if new => self.system(&message.content),
            MessageRole::System => {}
            MessageRole::Assistant => {
                self.activity.wrote();
                self.parts(&message.id, &message.content, message.parts.as_deref());
            }
        }
    }

    /// A message changed.
    pub(super) fn updated(&mut self, update: &MessageUpdate) {
        let of_agent = match update.role {
            Some(role) => role == MessageRole::Assistant,
            None => self.transcript.knows(&update.id),
        };
        if of_agent {
            self.parts(&update.id, &update.content, update.parts.as_deref());
        }
    }

    /// More text of a message.
    pub(super) fn chunk(&mut self, kind: Kind, id: &str, part: u32, offset: u64, content: &str) {
        self.activity.wrote();
        let index = usize::try_from(part).unwrap_or(usize::MAX);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(seen) = self.transcript.part(id, index) else {
            return;
        };
        match seen.chunk(offset, content) {
            News::Text(new) => self.text(id, index, kind, new),
            News::Gap => {
                let place = (id.to_owned(), index);
                // Once per part: a gateway that keeps leaving gaps is not asked for ever.
                if self.resynced.as_ref() != Some(&place) {
                    self.resynced = Some(place);
                    self.resync = true;
                }
            }
        }
    }

    fn prompted(&mut self, message: &Message) {
        if self.forget_own(&message.content) {
            self.muted = false;
        } else if !self.muted && !self.manner.once {
            self.page.line(Tone::Dim, &format!("{}: {}", author(message), message.content.trim()));
        }
    }

    fn system(&mut self, content: &str) {
        if self.muted {
            return;
        }
        match content.strip_prefix("Error: ") {
            Some(error) => self.failure(error),
            None => self.page.line(Tone::Dim, content.trim()),
        }
    }

    fn parts(&mut self, id: &str, content: &str, parts: Option<&[Part]>) {
        match parts {
            Some([Part::Label { .. } | Part::SessionBreak {} | Part::TunnelClosed { .. } | Part::Screenshot(_)]) => {
                self.whole_text(id, 0, Kind::Prose, content);
            }
            Some(parts) if !parts.is_empty() => {
                for (index, part) in parts.iter().enumerate() {
                    self.part(id, index, part);
                }
            }
            _ => self.whole_text(id, 0, Kind::Prose, content),
        }
    }

    fn part(&mut self, id: &str, index: usize, part: &Part) {
        match part {
            Part::Text { text, .. } => self.whole_text(id, index, Kind::Prose, text),
            Part::Reasoning { text, .. } => self.whole_text(id, index, Kind::Reasoning, text),
            Part::ToolCall { tool_name, status, args, error, .. } => {
                let now = ToolNow { name: tool_name, status: *status, args: args.as_ref(), error: error.as_deref() };
                self.tool(id, index, &now);
            }
            Part::Plan { entries } => {
                if self.replace(id, index, PartSeen::Plan(entries.clone())) && !self.muted {
                    self.page.line(Tone::Dim, &plan_lines(entries));
                }
            }
            Part::Error { message } => {
                if self.replace(id, index, PartSeen::All) && !self.muted {
                    self.failure(message);
                }
            }
            Part::Finish { reason } => {
                if self.replace(id, index, PartSeen::All) && !self.muted {
                    self.finished(*reason);
                }
            }
            // Only prompts and messages of the gateway have them.
            Part::Forwarded { .. }
            | Part::Label { .. }
            | Part::SessionBreak {}
            | Part::TunnelClosed { .. }
            | Part::Image(_)
            | Part::Audio(_)
            | Part::File(_)
            | Part::Screenshot(_) => {}
        }
    }

    fn whole_text(&mut self, id: &str, index: usize, kind: Kind, text: &str) {
        if let Some(seen) = self.transcript.part(id, index) {
            let new = seen.text(text);
            self.text(id, index, kind, new);
        }
    }

    fn text(&mut self, id: &str, index: usize, kind: Kind, new: &str) {
        if new.is_empty() || self.muted {
            return;
        }
        let same = self.current.as_ref().is_some_and(|(message, part)| message == id && *part == index);
        if !same {
            self.page.fresh_line();
            self.current = Some((id.to_owned(), index));
            if kind == Kind::Reasoning {
                self.page.thought("thinking: ");
            }
        }
        match kind {
            Kind::Prose => self.page.answer(new),
            Kind::Reasoning => self.page.thought(new),
        }
    }

    fn tool(&mut self, id: &str, index: usize, now: &ToolNow<'_>) {
        let Some(seen) = self.transcript.part(id, index) else {
            return;
        };
        let before = match &*seen {
            PartSeen::Tool(before) => Some(before),
            _ => None,
        };
        let line = now.line(before);
        *seen = PartSeen::Tool(now.seen());
        if let Some((tone, line)) = line.filter(|_| !self.muted) {
            self.page.line(tone, &line);
        }
    }

    fn finished(&mut self, reason: FinishReason) {
        match reason {
            FinishReason::EndTurn => self.page.fresh_line(),
            FinishReason::Error => self.failed = true,
            FinishReason::Canceled => self.aborted(),
        }
    }

    /// Remembers a part as printed; tells whether that is news.
    fn replace(&mut self, id: &str, index: usize, now: PartSeen) -> bool {
        match self.transcript.part(id, index) {
            Some(seen) if *seen != now => {
                *seen = now;
                true
            }
            _ => false,
        }
    }
}

fn author(message: &Message) -> String {
    let name = message.author_name.as_deref().or(message.author_email.as_deref()).unwrap_or("user");
    clean_line(name, MAX_NAME)
}
