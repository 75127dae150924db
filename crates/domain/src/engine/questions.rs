//! Questions: asked, answered, expired.

use serde_json::json;

use super::minted::Minted;
use super::{Actor, Change, Command, MAX_OPEN_QUESTIONS, Notice, Refusal, Step};
use crate::ids::QuestionId;
use crate::questions::{AnswerValue, Choice, Question, Resolution};

/// Characters of an answer that the audit log shows.
const SUMMARY_CHARS: usize = 80;

impl Step<'_> {
    /// The agent asks. Questions that nobody can answer are cancelled at once, so that the agent does not wait.
    pub(super) fn asked(&mut self, id: QuestionId, text: &str, choices: Vec<Choice>) {
        let minted = self.question_minted(&id);
        if minted == Minted::Repeated {
            return;
        }
        let welcome = minted == Minted::New
            && self.engine.turn.as_ref().is_some_and(|turn| turn.abort_deadline.is_none())
            && self.engine.questions.len() < MAX_OPEN_QUESTIONS;
        if !welcome {
            self.command(Command::Answer { question: id, resolution: Resolution::Cancelled });
            return;
        }
        let question = Question::asked(id, text, choices, self.now);
        let seq = self.next_seq();
        self.effects.changes.push(Change::QuestionAsked { question: question.clone(), seq });
        self.bus("question.asked", json!({"questionId": question.id.as_str(), "text": question.text}));
        self.notice(Notice::Question(question.clone()));
        self.engine.questions.push(question);
    }

    pub(super) fn answered(&mut self, id: &QuestionId, answer: &AnswerValue, by: &Actor) -> Result<(), Refusal> {
        self.refuse_when_ended()?;
        let question = self.engine.question(id).cloned().ok_or(Refusal::QuestionNotOpen)?;
        let resolution = question.resolve(answer).map_err(|invalid| Refusal::InvalidAnswer(invalid.to_string()))?;
        self.engine.last_activity = self.now;
        let words = question.words(&resolution);
        self.command(Command::Answer { question: id.clone(), resolution: resolution.clone() });
        self.close(id, resolution, false);
        self.notice(Notice::QuestionAnswered { id: id.clone(), answer: words.clone() });
        let summary: String = words.chars().take(SUMMARY_CHARS).collect();
        self.audit("user.answer", &summary, Some(by.user.clone()));
        self.bus("question.answered", json!({"questionId": id.as_str(), "answer": words}));
        Ok(())
    }

    /// The agent withdrew a question.
    pub(super) fn question_withdrawn(&mut self, id: &QuestionId) {
        if self.engine.question(id).is_some() {
            self.close(id, Resolution::Cancelled, true);
            self.notice(Notice::QuestionExpired { id: id.clone() });
        }
    }

    /// Nobody answered in time: the mildest refusal is given, or the turn ends where there is none.
    pub(super) fn question_expired(&mut self, question: &Question) {
        let resolution = question.expired();
        self.command(Command::Answer { question: question.id.clone(), resolution: resolution.clone() });
        let cancelled = resolution == Resolution::Cancelled;
        self.close(&question.id, resolution, true);
        self.notice(Notice::QuestionExpired { id: question.id.clone() });
        if cancelled {
            self.begin_abort();
        }
    }

    /// Closes all open questions: the turn that asked them is over or ending.
    pub(super) fn close_questions(&mut self) {
        let open: Vec<QuestionId> = self.engine.questions.iter().map(|question| question.id.clone()).collect();
        for id in open {
            self.question_withdrawn(&id);
        }
    }

    fn close(&mut self, id: &QuestionId, resolution: Resolution, expired: bool) {
        self.engine.questions.retain(|question| question.id != *id);
        if let Some(turn) = self.engine.turn.as_mut() {
            turn.last_report = self.now;
        }
        let seq = self.next_seq();
        self.effects.changes.push(Change::QuestionClosed { id: id.clone(), resolution, expired, seq });
    }
}
