//! Hints that are too large for one text and of which nobody could read again what they told, in pieces.
//!
//! The pieces of a hint are said in one transaction, so those of one node come one after another.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Most bytes of a piece as part of a text, beside what is around it.
const PIECE: usize = 7_000;

/// Most pieces of a hint.
const MAX_PIECES: usize = 1_000;

/// Most nodes whose hints are put together at the same time.
const MAX_NODES: usize = 64;

/// A piece of a hint.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    from: String,
    index: usize,
    count: usize,
    text: String,
}

/// The hint in pieces; `None` if it is too large for that.
pub(super) fn split(from: &str, hint: &str) -> Option<Vec<Piece>> {
    let mut texts = Vec::new();
    let mut rest = hint;
    while !rest.is_empty() {
        let (text, more) = rest.split_at(fitting(rest));
        texts.push(text);
        rest = more;
    }
    let count = texts.len();
    if count > MAX_PIECES {
        return None;
    }
    let piece = |(index, text): (usize, &str)| Piece { from: from.to_owned(), index, count, text: text.to_owned() };
    Some(texts.into_iter().enumerate().map(piece).collect())
}

/// How many bytes of the text fit a piece once they are written as JSON.
fn fitting(text: &str) -> usize {
    let mut written = 0;
    for (at, character) in text.char_indices() {
        written += match character {
            '"' | '\\' => 2,
            character if character.is_control() => 6,
            character => character.len_utf8(),
        };
        if written > PIECE {
            return at;
        }
    }
    text.len()
}

/// Puts pieces together.
#[derive(Debug, Default)]
pub(super) struct Assembly(HashMap<String, Partial>);

#[derive(Debug)]
struct Partial {
    pieces: usize,
    text: String,
}

/// What a piece leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Assembled {
    /// More of them are to come.
    More,
    /// This is the hint.
    Whole(String),
    /// One before it was not heard.
    Broken,
}

impl Assembly {
    pub(super) fn add(&mut self, piece: Piece) -> Assembled {
        let Piece { from, index, count, text } = piece;
        let before = self.0.remove(&from).filter(|_| index > 0);
        let mut partial = before.unwrap_or(Partial { pieces: 0, text: String::new() });
        if partial.pieces != index || index >= count || count > MAX_PIECES || self.0.len() >= MAX_NODES {
            return Assembled::Broken;
        }
        partial.pieces += 1;
        partial.text.push_str(&text);
        if partial.pieces == count {
            return Assembled::Whole(partial.text);
        }
        self.0.insert(from, partial);
        Assembled::More
    }

    /// What is not whole will not be.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        "\u{1F980} \"quoted\\ \u{1}".repeat(2_000)
    }

    #[test]
    fn pieces_fit_and_make_up_the_whole() {
        let pieces = split("me", &text()).unwrap();
        assert!(pieces.len() > 3);
        let mut assembly = Assembly::default();
        let mut made = Vec::new();
        for piece in pieces {
            assert!(serde_json::to_string(&piece).unwrap().len() < PIECE + 100);
            made.push(assembly.add(piece));
        }
        assert_eq!(made.pop(), Some(Assembled::Whole(text())));
        assert!(made.iter().all(|assembled| *assembled == Assembled::More));
        assert!(assembly.0.is_empty());
    }

    #[test]
    fn pieces_of_several_nodes_are_kept_apart() {
        let (mine, theirs) = (split("a", &text()).unwrap(), split("b", &text()).unwrap());
        let mut assembly = Assembly::default();
        let both = mine.into_iter().zip(theirs).flat_map(|(one, other)| [one, other]);
        let made: Vec<Assembled> = both.map(|piece| assembly.add(piece)).collect();
        assert!(made.iter().rev().take(2).all(|assembled| *assembled == Assembled::Whole(text())));
    }

    #[test]
    fn a_missing_piece_is_noticed() {
        let mut assembly = Assembly::default();
        let pieces = || split("a", &text()).unwrap().into_iter();
        assert_eq!(assembly.add(pieces().nth(1).unwrap()), Assembled::Broken);
        assembly.add(pieces().next().unwrap());
        assert_eq!(assembly.add(pieces().nth(2).unwrap()), Assembled::Broken);
        assembly.add(pieces().next().unwrap());
        assert_eq!(assembly.add(pieces().next().unwrap()), Assembled::More, "another hint begins");
        let lies = Piece { from: "b".to_owned(), index: 0, count: 0, text: String::new() };
        assert_eq!(assembly.add(lies), Assembled::Broken);
    }

    #[test]
    fn there_is_an_end_to_it() {
        assert_eq!(split("me", &"x".repeat(PIECE * MAX_PIECES + 1)), None);
    }
}
