//! Ids that a runner mints, and the rule that keeps them from ever clashing.
//!
//! A runner calls the messages of a turn `{prompt}.{n}` and its questions `{prompt}.q{n}`, where `{prompt}` is the id of
//! the turn's prompt and `n` counts upwards from 1. The engine insists on both, so the id of an older message or
//! question of the session can never come again: a prompt is worked on in one turn only, as it is not given to another
//! runner once anything was reported of it. What breaks the rule counts as seen and has no effect; a store that refuses
//! a second row of the same id would otherwise refuse the same report for ever.

use super::{Step, Turn};
use crate::ids::{MessageId, QuestionId};

/// What an id that a runner minted stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Minted {
    /// Something new in the turn.
    New,
    /// Something that the turn has had already.
    Repeated,
    /// Nothing of this turn, or there is no turn.
    Foreign,
}

impl Step<'_> {
    /// Notes the id of a message that begins.
    pub(super) fn message_minted(&mut self, id: &MessageId) -> Minted {
        self.minted(id.as_str(), ".", |turn| &mut turn.last_message)
    }

    /// Notes the id of a question that is asked.
    pub(super) fn question_minted(&mut self, id: &QuestionId) -> Minted {
        self.minted(id.as_str(), ".q", |turn| &mut turn.last_question)
    }

    fn minted(&mut self, id: &str, mark: &str, last: fn(&mut Turn) -> &mut u64) -> Minted {
        let Some(turn) = self.engine.turn.as_mut() else {
            return Minted::Foreign;
        };
        let Some(number) = number(id, &turn.prompt, mark) else {
            return Minted::Foreign;
        };
        let last = last(turn);
        if number <= *last {
            return Minted::Repeated;
        }
        *last = number;
        self.prompt_was_taken();
        Minted::New
    }
}

/// The `n` of an id of the form `{prompt}{mark}{n}`.
fn number(id: &str, prompt: &MessageId, mark: &str) -> Option<u64> {
    let digits = id.strip_prefix(prompt.as_str())?.strip_prefix(mark)?;
    let number: u64 = digits.parse().ok()?;
    (number > 0 && number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_spelling_of_a_number_counts() {
        let prompt = MessageId::parse("p").unwrap();
        assert_eq!(number("p.1", &prompt, "."), Some(1));
        assert_eq!(number("p.q12", &prompt, ".q"), Some(12));
        for bad in ["p", "p.", "p.0", "p.01", "p.+1", "p.q1", "px.1", "q.1", "p.1.1", "p.99999999999999999999999"] {
            assert_eq!(number(bad, &prompt, "."), None, "{bad}");
        }
    }
}
