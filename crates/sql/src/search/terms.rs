//! Words as the databases want them written.
//!
//! A word is written with the scope before it and a letter for its kind. Of ASCII it has only letters and digits, so it
//! cannot break the syntax around it.

use portway_domain::ids::SessionId;
use portway_domain::search::{Document, Query, Term};

use super::SCOPE;
use crate::dialect::Dialect;

/// The stem of a word.
const STEM: char = 's';

/// A word that differs from its stem.
const FORM: char = 'w';

/// The session that a text belongs to.
const SESSION: char = 'i';

/// Where PostgreSQL is told that a word stands whose place does not matter: the last place that it can count.
const NO_PLACE: usize = 16_383;

/// Whether a text has to have all terms of a query or any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matching {
    /// All of them.
    All,
    /// One of them at least.
    Any,
}

/// The words of a text as the table of an index keeps them.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite counts the places itself"))]
pub(crate) fn stored(dialect: Dialect, document: &Document, session: Option<&SessionId>) -> String {
    let stems = document.stems().iter().zip(1..).map(|(stem, place)| (STEM, stem.as_str(), place));
    let forms = document.forms().map(|form| (FORM, form, NO_PLACE));
    let label = session.map(label);
    let label = label.iter().map(|label| (SESSION, label.as_str(), NO_PLACE));
    let mut text = String::new();
    for (kind, word, place) in stems.chain(forms).chain(label) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(SCOPE);
        text.push(kind);
        text.push_str(word);
        match dialect {
            Dialect::Sqlite => {}
            #[cfg(feature = "postgres")]
            Dialect::Postgres => {
                text.push(':');
                text.push_str(&place.to_string());
            }
        }
    }
    text
}

/// What a query asks an index for, in the syntax of `MATCH` or of `tsquery`.
pub(crate) fn expression(dialect: Dialect, query: &Query, matching: Matching, session: Option<&SessionId>) -> String {
    let syntax = Syntax::of(dialect);
    let operator = match matching {
        Matching::All => syntax.and,
        Matching::Any => syntax.or,
    };
    let mut all = syntax.join(query.required().iter().map(|term| syntax.term(term)), operator);
    if let Some(session) = session {
        all = format!("({all}{}{})", syntax.and, syntax.words(SESSION, [label(session).as_str()]));
    }
    if query.excluded().is_empty() {
        return all;
    }
    let none = syntax.join(query.excluded().iter().map(|term| syntax.term(term)), syntax.or);
    format!("{all}{}{none}", syntax.and_not)
}

/// The id of a session as a word. Two ids that make one word are told apart where the hits are read.
fn label(session: &SessionId) -> String {
    session.as_str().chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// How a database writes operators.
struct Syntax {
    dialect: Dialect,
    and: &'static str,
    or: &'static str,
    and_not: &'static str,
}

impl Syntax {
    fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => Self { dialect, and: " AND ", or: " OR ", and_not: " NOT " },
            #[cfg(feature = "postgres")]
            Dialect::Postgres => Self { dialect, and: " & ", or: " | ", and_not: " & !" },
        }
    }

    fn join(&self, parts: impl Iterator<Item = String>, operator: &str) -> String {
        format!("({})", parts.collect::<Vec<_>>().join(operator))
    }

    fn term(&self, term: &Term) -> String {
        match term {
            Term::Phrase(stems) => self.words(STEM, stems),
            Term::Prefix(prefix) => {
                let beginning = match self.dialect {
                    Dialect::Sqlite => "*",
                    #[cfg(feature = "postgres")]
                    Dialect::Postgres => ":*",
                };
                let of = |kind| self.words(kind, [prefix]) + beginning;
                self.join([of(STEM), of(FORM)].into_iter(), self.or)
            }
        }
    }

    /// Words that follow each other.
    fn words(&self, kind: char, words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
        let words: Vec<String> = words.into_iter().map(|word| format!("{SCOPE}{kind}{}", word.as_ref())).collect();
        match self.dialect {
            Dialect::Sqlite => format!("\"{}\"", words.join(" ")),
            #[cfg(feature = "postgres")]
            Dialect::Postgres if words.len() == 1 => words.concat(),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => format!("({})", words.join(" <-> ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(query: &str, matching: Matching, session: Option<&SessionId>) -> [String; 2] {
        [Dialect::Sqlite, Dialect::Postgres].map(|dialect| expression(dialect, &Query::parse(query), matching, session))
    }

    #[test]
    fn a_document_is_a_list_of_words() {
        let document = Document::of("Tests of parsers");
        assert_eq!(stored(Dialect::Sqlite, &document, None), "~stest ~sof ~sparser ~wparsers ~wtests");
        let session = SessionId::parse("A-b:1").unwrap();
        assert_eq!(
            stored(Dialect::Postgres, &document, Some(&session)),
            "~stest:1 ~sof:2 ~sparser:3 ~wparsers:16383 ~wtests:16383 ~iab1:16383"
        );
    }

    #[test]
    fn a_query_is_an_expression() {
        assert_eq!(both("a", Matching::All, None), [r#"("~sa")"#, "(~sa)"]);
        let query = r#"tests "b c" conf* -d -"e f""#;
        assert_eq!(
            both(query, Matching::All, None),
            [
                r#"("~stest" AND "~sb ~sc" AND ("~sconf"* OR "~wconf"*)) NOT ("~sd" OR "~se ~sf")"#,
                "(~stest & (~sb <-> ~sc) & (~sconf:* | ~wconf:*)) & !(~sd | (~se <-> ~sf))",
            ]
        );
        let session = SessionId::parse("s-1").unwrap();
        assert_eq!(
            both("a b -c", Matching::Any, Some(&session)),
            [r#"(("~sa" OR "~sb") AND "~is1") NOT ("~sc")"#, "((~sa | ~sb) & ~is1) & !(~sc)"]
        );
    }
}
