//! Questions of the agent: which are open, and what a line of input answers.

use std::collections::VecDeque;

use portway_protocol::client::AnswerValue;
use portway_protocol::message::{Choice, ChoiceKind};

use crate::terminal_text::{clean, clean_line};

/// Most characters of a choice's label.
const MAX_LABEL: usize = 160;

/// How questions are answered without asking anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Allow, this time.
    Allow,
    /// Refuse.
    Refuse,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its id.
    pub(super) id: String,
    /// What is asked.
    pub(super) text: String,
    /// What may be answered; anything if there are none.
    pub(super) choices: Vec<Choice>,
}

/// What is to be done about a question that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reception {
    /// Put it to the user when its turn comes.
    Ask,
    /// It is open already.
    Known,
    /// It was answered, but the answer did not arrive: send it again.
    Resend(AnswerValue),
}

/// Whose answer closed a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Ours.
    Ours,
    /// Somebody else's, or nobody's, while it was open here.
    Withdrawn,
    /// It was not open here.
    Unknown,
}

/// The questions that are open, and the answers that are on their way.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: VecDeque<Asked>,
    sent: Vec<(Asked, AnswerValue)>,
    /// Sent before the connection broke: they arrived unless the gateway asks again.
    unconfirmed: Vec<(Asked, AnswerValue)>,
}

impl Asked {
    /// A question as a frame tells it. Older gateways send labels only.
    pub(super) fn new(id: &str, text: &str, options: Option<&[String]>, choices: Option<&[Choice]>) -> Self {
        let labels = options.unwrap_or_default().iter();
        let choices = choices.map_or_else(
            || {
                labels
                    .map(|label| Choice { id: label.clone(), label: label.clone(), kind: ChoiceKind::Other })
                    .collect()
            },
            <[Choice]>::to_vec,
        );
        Self { id: id.to_owned(), text: text.to_owned(), choices }
    }

    /// The question as it is printed.
    pub(super) fn lines(&self) -> String {
        let mut lines = format!("? {}", clean(self.text.trim()));
        for (number, choice) in (1..).zip(&self.choices) {
            lines.push_str(&format!("\n  {number}) {}", clean_line(&choice.label, MAX_LABEL)));
        }
        lines
    }

    /// What asks for the answer.
    pub(super) fn prompt(&self) -> String {
        match self.choices.len() {
            0 => "answer: ".to_owned(),
            1 => "answer [1]: ".to_owned(),
            count => format!("answer [1-{count}]: "),
        }
    }

    /// What a line of input answers.
    ///
    /// # Errors
    /// What to enter instead.
    pub(super) fn read(&self, line: &str) -> Result<AnswerValue, String> {
        let line = line.trim();
        if line.is_empty() {
            return Err("Please answer the question, or end the turn with /abort".to_owned());
        }
        if self.choices.is_empty() {
            return Ok(AnswerValue::Text(line.to_owned()));
        }
        let chosen = self
            .numbered(line)
            .or_else(|| self.choices.iter().find(|choice| choice.id == line))
            .or_else(|| self.choices.iter().find(|choice| choice.label.trim().eq_ignore_ascii_case(line)))
            .or_else(|| self.yes_or_no(line));
        match chosen {
            Some(choice) => Ok(AnswerValue::Text(choice.id.clone())),
            None => Err(format!("Please enter a number from 1 to {}, or a label", self.choices.len())),
        }
    }

    /// What a policy answers; nothing when none of the choices fits. More than once is never allowed.
    pub(super) fn decide(&self, policy: Policy) -> Option<AnswerValue> {
        let offered = |kind: ChoiceKind| self.choices.iter().find(|choice| choice.kind == kind);
        if self.choices.is_empty() {
            return Some(AnswerValue::Flag(policy == Policy::Allow));
        }
        if policy == Policy::Allow && offered(ChoiceKind::AllowOnce).is_some() {
            return Some(AnswerValue::Flag(true));
        }
        if offered(ChoiceKind::RejectOnce).is_some() {
            return Some(AnswerValue::Flag(false));
        }
        offered(ChoiceKind::RejectAlways).map(|choice| AnswerValue::Text(choice.id.clone()))
    }

    /// How an answer reads.
    pub(super) fn words(&self, answer: &AnswerValue) -> String {
        let label = |found: Option<&Choice>, otherwise: &str| {
            clean_line(found.map_or(otherwise, |choice| &choice.label), MAX_LABEL)
        };
        let of_kind = |kind: ChoiceKind| self.choices.iter().find(|choice| choice.kind == kind);
        match answer {
            AnswerValue::Flag(true) => label(of_kind(ChoiceKind::AllowOnce), "yes"),
            AnswerValue::Flag(false) => label(of_kind(ChoiceKind::RejectOnce), "no"),
            AnswerValue::Text(text) => label(self.choices.iter().find(|choice| choice.id == *text), text),
        }
    }

    fn numbered(&self, line: &str) -> Option<&Choice> {
        let number: usize = line.trim_end_matches([')', '.']).parse().ok()?;
        self.choices.get(number.checked_sub(1)?)
    }

    fn yes_or_no(&self, line: &str) -> Option<&Choice> {
        let kind = match line.to_ascii_lowercase().as_str() {
            "y" | "yes" => ChoiceKind::AllowOnce,
            "n" | "no" => ChoiceKind::RejectOnce,
            _ => return None,
        };
        self.choices.iter().find(|choice| choice.kind == kind)
    }
}

