//! The text that a finished message is said to end with.
//!
//! A runner repeats, when it finishes a message, all text after the last tool call. Mostly that was streamed already; where
//! it was not, what is missing is added.

use portway_domain::engine::{OpenMessage, OpenPart};
use portway_domain::messages::TextKind;

/// Longest text that is compared, in bytes; of longer ones the stream is believed.
const MAX_COMPARED: usize = 256 * 1024;

/// What was streamed of a message.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    /// The text after the last tool call.
    last: String,
    /// The text before it.
    before: String,
    is_too_long: bool,
}

impl Streamed {
    /// What there is of a message already.
    pub(super) fn of(open: &OpenMessage) -> Self {
        let mut streamed = Self::default();
        for part in &open.parts {
            match part {
                OpenPart::Text(TextKind::Text, text) => streamed.push(text),
                OpenPart::Tool(_) => streamed.tool(),
                OpenPart::Text(TextKind::Reasoning, _) | OpenPart::Plan(_) => {}
            }
        }
        streamed
    }

    /// More text came.
    pub(super) fn push(&mut self, delta: &str) {
        if self.last.len().saturating_add(delta.len()) > MAX_COMPARED {
            self.is_too_long = true;
            self.last.clear();
        }
        if !self.is_too_long {
            self.last.push_str(delta);
        }
    }

    /// A tool call came.
    pub(super) fn tool(&mut self) {
        if self.is_too_long {
            self.is_too_long = false;
            self.before.clear();
        }
        if !self.last.is_empty() {
            self.before = std::mem::take(&mut self.last);
        }
    }

    /// What has to be added so that the message ends with `text`, if anything.
    pub(super) fn missing<'a>(&self, text: &'a str) -> Option<&'a str> {
        let missing = match (self.is_too_long, self.last.is_empty()) {
            (true, _) => return None,
            (false, true) if self.before.ends_with(text) => return None,
            (false, true) => text,
            (false, false) => text.strip_prefix(self.last.as_str())?,
        };
        (!missing.is_empty()).then_some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added() {
        let mut streamed = Streamed::default();
        assert_eq!(streamed.missing("all of it"), Some("all of it"));
        assert_eq!(streamed.missing(""), None);
        streamed.push("first ");
        streamed.push("text");
        assert_eq!(streamed.missing("first text"), None);
        assert_eq!(streamed.missing("first text and more"), Some(" and more"));
        assert_eq!(streamed.missing("something else"), None, "nothing that was shown is taken back");
    }

    #[test]
    fn text_before_a_tool_is_not_repeated() {
        let mut streamed = Streamed::default();
        streamed.push("before");
        streamed.tool();
        assert_eq!(streamed.missing("before"), None);
        assert_eq!(streamed.missing("after"), Some("after"));
        streamed.push("aft");
        assert_eq!(streamed.missing("after"), Some("er"));
    }

    #[test]
    fn endless_text_is_not_compared() {
        let mut streamed = Streamed::default();
        for _ in 0..5 {
            streamed.push(&"x".repeat(MAX_COMPARED / 4));
        }
        assert_eq!(streamed.missing("y"), None);
        streamed.tool();
        assert_eq!(streamed.missing("y"), Some("y"));
    }
}
