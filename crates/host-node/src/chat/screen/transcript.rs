//! How much of each message is on the screen.

use std::collections::HashMap;

use portway_protocol::message::PlanEntry;

use super::tools::ToolSeen;

/// Most parts of one message that are followed.
const MAX_PARTS: usize = 10_000;

/// What was printed of a part.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum PartSeen {
    /// Nothing.
    #[default]
    Nothing,
    /// So many bytes of its text.
    Text(usize),
    /// A tool call.
    Tool(ToolSeen),
    /// A plan.
    Plan(Vec<PlanEntry>),
    /// All of it.
    All,
}

/// The messages that were seen.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    messages: HashMap<String, Vec<PartSeen>>,
}

/// What is to be printed of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News<'a> {
    /// This; it may be nothing.
    Text(&'a str),
    /// Text before the chunk is missing.
    Gap,
}

impl Transcript {
    pub(super) fn knows(&self, id: &str) -> bool {
        self.messages.contains_key(id)
    }

    /// Remembers a message; tells whether it is new.
    pub(super) fn add(&mut self, id: &str) -> bool {
        let new = !self.knows(id);
        if new {
            self.messages.insert(id.to_owned(), Vec::new());
        }
        new
    }

    /// Forgets all messages but these.
    pub(super) fn keep(&mut self, kept: impl Fn(&str) -> bool) {
        self.messages.retain(|id, _| kept(id));
    }

    /// What was printed of a part; `None` past the bound.
    pub(super) fn part(&mut self, id: &str, index: usize) -> Option<&mut PartSeen> {
        if index >= MAX_PARTS {
            return None;
        }
        if !self.knows(id) {
            self.messages.insert(id.to_owned(), Vec::new());
        }
        let parts = self.messages.get_mut(id)?;
        if parts.len() <= index {
            parts.resize(index + 1, PartSeen::Nothing);
        }
        parts.get_mut(index)
    }
}

impl PartSeen {
    /// Takes over a piece of text that stands `offset` bytes into the part, and tells what of it is new.
    pub(super) fn chunk<'a>(&mut self, offset: usize, content: &'a str) -> News<'a> {
        let printed = self.printed();
        if offset > printed {
            return News::Gap;
        }
        let new = tail(content, printed - offset);
        if !new.is_empty() {
            *self = Self::Text(offset + content.len());
        }
        News::Text(new)
    }

    /// Takes over the whole text of the part, and tells what of it is new.
    pub(super) fn text<'a>(&mut self, text: &'a str) -> &'a str {
        let new = tail(text, self.printed());
        if !new.is_empty() {
            *self = Self::Text(text.len());
        }
        new
    }

    fn printed(&self) -> usize {
        match self {
            Self::Text(printed) => *printed,
            _ => 0,
        }
    }
}

/// The text after its first `bytes` bytes; a character that was cut there counts as printed.
fn tail(text: &str, bytes: usize) -> &str {
    (bytes..=text.len()).find_map(|start| text.get(start..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_printed_once() {
        let mut part = PartSeen::Nothing;
        assert_eq!(part.chunk(0, "Grü"), News::Text("Grü"));
        assert_eq!(part.chunk(0, "Grüße"), News::Text("ße"));
        assert_eq!(part.chunk(2, "üße"), News::Text(""));
        assert_eq!(part.chunk(0, "Gr"), News::Text(""), "an old chunk takes nothing back");
        assert_eq!(part.text("Grüße 🦀"), " 🦀");
        assert_eq!(part.text("Grüße 🦀"), "");
        assert_eq!(part.chunk("Grüße 🦀".len(), "!"), News::Text("!"));
    }

    #[test]
    fn a_gap_is_noticed_and_filled() {
        let mut part = PartSeen::Nothing;
        part.chunk(0, "ab");
        assert_eq!(part.chunk(3, "d"), News::Gap);
        assert_eq!(part.text("abcd"), "cd");
        assert_eq!(part.chunk(3, "de"), News::Text("e"));
    }

    #[test]
    fn a_cut_inside_of_a_character_does_no_harm() {
        let mut part = PartSeen::Text(1);
        assert_eq!(part.text("üx"), "x");
        assert_eq!(PartSeen::Text(9).text("ab"), "");
    }

    #[test]
    fn parts_are_bounded() {
        let mut transcript = Transcript::default();
        assert!(transcript.part("m", MAX_PARTS).is_none());
        assert!(transcript.part("m", 3).is_some());
        assert!(!transcript.add("m"));
        transcript.keep(|id| id != "m");
        assert!(transcript.add("m"));
    }
}