impl Questions {
    /// A question came in.
    pub(super) fn receive(&mut self, asked: Asked) -> Reception {
        if let Some(index) = self.unconfirmed.iter().position(|(sent, _)| sent.id == asked.id) {
            let again = self.unconfirmed.swap_remove(index);
            let answer = again.1.clone();
            self.sent.push(again);
            return Reception::Resend(answer);
        }
        let known = self.open.iter().chain(self.sent.iter().map(|(sent, _)| sent)).any(|known| known.id == asked.id);
        if known {
            return Reception::Known;
        }
        self.open.push_back(asked);
        Reception::Ask
    }

    /// The question to answer next.
    pub(super) fn current(&self) -> Option<&Asked> {
        self.open.front()
    }

    /// The current question is answered with this; its id.
    pub(super) fn answer(&mut self, answer: AnswerValue) -> Option<String> {
        let asked = self.open.pop_front()?;
        let id = asked.id.clone();
        self.sent.push((asked, answer));
        Some(id)
    }

    /// A question is closed.
    pub(super) fn close(&mut self, id: &str) -> Closed {
        let sent = self.sent.len();
        self.sent.retain(|(asked, _)| asked.id != id);
        if self.sent.len() < sent {
            return Closed::Ours;
        }
        let open = self.open.len();
        self.open.retain(|asked| asked.id != id);
        if self.open.len() < open { Closed::Withdrawn } else { Closed::Unknown }
    }

    /// The gateway did not take an answer: the questions are open again. Tells whether there were any.
    pub(super) fn reopen(&mut self) -> bool {
        let sent = std::mem::take(&mut self.sent);
        let any = !sent.is_empty();
        for (asked, _) in sent.into_iter().rev() {
            self.open.push_front(asked);
        }
        any
    }

    /// The answers on their way were to questions that are closed.
    pub(super) fn forget_sent(&mut self) {
        self.sent.clear();
    }

    /// The gateway is about to tell the open questions anew.
    pub(super) fn renew(&mut self) {
        self.open.clear();
        self.unconfirmed = std::mem::take(&mut self.sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(id: &str, label: &str, kind: ChoiceKind) -> Choice {
        Choice { id: id.to_owned(), label: label.to_owned(), kind }
    }

    fn permission() -> Asked {
        let choices = [
            choice("always", "Always", ChoiceKind::AllowAlways),
            choice("once", "Allow once", ChoiceKind::AllowOnce),
            choice("no", "Reject", ChoiceKind::RejectOnce),
        ];
        Asked::new("q", "Write \u{1b}[2Kdemo.md?", None, Some(&choices))
    }

    fn text(answer: &str) -> AnswerValue {
        AnswerValue::Text(answer.to_owned())
    }

    #[test]
    fn a_question_reads_well() {
        assert_eq!(permission().lines(), "? Write [2Kdemo.md?\n  1) Always\n  2) Allow once\n  3) Reject");
        assert_eq!(permission().prompt(), "answer [1-3]: ");
    }

    #[test]
    fn numbers_labels_ids_and_yes_are_answers() {
        let asked = permission();
        for (line, id) in [("2", "once"), (" 3) ", "no"), ("allow ONCE", "once"), ("always", "always"), ("y", "once")] {
            assert_eq!(asked.read(line), Ok(text(id)), "{line}");
        }
        for line in ["0", "4", "maybe", "", "-1"] {
            assert!(asked.read(line).is_err(), "{line:?}");
        }
        assert_eq!(Asked::new("q", "Colour?", None, None).read(" blue "), Ok(text("blue")));
        let labels = ["red".to_owned(), "blue".to_owned()];
        assert_eq!(Asked::new("q", "Colour?", Some(&labels), None).read("2"), Ok(text("blue")));
    }

    #[test]
    fn a_policy_never_allows_for_ever() {
        assert_eq!(permission().decide(Policy::Allow), Some(AnswerValue::Flag(true)));
        assert_eq!(permission().decide(Policy::Refuse), Some(AnswerValue::Flag(false)));
        let hard = [choice("a", "A", ChoiceKind::AllowAlways), choice("r", "R", ChoiceKind::RejectAlways)];
        assert_eq!(Asked::new("q", "?", None, Some(&hard)).decide(Policy::Allow), Some(text("r")));
        let other = [choice("a", "A", ChoiceKind::Other)];
        assert_eq!(Asked::new("q", "?", None, Some(&other)).decide(Policy::Refuse), None);
    }

    #[test]
    fn an_answer_that_was_lost_is_sent_again() {
        let mut questions = Questions::default();
        assert_eq!(questions.receive(permission()), Reception::Ask);
        assert_eq!(questions.receive(permission()), Reception::Known);
        assert_eq!(questions.answer(text("once")).as_deref(), Some("q"));
        questions.renew();
        assert_eq!(questions.receive(permission()), Reception::Resend(text("once")));
        assert_eq!(questions.close("q"), Closed::Ours);
        assert_eq!(questions.close("q"), Closed::Unknown);
    }

    #[test]
    fn a_refused_answer_opens_the_question_again() {
        let mut questions = Questions::default();
        questions.receive(permission());
        questions.answer(text("once"));
        assert!(questions.current().is_none());
        assert!(questions.reopen());
        assert_eq!(questions.current().map(|asked| asked.id.as_str()), Some("q"));
        assert_eq!(questions.close("q"), Closed::Withdrawn);
        assert!(!questions.reopen());
    }
}
