//! Any text and any query.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::*;

fn config() -> Config {
    Config { cases: 250, rng_seed: RngSeed::Fixed(31), failure_persistence: None, ..Config::default() }
}

/// Text with what is hard about text: quotes, operators, marks, scripts, what stands for several characters.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 ]{0,12}",
        2 => prop::sample::select(vec![
            "\"", "*", "-", " ", "(", ")", "AND", "NOT", "NEAR(", "^", ":", "'", "\\", "\0", "&", "|", "!", "<->", "~",
            "running", "Tests", "日本語", "ｶﾞ", "ที่", "e\u{301}", "\u{301}", "\u{200D}", "\u{AD}", "\u{FDFA}", "½", "ß",
            "İ", "ΟΔΟΣ", "한국어", "🧑‍🚀", "\u{FEFF}", "\u{10FFFF}", "\r\n", "हिन्दी",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn is_plain(word: &str) -> bool {
    let harmless = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (!c.is_ascii() && !c.is_whitespace());
    !word.is_empty() && word.chars().count() <= MAX_WORD_CHARS && word.chars().all(harmless)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn words_are_plain_and_where_they_say(text in text()) {
        let mut begin = 0;
        for word in words(&text) {
            prop_assert!(is_plain(&word.text), "{word:?}");
            prop_assert!(text.get(word.range.clone()).is_some_and(|shown| !shown.is_empty()), "{word:?}");
            prop_assert!(word.range.start >= begin);
            begin = word.range.start;
        }
    }

    #[test]
    fn folding_twice_is_folding_once(text in text()) {
        for word in words(&text) {
            prop_assert_eq!(fold::fold(&word.text), word.text);
        }
    }

    #[test]
    fn stems_are_plain(text in text()) {
        for word in words(&text) {
            prop_assert!(is_plain(&stem(&word.text)));
        }
    }

    #[test]
    fn a_query_is_bounded_whatever_it_is(text in text()) {
        let query = Query::parse(&text);
        prop_assert!(query.required().len() + query.excluded().len() <= MAX_TERMS);
        for term in query.required().iter().chain(query.excluded()) {
            match term {
                Term::Phrase(words) => {
                    prop_assert!(!words.is_empty() && words.len() <= MAX_TERM_WORDS);
                    prop_assert!(words.iter().all(|word| is_plain(word)));
                }
                Term::Prefix(prefix) => prop_assert!(is_plain(prefix)),
            }
        }
    }

    #[test]
    fn highlights_are_ranges_of_the_text(text in text(), query in text()) {
        let mut end = 0;
        for range in Query::parse(&query).highlights(&text) {
            prop_assert!(text.get(range.clone()).is_some_and(|shown| !shown.is_empty()));
            prop_assert!(range.start >= end);
            end = range.end;
        }
    }

    #[test]
    fn a_snippet_is_a_part_of_the_text(text in text(), query in text()) {
        let text = text.repeat(8);
        let query = Query::parse(&query);
        let snippet = query.snippet(&text);
        prop_assert!(text.contains(&snippet.text));
        prop_assert!(snippet.text.chars().count() <= MAX_SNIPPET_CHARS);
        prop_assert_eq!(snippet.highlights.is_empty(), query.highlights(&text).is_empty());
        for range in snippet.highlights {
            prop_assert!(snippet.text.get(range).is_some_and(|shown| !shown.is_empty()));
        }
    }

    #[test]
    fn a_text_is_found_by_every_word_of_it(text in text()) {
        let document = Document::of(&text);
        for word in words(&text).take(64) {
            let query = Query::parse(&text[word.range.clone()]);
            for term in query.required() {
                let found = match term {
                    Term::Phrase(phrase) => document.stems().windows(phrase.len()).any(|window| window == phrase),
                    Term::Prefix(prefix) => {
                        let mut all = document.stems().iter().map(String::as_str).chain(document.forms());
                        all.any(|stored| stored.starts_with(prefix))
                    }
                };
                prop_assert!(found, "{term:?} of {word:?}");
            }
        }
    }
}
