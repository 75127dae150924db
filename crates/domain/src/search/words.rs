//! What the words of a text are.

use std::collections::VecDeque;
use std::ops::Range;

use super::fold::{fold, is_invisible};
use super::marks::is_combining_mark;

/// Longest word, in characters; of a longer one only the beginning counts.
pub const MAX_WORD_CHARS: usize = 64;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word, folded: lower case, compatibility form, without accents. It is not empty, has no white space, and of
    /// ASCII only letters and digits.
    pub text: String,
    /// Where it stands in the text, in bytes.
    pub range: Range<usize>,
    /// What it was cut out of.
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something that is written with spaces around it.
    Whole,
    /// Two neighbours in a run of a script that has no spaces.
    Pair,
    /// The last one of such a run, which begins no pair.
    Last,
}

/// The words of a text, in order.
///
/// A word is a run of letters, digits and their marks. Scripts that are written without spaces (Chinese, Japanese, Thai
/// and others), and Korean, whose words have their particles attached, give a word for every two neighbours, and one
/// for the last character, so that whatever stands in a run is a sequence of words.
#[must_use]
pub fn words(text: &str) -> Words<'_> {
    Words { text, at: 0, ready: VecDeque::new() }
}

/// The iterator of [`words`].
#[derive(Debug, Clone)]
pub struct Words<'a> {
    text: &'a str,
    /// Where the rest of the text begins.
    at: usize,
    /// Words that were found at once.
    ready: VecDeque<Word>,
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        while self.ready.is_empty() {
            let rest = &self.text[self.at..];
            let begin = self.at + rest.find(belongs_to_a_word)?;
            let first = self.text[begin..].chars().next()?;
            if has_spaces(first) {
                self.spaced_run(begin);
            } else {
                self.unspaced_run(begin);
            }
        }
        self.ready.pop_front()
    }
}

impl Words<'_> {
    fn spaced_run(&mut self, begin: usize) {
        let rest = &self.text[begin..];
        let length = rest.find(|c| !belongs_to_a_word(c) || !has_spaces(c)).unwrap_or(rest.len());
        self.at = begin + length;
        let run = first_chars(&rest[..length], MAX_WORD_CHARS);
        for text in pieces(&fold(run)) {
            self.ready.push_back(Word { text: text.to_owned(), range: begin..self.at, kind: Kind::Whole });
        }
    }

    /// Gives the words of one character of the run and its next: the run may be the whole text.
    fn unspaced_run(&mut self, begin: usize) {
        let end = self.unit_end(begin);
        let one: String = pieces(&fold(first_chars(&self.text[begin..end], MAX_WORD_CHARS))).collect();
        self.at = end;
        if one.is_empty() {
            return;
        }
        let next_end = match self.text[end..].chars().next() {
            Some(next) if belongs_to_a_word(next) && !has_spaces(next) => self.unit_end(end),
            _ => end,
        };
        let next: String = pieces(&fold(first_chars(&self.text[end..next_end], MAX_WORD_CHARS))).collect();
        let word = if next.is_empty() {
            Word { text: one, range: begin..end, kind: Kind::Last }
        } else {
            Word { text: one + &next, range: begin..next_end, kind: Kind::Pair }
        };
        self.ready.push_back(Word { text: first_chars(&word.text, MAX_WORD_CHARS).to_owned(), ..word });
    }

    /// Where the character that begins at `begin` ends, with its marks.
    fn unit_end(&self, begin: usize) -> usize {
        let mut chars = self.text[begin..].char_indices().skip(1);
        chars.find(|(_, c)| !is_mark(*c)).map_or(self.text.len(), |(length, _)| begin + length)
    }
}

/// What is left of a folded word: a character may stand for several words.
fn pieces(folded: &str) -> impl Iterator<Item = &str> {
    let pieces = folded.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c));
    pieces.filter(|piece| piece.contains(char::is_alphanumeric)).map(|piece| first_chars(piece, MAX_WORD_CHARS))
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

fn belongs_to_a_word(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && is_mark(c))
}

/// What stands on, under or between letters without being one.
fn is_mark(c: char) -> bool {
    // The voicing marks of half-width kana are letters to Unicode.
    is_combining_mark(c) || is_invisible(c) || matches!(c, '\u{FF9E}' | '\u{FF9F}')
}

/// Whether words of the character's script are found by the spaces around them.
fn has_spaces(c: char) -> bool {
    !matches!(
        u32::from(c),
        0x0E00..=0x0EFF // Thai, Lao
            | 0x1000..=0x109F // Burmese
            | 0x1780..=0x17FF // Khmer
            | 0x3005..=0x3007
            | 0x3041..=0x30FF // Kana
            | 0x31F0..=0x31FF
            | 0x3400..=0x4DBF // Han
            | 0x4E00..=0x9FFF
            | 0xAC00..=0xD7A3 // Hangul
            | 0xF900..=0xFAFF
            | 0xFF66..=0xFF9F // Half-width kana
            | 0x2_0000..=0x3_FFFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).map(|word| word.text).collect()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        assert_eq!(texts("fn main() -> Result<(), E0308>"), ["fn", "main", "result", "e0308"]);
        assert_eq!(texts("src/main.rs foo_bar a-b don't"), ["src", "main", "rs", "foo", "bar", "a", "b", "don", "t"]);
        assert_eq!(texts("Cafe\u{301}s\tÜber\0x"), ["cafes", "uber", "x"]);
        assert_eq!(texts(" \u{301} -- \u{200D} 🦀 ++"), Vec::<String>::new());
        assert_eq!(texts(""), Vec::<String>::new());
    }

    #[test]
    fn scripts_without_spaces_give_pairs_and_the_last_one() {
        assert_eq!(texts("日本語"), ["日本", "本語", "語"]);
        assert_eq!(texts("日"), ["日"]);
        assert_eq!(texts("use東京now"), ["use", "東京", "京", "now"]);
        assert_eq!(texts("ﾃﾞｰﾀ"), ["デー", "ータ", "タ"]);
        assert_eq!(texts("データ"), ["デー", "ータ", "タ"]);
        assert_eq!(texts("ที่นี่"), ["ที่นี่", "นี่"]);
        assert_eq!(texts("한국어"), ["한국", "국어", "어"]);
    }

    #[test]
    fn ranges_are_those_of_the_text() {
        let text = "«Cafe\u{301}» 日本!";
        let shown: Vec<&str> = words(text).map(|word| &text[word.range]).collect();
        assert_eq!(shown, ["Cafe\u{301}", "日本", "本"]);
    }

    #[test]
    fn a_character_may_stand_for_words() {
        let text = "½ \u{FDFA}";
        let found: Vec<Word> = words(text).collect();
        assert!(found.len() > 3, "{found:?}");
        assert_eq!((found[0].text.as_str(), found[1].text.as_str()), ("1", "2"));
        assert_eq!(found[0].range, found[1].range);
    }

    #[test]
    fn words_are_bounded() {
        let long = "x".repeat(100_000);
        let found: Vec<Word> = words(&long).collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].text.len(), found[0].range.end), (MAX_WORD_CHARS, 100_000));
    }
}
