//! Searching for, and in, what nobody would write who means well.

use portway_domain::engine::Change;
use portway_domain::ids::MessageId;
use portway_domain::search::{MAX_DOCUMENT_CHARS, Query};

use crate::failure::Outcome;
use crate::fixture::Fixture;
use crate::search::{Talk, hits};

/// What somebody might type who wants to break something.
const HOSTILE: &[&str] = &[
    "\"",
    "\"\"",
    "\"\"\"",
    "'",
    "' OR 1=1 --",
    "*",
    "**",
    "a*b*",
    "-",
    "--",
    "- -",
    "-*",
    "(",
    ")",
    "()",
    "((((",
    "AND",
    "OR",
    "NOT",
    "NOT NOT",
    "AND OR NOT",
    "a AND",
    "NEAR(a b, 2)",
    "NEAR(",
    "words:a",
    "words : a",
    "{words} : a",
    "^a",
    "a + b",
    "a:*",
    "a:1A",
    "a <-> b",
    "a & b",
    "a | !b",
    "!a",
    "!(a)",
    "\\",
    "\\'",
    "a\\",
    "%",
    "_",
    "?",
    "$1",
    ":1",
    "~",
    "~sa",
    "0sa",
    "1sa",
    "\0",
    "a\0b",
    "\u{1}",
    "\n",
    "\r\n\t",
    "\u{FEFF}a",
    "\u{202E}a",
    "🦀",
    "🧑‍🚀 a",
    "e\u{301}",
    "\u{301}",
    "日",
    "日 \"",
    "ที่",
    "½",
    "\u{FDFA}",
    "İ",
    "ß*",
    "a\"b",
    "\"a",
    "a\"",
    "-\"",
    "-\"a",
    "\"a\" \"b",
    "“a”",
    "”",
    "c++",
    "c#",
    ".*",
    "a.b.c",
    "https://example.org/?q=a&b=%20",
    "{\"json\":[1,2.5,null]}",
    "<b>a</b>",
    "SELECT * FROM users",
    "1e5",
    "0x1F",
    "-1",
    "1.5",
    "a-b-c-d-e-f-g-h-i-j-k-l",
    "ID",
    "the",
    "to be or not to be",
];

pub(crate) async fn hostile_queries_and_texts_are_only_words(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let mut random = 7_u64;
    let mut draw = |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap_or_default() % bound
    };
    let mut texts: Vec<String> = HOSTILE.iter().map(|text| (*text).to_owned()).collect();
    for _ in 0..150 {
        let pieces: Vec<&str> = (0..1 + draw(6)).map(|_| HOSTILE[draw(HOSTILE.len())]).collect();
        texts.push(pieces.join(["", " ", "\"", "-"][draw(4)]));
    }
    // A message with a zero character is not what this is about; not every database keeps one.
    let said: Vec<_> = texts.iter().map(|text| Change::MessageAdded(talk.next(&f, &text.replace('\0', " ")))).collect();
    f.changed(&talk.session.id, said).await?;
    for text in &texts {
        let query = Query::parse(text);
        let found = talk.find(&f, text).await?;
        if query.is_empty() {
            check_eq!(found, Vec::<MessageId>::new(), "{text:?}");
        } else if query.excluded().is_empty() {
            check!(!found.is_empty(), "{text:?} does not find itself");
        }
    }
    Ok(())
}

pub(crate) async fn long_texts_are_searched_at_their_beginning(f: Fixture) -> Outcome {
    let mut talk = Talk::begin(&f, "ada").await?;
    let padded = |padding: &str| {
        let count = MAX_DOCUMENT_CHARS / padding.chars().count() + 1;
        format!("begin {} finish", padding.repeat(count))
    };
    let words: String = (0..12_000).map(|number| format!("tests{number}ing ")).collect();
    let letters: String = ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b}s "))).collect();
    for padding in ["a ", "日", "é", "xyz123 ", &words, &letters, "ab\u{301}c\u{327} ", &"q".repeat(9_999)] {
        let text = padded(padding);
        let id = talk.say(&f, &text).await?;
        check!(talk.find(&f, "begin").await?.contains(&id), "{} characters", text.len());
    }
    check_eq!(talk.find(&f, "begin").await?.len(), 8);
    talk.finds(&f, "finish", &[]).await?;
    let found = hits(&f, talk.person.hash(), "begin", None).await?;
    check!(found.iter().all(|hit| hit.value.text.chars().count() == MAX_DOCUMENT_CHARS));
    Ok(())
}
