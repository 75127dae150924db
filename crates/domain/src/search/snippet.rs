//! Where a text has what was looked for, and the part of it worth showing.

use std::ops::Range;

use super::document::{MAX_DOCUMENT_WORDS, searched};
use super::query::{Query, Term};
use super::stem::stem;
use super::words::{Word, words};

/// Longest snippet, in characters.
pub const MAX_SNIPPET_CHARS: usize = 240;

/// How many characters before the first highlight a snippet may begin.
const LEAD_CHARS: usize = 60;

/// A part of a text, and where it has what was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// At most [`MAX_SNIPPET_CHARS`] characters of the text, as they are.
    pub text: String,
    /// Where they have what was looked for, in bytes: in order, without overlap.
    pub highlights: Vec<Range<usize>>,
}

impl Query {
    /// Where a text has what is looked for, in bytes: in order, without overlap. Each range begins and ends between two
    /// characters.
    #[must_use]
    pub fn highlights(&self, text: &str) -> Vec<Range<usize>> {
        let found: Vec<Word> = words(searched(text)).take(MAX_DOCUMENT_WORDS).collect();
        let stems: Vec<_> = found.iter().map(|word| stem(&word.text)).collect();
        let mut marked = vec![false; found.len()];
        for term in self.required() {
            match term {
                Term::Phrase(phrase) => {
                    for begin in 0..(found.len() + 1).saturating_sub(phrase.len()) {
                        let here = begin..begin + phrase.len();
                        if stems[here.clone()] == phrase[..] {
                            marked[here].fill(true);
                        }
                    }
                }
                Term::Prefix(prefix) => {
                    for (index, word) in found.iter().enumerate() {
                        marked[index] |= word.text.starts_with(prefix) || stems[index].starts_with(prefix);
                    }
                }
            }
        }
        let marked = found.into_iter().zip(marked).filter(|(_, marked)| *marked);
        joined(marked.map(|(word, _)| word.range))
    }

    /// The part of a text that has most of what is looked for; its beginning, if it has nothing.
    #[must_use]
    pub fn snippet(&self, text: &str) -> Snippet {
        let all = self.highlights(text);
        let begin = begin_of_best(text, &all);
        let end = text[begin..].char_indices().nth(MAX_SNIPPET_CHARS).map_or(text.len(), |(length, _)| begin + length);
        let inside = all.into_iter().filter(|range| range.start >= begin && range.start < end);
        let highlights = inside.map(|range| range.start - begin..range.end.min(end) - begin).collect();
        Snippet { text: text[begin..end].to_owned(), highlights }
    }
}

/// Ranges in order, as one where they overlap.
fn joined(ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}

/// Where the snippet with most highlights begins: some words before the first of them.
fn begin_of_best(text: &str, highlights: &[Range<usize>]) -> usize {
    let room = MAX_SNIPPET_CHARS - LEAD_CHARS;
    let mut best = (0, 0);
    for (index, first) in highlights.iter().enumerate() {
        let end = text[first.start..].char_indices().nth(room).map_or(text.len(), |(length, _)| first.start + length);
        let count = highlights[index..].iter().take_while(|range| range.end <= end).count();
        if count > best.0 {
            best = (count, first.start);
        }
    }
    let before = &text[..best.1];
    let Some((lead, _)) = before.char_indices().rev().nth(LEAD_CHARS - 1) else {
        return 0;
    };
    // Not in the middle of a word, where there are spaces.
    before[lead..].find(char::is_whitespace).map_or(lead, |space| {
        let word = &before[lead + space..];
        before.len() - word.trim_start().len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(query: &str, text: &str) -> Vec<String> {
        Query::parse(query).highlights(text).into_iter().map(|range| text[range].to_owned()).collect()
    }

    #[test]
    fn every_form_of_a_word_is_highlighted() {
        assert_eq!(marked("test", "Tests! We TESTED the tester's test."), ["Tests", "TESTED", "test"]);
        assert_eq!(marked("cafe", "Two Cafe\u{301}s, one café"), ["Cafe\u{301}s", "café"]);
        assert_eq!(marked("nothing", "something"), Vec::<String>::new());
    }

    #[test]
    fn a_phrase_is_highlighted_as_a_whole_only() {
        assert_eq!(marked("\"open file\"", "open the file; Open Files, open"), ["Open", "Files"]);
        assert_eq!(marked("\"a b a\"", "a b a b a"), ["a", "b", "a", "b", "a"]);
        assert_eq!(marked("日本語", "彼は日本語を話す。日本"), ["日本語"]);
        assert_eq!(marked("語", "日本語"), ["語"]);
    }

    #[test]
    fn beginnings_are_highlighted_and_exclusions_are_not() {
        assert_eq!(marked("organiz*", "An organization organizes; organs do not"), ["organization", "organizes"]);
        assert_eq!(marked("a -b", "a b"), ["a"]);
        assert_eq!(marked("日", "日本と日"), ["日本", "日"]);
    }

    #[test]
    fn a_snippet_has_what_was_found() {
        let text = format!("{}needle in the {}hay", "Some hay. ".repeat(100), "hay ".repeat(100));
        let snippet = Query::parse("needle").snippet(&text);
        assert_eq!(snippet.text.chars().count(), MAX_SNIPPET_CHARS);
        assert_eq!(snippet.highlights.len(), 1);
        assert_eq!(&snippet.text[snippet.highlights[0].clone()], "needle");
        assert!(snippet.text.starts_with("hay. Some") || snippet.text.starts_with("Some hay."), "{}", snippet.text);
    }

    #[test]
    fn a_snippet_shows_the_part_with_most() {
        let text = format!("needle {} needle thread needle", "hay ".repeat(200));
        let snippet = Query::parse("needle thread").snippet(&text);
        let shown: Vec<&str> = snippet.highlights.iter().map(|range| &snippet.text[range.clone()]).collect();
        assert_eq!(shown, ["needle", "thread", "needle"]);
    }

    #[test]
    fn a_short_text_is_its_own_snippet() {
        let snippet = Query::parse("a b").snippet("a, b");
        assert_eq!(snippet, Snippet { text: "a, b".to_owned(), highlights: vec![0..1, 3..4] });
        assert_eq!(Query::parse("x").snippet("a b"), Snippet { text: "a b".to_owned(), highlights: Vec::new() });
    }
}
