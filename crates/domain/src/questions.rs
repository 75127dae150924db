//! Questions that an agent asks, and what answers mean.

use portway_tagged::tagged;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::QuestionId;
use crate::text::keepable;
use crate::time::Timestamp;

/// How long a question waits for an answer.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(300);

/// Most choices that a question may offer.
pub const MAX_CHOICES: usize = 32;

/// Longest question text, label or free answer, in characters; longer ones are cut.
pub const MAX_QUESTION_CHARS: usize = 10_000;

/// A question and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its id; unique within the session.
    pub id: QuestionId,
    /// What is asked.
    pub text: String,
    /// The answers to choose from, with unique labels; empty when any text will do.
    pub choices: Vec<Choice>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it is answered by itself.
    pub expires_at: Timestamp,
}

/// One of the answers that a question offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The agent's id of the choice.
    pub id: String,
    /// What a person reads.
    pub label: String,
    /// What choosing it means.
    pub kind: ChoiceKind,
}

/// What a choice means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceKind {
    /// Do it, this time.
    AllowOnce,
    /// Do it, now and later.
    AllowAlways,
    /// Do not do it, this time.
    RejectOnce,
    /// Do not do it, now and later.
    RejectAlways,
    /// Neither allows nor refuses anything.
    Other,
}

/// What somebody said to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerValue {
    /// `true`: allow once. `false`: reject once.
    Flag(bool),
    /// A choice's id, its label, or free text.
    Text(String),
}

/// What the agent is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "lowercase")]
pub enum Resolution {
    /// This choice.
    Selected {
        /// Its id.
        choice: String,
    },
    /// This text.
    Text {
        /// The text.
        text: String,
    },
    /// Nobody answers.
    Cancelled,
}

tagged!(Resolution, "type");

/// The answer fits none of the choices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer must be the id or the label of one of the choices: {labels}")]
pub struct InvalidAnswer {
    /// The labels, separated by commas.
    pub labels: String,
}

impl Question {
    /// A question as an agent asked it: too long text is cut, choices past the bound are dropped and equal labels are
    /// told apart.
    #[must_use]
    pub fn asked(id: QuestionId, text: &str, choices: Vec<Choice>, now: Timestamp) -> Self {
        let mut unique: Vec<Choice> = Vec::new();
        for mut choice in choices.into_iter().take(MAX_CHOICES) {
            let wanted = cut(&choice.label);
            let mut label = wanted.clone();
            let mut copy = 2;
            while unique.iter().any(|other| other.label == label) {
                label = format!("{wanted} ({copy})");
                copy += 1;
            }
            choice.label = label;
            unique.push(choice);
        }
        Self { id, text: cut(text), choices: unique, asked_at: now, expires_at: now.plus(QUESTION_TIMEOUT) }
    }

    /// What an answer means. An id wins over a label.
    ///
    /// # Errors
    /// [`InvalidAnswer`] when there are choices and the answer is none of them.
    pub fn resolve(&self, answer: &AnswerValue) -> Result<Resolution, InvalidAnswer> {
        let chosen = match answer {
            AnswerValue::Flag(true) => self.of_kind(ChoiceKind::AllowOnce),
            AnswerValue::Flag(false) => self.of_kind(ChoiceKind::RejectOnce),
            AnswerValue::Text(text) => self
                .choices
                .iter()
                .find(|choice| choice.id == *text)
                .or_else(|| self.choices.iter().find(|choice| choice.label == *text)),
        };
        match (chosen, answer) {
            (Some(choice), _) => Ok(Resolution::Selected { choice: choice.id.clone() }),
            (None, AnswerValue::Text(text)) if self.choices.is_empty() => Ok(Resolution::Text { text: cut(text) }),
            (None, AnswerValue::Flag(flag)) if self.choices.is_empty() => {
                Ok(Resolution::Text { text: if *flag { "yes" } else { "no" }.to_owned() })
            }
            _ => Err(self.invalid()),
        }
    }

