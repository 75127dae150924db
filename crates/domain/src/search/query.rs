//! What somebody typed to find something.

use super::stem::stem;
use super::words::{Kind, Word, words};

/// How much of a query is read, in characters.
pub const MAX_QUERY_CHARS: usize = 1_000;

/// Most terms of a query; further ones are ignored.
pub const MAX_TERMS: usize = 12;

/// Most words of a term; further ones are ignored.
pub const MAX_TERM_WORDS: usize = 8;

/// Shortest beginning of a word that can be searched for, in characters, where words have spaces around them; a shorter
/// one counts as a word.
const MIN_PREFIX_CHARS: usize = 2;

/// What to find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    required: Vec<Term>,
    excluded: Vec<Term>,
}

/// Something that a text has or has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// The stems of words that follow each other, one at least.
    Phrase(Vec<String>),
    /// The beginning of a word.
    Prefix(String),
}

impl Query {
    /// Reads what somebody typed: words, `"phrases of words"`, `-without`, `begin*`. Whatever is not understood counts as
    /// space between words, so this never fails. What has several words without spaces between them, such as
    /// `src/main.rs`, is a phrase.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let end = text.char_indices().nth(MAX_QUERY_CHARS).map_or(text.len(), |(end, _)| end);
        let mut query = Self::default();
        let mut rest = &text[..end];
        while let Some((chunk, after)) = Chunk::next(rest) {
            query.add(&chunk);
            rest = after;
        }
        query
    }

    /// The terms that are looked for.
    #[must_use]
    pub fn required(&self) -> &[Term] {
        &self.required
    }

    /// The terms that must not be there.
    #[must_use]
    pub fn excluded(&self) -> &[Term] {
        &self.excluded
    }

    /// Whether nothing is looked for: such a query finds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.required.is_empty()
    }

    fn add(&mut self, chunk: &Chunk<'_>) {
        let mut found: Vec<Word> = words(chunk.text).take(MAX_TERM_WORDS + 1).collect();
        let whole = found.len() <= MAX_TERM_WORDS;
        found.truncate(MAX_TERM_WORDS);
        let prefix = if whole { take_prefix(&mut found, chunk) } else { None };
        let stems: Vec<String> = found.into_iter().map(|word| stem(&word.text).into_owned()).collect();
        let phrase = (!stems.is_empty()).then_some(Term::Phrase(stems));
        for term in phrase.into_iter().chain(prefix.map(Term::Prefix)) {
            if self.required.len() + self.excluded.len() == MAX_TERMS {
                return;
            }
            let terms = if chunk.is_excluded { &mut self.excluded } else { &mut self.required };
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
    }
}

/// Takes the last word out if only its beginning is meant.
fn take_prefix(words: &mut Vec<Word>, chunk: &Chunk<'_>) -> Option<String> {
    match words.as_slice() {
        // In a text that goes on, the last character of a run is part of a pair.
        [.., before, last]
            if last.kind == Kind::Last && before.kind == Kind::Pair && before.range.end == last.range.end =>
        {
            words.pop();
            None
        }
        // An exclusion of two terms would be one of either.
        [_, _, ..] if chunk.is_excluded => None,
        [.., last] if last.kind == Kind::Last => words.pop().map(|word| word.text),
        [.., last] if chunk.is_prefix && last.text.chars().nth(MIN_PREFIX_CHARS - 1).is_some() => {
            words.pop().map(|word| word.text)
        }
        _ => None,
    }
}

/// Something between spaces or quotes.
struct Chunk<'a> {
    text: &'a str,
    is_excluded: bool,
    is_prefix: bool,
}

impl<'a> Chunk<'a> {
    /// The first chunk, and what comes after it.
    fn next(text: &'a str) -> Option<(Self, &'a str)> {
        let text = text.trim_start();
        let (is_excluded, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let first = text.chars().next();
        if first.is_none() && !is_excluded {
            return None;
        }
        if first.is_some_and(is_quote) {
            let quoted = &text[first.map_or(0, char::len_utf8)..];
            let (text, rest) = quoted.split_once(is_quote).unwrap_or((quoted, ""));
            return Some((Self { text, is_excluded, is_prefix: false }, rest));
        }
        let end = text.find(|c: char| c.is_whitespace() || is_quote(c)).unwrap_or(text.len());
        let (text, rest) = text.split_at(end);
        Some((Self { text, is_excluded, is_prefix: text.ends_with('*') }, rest))
    }
}

/// Straight quotes, and those that some keyboards make of them.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201C}' | '\u{201D}' | '\u{201E}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(words: &str) -> Term {
        Term::Phrase(words.split(' ').map(str::to_owned).collect())
    }

    fn prefix(text: &str) -> Term {
        Term::Prefix(text.to_owned())
    }

    #[test]
    fn words_phrases_prefixes_and_exclusions() {
        let query = Query::parse(r#"Running "The Tests" -slow conf* -"to do""#);
        assert_eq!(query.required(), [phrase("run"), phrase("the test"), prefix("conf")]);
        assert_eq!(query.excluded(), [phrase("slow"), phrase("to do")]);
    }

    #[test]
    fn what_hangs_together_is_a_phrase() {
        assert_eq!(Query::parse("src/main.rs").required(), [phrase("src main rs")]);
        assert_eq!(Query::parse("src/ma*").required(), [phrase("src"), prefix("ma")]);
        assert_eq!(Query::parse("well-known a- -b-c*").required(), [phrase("well known"), phrase("a")]);
        assert_eq!(Query::parse("well-known a- -b-c*").excluded(), [phrase("b c")]);
    }

    #[test]
    fn scripts_without_spaces() {
        assert_eq!(Query::parse("日本語").required(), [phrase("日本 本語")]);
        assert_eq!(Query::parse("日本*").required(), [phrase("日本")]);
        assert_eq!(Query::parse("日").required(), [prefix("日")]);
        assert_eq!(Query::parse("foo日").required(), [phrase("foo"), prefix("日")]);
        assert_eq!(Query::parse("-日 -foo日").excluded(), [prefix("日"), phrase("foo 日")]);
        assert_eq!(Query::parse("\"日本 foo\"").required(), [phrase("日本 本 foo")]);
    }

    #[test]
    fn nothing_positive_is_empty() {
        for text in ["", " ", "-", "--", "\"", "\"\"", "*", "-a", "- -\"b c", "++", "!!!", "\0", "🦀", "-\"", "\u{301}"]
        {
            assert!(Query::parse(text).is_empty(), "{text:?}");
        }
        assert!(!Query::parse("- a").is_empty());
    }

    #[test]
    fn a_query_is_bounded() {
        let many: String = (0..100).map(|number| format!("w{number} ")).collect();
        assert_eq!(Query::parse(&many).required().len(), MAX_TERMS);
        let long = Query::parse(&format!("\"{many}\""));
        assert!(matches!(long.required(), [Term::Phrase(words)] if words.len() == MAX_TERM_WORDS));
        assert_eq!(Query::parse("a a a* \"a\"").required(), [phrase("a")]);
        assert!(Query::parse(&format!("{}word", " ".repeat(MAX_QUERY_CHARS))).is_empty());
    }

    #[test]
    fn quotes_that_do_not_close_reach_to_the_end() {
        assert_eq!(Query::parse("say \"hello wide").required(), [phrase("sai"), phrase("hello wide")]);
        assert_eq!(Query::parse("“hello wide” now").required(), [phrase("hello wide"), phrase("now")]);
        assert_eq!(Query::parse("a\"b c\"d").required(), [phrase("a"), phrase("b c"), phrase("d")]);
    }
}
