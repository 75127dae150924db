//! The session's status, and what went wrong.

use portway_protocol::server::StatusData;

use super::Screen;
use super::page::Tone;
use crate::chat::questions::Closed;
use crate::terminal_text::clean_line;

/// Most characters of an answer that somebody else gave.
const MAX_ANSWER: usize = 160;

/// The code of an answer to a question that is not open any more.
const CONFLICT: &str = "CONFLICT";

impl Screen {
    /// Something about the session changed.
    pub(super) fn status(&mut self, data: &StatusData) {
        self.activity.status(data);
        if let Some(status) = &data.status {
            self.lifecycle(status, data.error.as_deref(), true);
        }
        if data.runner_disconnected == Some(true) && !self.runner_lost {
            self.runner_lost = true;
            self.page.line(Tone::Dim, "the gateway lost the agent, waiting for it…");
        }
        if data.runner_connected == Some(true) {
            self.starting = false;
            self.said_starting = false;
            if std::mem::take(&mut self.runner_lost) {
                self.page.line(Tone::Dim, "the agent is back");
            }
        }
        if let Some(position) = data.queue_position.filter(|_| data.prompt_queued == Some(true)) {
            if self.starting {
                self.say_starting();
            } else {
                self.page.line(Tone::Dim, &format!("queued, number {position} in line"));
            }
        }
        if data.aborted == Some(true) {
            self.aborted();
        }
        self.closed_questions(data);
    }

    fn closed_questions(&mut self, data: &StatusData) {
        if let Some(id) = &data.question_answered {
            let answer = clean_line(data.answer.as_deref().unwrap_or_default(), MAX_ANSWER);
            self.close_question(id, &format!("  answered elsewhere: {answer}"));
        }
        if let Some(id) = &data.question_expired {
            self.close_question(id, "  the question is no longer open");
        }
    }

    fn close_question(&mut self, id: &str, line: &str) {
        if self.questions.close(id) == Closed::Withdrawn {
            self.shown_question.take_if(|shown| shown == id);
            self.page.line(Tone::Dim, line);
        }
    }

    /// The session has this status; `tell` is whether that is news.
    pub(super) fn lifecycle(&mut self, status: &str, error: Option<&str>, tell: bool) {
        let line = match status {
            "initializing" => {
                self.starting = true;
                self.say_starting();
                return;
            }
            "restoring" => "waking the session…",
            "hibernating" | "hibernated" => "the session is asleep; a prompt wakes it",
            "error" | "terminated" | "archived" => {
                self.end(status, error);
                return;
            }
            _ => return,
        };
        if tell {
            self.page.line(Tone::Dim, line);
        }
    }

    fn say_starting(&mut self) {
        if !std::mem::replace(&mut self.said_starting, true) {
            self.page.line(Tone::Dim, "starting the agent…");
        }
    }

    fn end(&mut self, status: &str, error: Option<&str>) {
        if let Some(error) = error {
            self.failure(error);
        }
        if self.ended.is_none() {
            let line = if status == "error" { "the session failed" } else { "the session has ended" };
            self.page.line(Tone::Bad, line);
        }
        self.ended = Some(status.to_owned());
        self.failed = true;
        self.activity.ended();
        self.questions.renew();
    }

    /// An `error` frame.
    pub(super) fn error(&mut self, message: Option<&str>, error: &str, code: Option<&str>) {
        let Some(id) = message else {
            self.refusal(error, code);
            return;
        };
        if self.transcript.add(id) && !self.muted {
            self.failure(error);
        }
    }

    /// The gateway refused what was sent over the socket.
    fn refusal(&mut self, error: &str, code: Option<&str>) {
        self.page.line(Tone::Bad, &format!("✗ {error}"));
        if code == Some(CONFLICT) {
            self.questions.forget_sent();
        } else if self.questions.reopen() {
            self.shown_question = None;
        }
    }

    /// Something failed. One failure is often told by several frames.
    pub(super) fn failure(&mut self, error: &str) {
        self.failed = true;
        if self.last_error.as_deref() != Some(error) {
            self.last_error = Some(error.to_owned());
            self.page.line(Tone::Bad, &format!("✗ {error}"));
        }
    }

    /// The turn was aborted.
    pub(super) fn aborted(&mut self) {
        const WORDS: &str = "aborted";
        if self.muted {
            return;
        }
        self.failed = true;
        if self.last_error.as_deref() != Some(WORDS) {
            self.last_error = Some(WORDS.to_owned());
            self.page.line(Tone::Dim, "(the turn was aborted)");
        }
    }
}
