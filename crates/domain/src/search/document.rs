//! What an index keeps of a text.

use std::collections::BTreeSet;

use super::stem::stem;
use super::words::words;

/// How much of a text is searched, in characters; what comes after is not found.
pub const MAX_DOCUMENT_CHARS: usize = 32_768;

/// Most words of a text that are searched. One of the databases cannot count the places of words any further.
pub const MAX_DOCUMENT_WORDS: usize = 16_000;

/// The words of a text as an index keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    stems: Vec<String>,
    forms: BTreeSet<String>,
}

impl Document {
    /// The words of the searched part of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut document = Self::default();
        for word in words(searched(text)).take(MAX_DOCUMENT_WORDS) {
            let stem = stem(&word.text);
            if stem == word.text {
                document.stems.push(word.text);
            } else {
                document.stems.push(stem.into_owned());
                document.forms.insert(word.text);
            }
        }
        document
    }

    /// The stems of all words, in the order of the text.
    #[must_use]
    pub fn stems(&self) -> &[String] {
        &self.stems
    }

    /// The words that differ from their stems, each once: with them a word is found by whatever it begins with.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        self.forms.iter().map(String::as_str)
    }

    /// Whether there is nothing to find.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stems.is_empty()
    }
}

/// The part of a text that is searched.
pub(super) fn searched(text: &str) -> &str {
    text.char_indices().nth(MAX_DOCUMENT_CHARS).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_stems_in_order_and_other_forms_once() {
        let document = Document::of("Running tests, running TESTS; café 日本語");
        assert_eq!(document.stems(), ["run", "test", "run", "test", "cafe", "日本", "本語", "語"]);
        assert_eq!(document.forms().collect::<Vec<_>>(), ["running", "tests"]);
        assert!(Document::of(" -- ").is_empty());
    }

    #[test]
    fn only_the_beginning_of_a_long_text_is_searched() {
        let document = Document::of(&format!("{}end", "é ".repeat(MAX_DOCUMENT_CHARS / 2)));
        assert_eq!(document.stems().len(), MAX_DOCUMENT_WORDS);
        let document = Document::of(&format!("{} end", "é".repeat(MAX_DOCUMENT_CHARS)));
        assert_eq!(document.stems().len(), 1);
    }
}
