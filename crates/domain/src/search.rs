//! Searching text for words: what a word is, what a query asks for, and where a text has it.
//!
//! All of it happens here and not in a database, so that every database finds the same texts in the same way, and what
//! is highlighted is what was found. A [`Document`] is what an index keeps of a text, a [`Query`] is what somebody
//! typed; both come from the same [`words`]. A database only compares words that are equal or begin alike, and orders
//! what it finds.

mod document;
mod fold;
mod marks;
mod query;
mod snippet;
mod stem;
#[cfg(test)]
mod tests;
mod words;

pub use self::document::{Document, MAX_DOCUMENT_CHARS, MAX_DOCUMENT_WORDS};
pub use self::query::{MAX_QUERY_CHARS, MAX_TERM_WORDS, MAX_TERMS, Query, Term};
pub use self::snippet::{MAX_SNIPPET_CHARS, Snippet};
pub use self::stem::stem;
pub use self::words::{MAX_WORD_CHARS, Word, Words, words};