    /// What happens when nobody answers in time: the mildest refusal, or nothing when there is none, in which case the
    /// turn is to be aborted.
    #[must_use]
    pub fn expired(&self) -> Resolution {
        self.of_kind(ChoiceKind::RejectOnce)
            .map_or(Resolution::Cancelled, |choice| Resolution::Selected { choice: choice.id.clone() })
    }

    /// How an answer reads to people: the label of the choice, or the text.
    #[must_use]
    pub fn words(&self, resolution: &Resolution) -> String {
        match resolution {
            Resolution::Selected { choice } => self
                .choices
                .iter()
                .find(|candidate| candidate.id == *choice)
                .map_or_else(|| choice.clone(), |candidate| candidate.label.clone()),
            Resolution::Text { text } => text.clone(),
            Resolution::Cancelled => String::new(),
        }
    }

    fn of_kind(&self, kind: ChoiceKind) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.kind == kind)
    }

    fn invalid(&self) -> InvalidAnswer {
        let labels: Vec<&str> = self.choices.iter().map(|choice| choice.label.as_str()).collect();
        InvalidAnswer { labels: labels.join(", ") }
    }
}

fn cut(text: &str) -> String {
    keepable(text).chars().take(MAX_QUESTION_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(id: &str, label: &str, kind: ChoiceKind) -> Choice {
        Choice { id: id.to_owned(), label: label.to_owned(), kind }
    }

    fn question(choices: Vec<Choice>) -> Question {
        let id = QuestionId::parse("q").unwrap();
        Question::asked(id, "May I?", choices, Timestamp::from_millis(0))
    }

    fn selected(id: &str) -> Resolution {
        Resolution::Selected { choice: id.to_owned() }
    }

    #[test]
    fn flags_never_grant_more_than_once() {
        let asked = question(vec![
            choice("a", "Always", ChoiceKind::AllowAlways),
            choice("o", "Once", ChoiceKind::AllowOnce),
            choice("n", "No", ChoiceKind::RejectOnce),
        ]);
        assert_eq!(asked.resolve(&AnswerValue::Flag(true)), Ok(selected("o")));
        assert_eq!(asked.resolve(&AnswerValue::Flag(false)), Ok(selected("n")));
        let only_always = question(vec![choice("a", "Always", ChoiceKind::AllowAlways)]);
        assert!(only_always.resolve(&AnswerValue::Flag(true)).is_err());
    }

    #[test]
    fn an_id_wins_over_a_label() {
        let asked =
            question(vec![choice("no", "yes", ChoiceKind::RejectOnce), choice("yes", "no", ChoiceKind::AllowOnce)]);
        assert_eq!(asked.resolve(&AnswerValue::Text("yes".to_owned())), Ok(selected("yes")));
        let error = asked.resolve(&AnswerValue::Text("maybe".to_owned())).unwrap_err();
        assert_eq!(error.labels, "yes, no");
    }

    #[test]
    fn equal_labels_are_told_apart() {
        let asked = question(vec![
            choice("1", "Run", ChoiceKind::AllowOnce),
            choice("2", "Run", ChoiceKind::AllowAlways),
            choice("3", "Run (2)", ChoiceKind::RejectOnce),
        ]);
        let labels: Vec<&str> = asked.choices.iter().map(|choice| choice.label.as_str()).collect();
        assert_eq!(labels, ["Run", "Run (2)", "Run (2) (2)"]);
    }

    #[test]
    fn silence_refuses_once_or_cancels() {
        let refusable = question(vec![
            choice("never", "Never", ChoiceKind::RejectAlways),
            choice("no", "No", ChoiceKind::RejectOnce),
        ]);
        assert_eq!(refusable.expired(), selected("no"));
        let not_refusable = question(vec![choice("never", "Never", ChoiceKind::RejectAlways)]);
        assert_eq!(not_refusable.expired(), Resolution::Cancelled);
    }

    #[test]
    fn free_text_is_passed_on() {
        let open = question(Vec::new());
        let answer = AnswerValue::Text("blue".to_owned());
        assert_eq!(open.resolve(&answer), Ok(Resolution::Text { text: "blue".to_owned() }));
    }
}
