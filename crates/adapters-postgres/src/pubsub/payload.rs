//! What nodes say to each other: JSON texts of less than 8,000 bytes.
//!
//! Nodes of two releases may run side by side. A text of another version of this form, and a hint that this node cannot
//! read, count as lost.

use portway_ports::pubsub::{Hint, Topic};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outbox::{Batch, Greeting, version};
use super::pieces::{self, Piece};

/// Version of the form.
const FORM: u32 = 1;

/// Postgres takes less than 8,000 bytes.
const MAX_BYTES: usize = 7_990;

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    #[serde(rename = "v")]
    form: u32,
    from: String,
    items: T,
}

/// What comes after the items.
const END: &str = "]}";

/// One thing to be told.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Item<H> {
    /// The node has come, and whoever hears it answers that it is there too.
    Hello,
    /// A hint.
    Hint(Topic, H),
    /// A piece of a hint.
    Piece(Topic, Piece),
    /// Hints about the topic were lost, up to a version.
    Lost(Topic, Option<u64>),
    /// Nobody knows what was lost.
    LostAll,
}

/// What was heard.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// This node itself.
    Self_,
    /// Another node; the items in order.
    Other { from: String, items: Vec<Item<Value>> },
    /// Somebody whom this node does not understand.
    Unknown,
}

/// The texts that tell a batch; one at least, which shows that the node is there.
pub(super) fn write(from: &str, batch: &Batch) -> Vec<String> {
    let mut texts = Texts::new(from);
    if batch.greeting == Some(Greeting::Hello) {
        texts.add(&Item::<()>::Hello);
    }
    if batch.lost_all {
        texts.add(&Item::<()>::LostAll);
    }
    for (topic, version) in &batch.lost {
        texts.add(&Item::<()>::Lost(topic.clone(), *version));
    }
    for (topic, hint) in &batch.hints {
        if !texts.add(&Item::Hint(topic.clone(), &**hint)) {
            texts.add_in_pieces(from, topic, hint);
        }
    }
    texts.done()
}

/// What a text tells.
pub(super) fn read(own: &str, text: &str) -> Heard {
    match serde_json::from_str::<Envelope<Vec<Value>>>(text) {
        Ok(envelope) if envelope.form == FORM && envelope.from == own => Heard::Self_,
        Ok(envelope) if envelope.form == FORM => {
            let items: Result<Vec<_>, _> = envelope.items.into_iter().map(serde_json::from_value).collect();
            items.map_or(Heard::Unknown, |items| Heard::Other { from: envelope.from, items })
        }
        _ => Heard::Unknown,
    }
}

/// The hint itself, read only where somebody watches.
pub(super) fn hint(value: Value) -> Option<Hint> {
    serde_json::from_value(value).ok()
}

/// Texts while they are written.
struct Texts {
    begin: String,
    full: Vec<String>,
    open: String,
}

impl Texts {
    fn new(from: &str) -> Self {
        let empty = Envelope { form: FORM, from: from.to_owned(), items: [(); 0] };
        let mut begin = serde_json::to_string(&empty).unwrap_or_default();
        begin.truncate(begin.len().saturating_sub(END.len()));
        Self { open: begin.clone(), begin, full: Vec::new() }
    }

    /// Adds an item; answers whether it can be told at all.
    fn add<H: Serialize>(&mut self, item: &Item<H>) -> bool {
        let Ok(text) = serde_json::to_string(item) else {
            return false;
        };
        if self.begin.len() + text.len() + END.len() > MAX_BYTES {
            return false;
        }
        if self.open.len() + 1 + text.len() + END.len() > MAX_BYTES {
            let full = std::mem::replace(&mut self.open, self.begin.clone());
            self.full.push(full + END);
        }
        if self.open.len() > self.begin.len() {
            self.open.push(',');
        }
        self.open.push_str(&text);
        true
    }

    /// What was lost of a version can be read again; what has none is told in pieces, if it is not too large for that.
    fn add_in_pieces(&mut self, from: &str, topic: &Topic, hint: &Hint) {
        let version = version(hint);
        let text = if version.is_none() { serde_json::to_string(hint).ok() } else { None };
        match text.and_then(|text| pieces::split(from, &text)) {
            Some(pieces) => {
                for piece in pieces {
                    self.add(&Item::<()>::Piece(topic.clone(), piece));
                }
            }
            None => {
                self.add(&Item::<()>::Lost(topic.clone(), version));
            }
        }
    }

    fn done(mut self) -> Vec<String> {
        self.full.push(self.open + END);
        self.full
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn topic(name: usize) -> Topic {
        serde_json::from_value(json!({"Session": name.to_string()})).unwrap()
    }

    fn titled(version: u64, title: &str) -> Arc<Hint> {
        let hint = json!({"Session": {"version": version, "notices": [{"Title": title}]}});
        Arc::new(serde_json::from_value(hint).unwrap())
    }

    fn batch(hints: impl IntoIterator<Item = (Topic, Arc<Hint>)>) -> Batch {
        Batch { hints: hints.into_iter().collect(), ..Batch::default() }
    }

    fn heard(texts: &[String]) -> Vec<Item<Value>> {
        let items = texts.iter().flat_map(|text| match read("other", text) {
            Heard::Other { items, .. } => items,
            heard => panic!("{heard:?}"),
        });
        items.collect()
    }

    #[test]
    fn many_hints_share_a_text_and_keep_their_order() {
        let texts = write("me", &batch((1..=200).map(|n| (topic(1), titled(n, "\u{1F980}\u{0}\"")))));
        assert!((2..=5).contains(&texts.len()), "{}", texts.len());
        assert!(texts.iter().all(|text| text.len() < 8_000 && !text.contains('\0')));
        let items = heard(&texts);
        assert_eq!(items.len(), 200);
        for (item, n) in items.into_iter().zip(1..) {
            let Item::Hint(_, value) = item else { panic!("{item:?}") };
            assert_eq!(hint(value).as_ref(), Some(&*titled(n, "\u{1F980}\u{0}\"")));
        }
    }

    #[test]
    fn a_hint_of_any_size_is_told_or_lost() {
        for length in (7_700..8_000).chain([100_000]) {
            let texts = write("me", &batch([(topic(1), titled(1, "a")), (topic(1), titled(2, &"x".repeat(length)))]));
            assert!(texts.iter().all(|text| text.len() < 8_000));
            match &heard(&texts)[1] {
                Item::Hint(..) => assert!(length < 7_990),
                item => assert_eq!(*item, Item::Lost(topic(1), Some(2)), "{length}"),
            }
        }
    }

    #[test]
    fn a_large_hint_without_a_version_is_told_in_pieces() {
        let large =
            json!({"Bus": {"kind": "k", "session": "s", "user": "u", "data": "\"\u{0}".repeat(20_000), "at": 0}});
        let large: Hint = serde_json::from_value(large).unwrap();
        let texts = write("me", &batch([(topic(1), Arc::new(large.clone())), (topic(1), titled(1, "a"))]));
        assert!(texts.iter().all(|text| text.len() < 8_000));
        let mut assembly = pieces::Assembly::default();
        let mut whole = Vec::new();
        for item in heard(&texts) {
            if let Item::Piece(_, piece) = item
                && let pieces::Assembled::Whole(text) = assembly.add(piece)
            {
                whole.push(serde_json::from_str::<Hint>(&text).unwrap());
            }
        }
        assert_eq!(whole, [large]);
    }

    #[test]
    fn what_is_lost_comes_first() {
        let lost = [(topic(2), Some(7))].into();
        let batch = Batch { lost_all: true, lost, ..batch([(topic(1), titled(1, "a"))]) };
        let items = heard(&write("me", &batch));
        assert_eq!(items[..2], [Item::LostAll, Item::Lost(topic(2), Some(7))]);
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn a_greeting_shows_that_somebody_is_there() {
        for (greeting, items) in [(Greeting::Hello, vec![Item::Hello]), (Greeting::Answer, Vec::new())] {
            let texts = write("me", &Batch { greeting: Some(greeting), ..Batch::default() });
            assert_eq!(texts.len(), 1);
            assert_eq!(read("other", &texts[0]), Heard::Other { from: "me".to_owned(), items });
            assert_eq!(read("me", &texts[0]), Heard::Self_);
        }
    }

    #[test]
    fn what_another_release_says_is_not_guessed_at() {
        for text in [
            "",
            "x",
            "{}",
            r#"{"v":2,"from":"a","items":[]}"#,
            r#"{"v":1,"from":"a","items":[{"whatever":1}]}"#,
            r#"{"v":1,"from":"a","items":{}}"#,
        ] {
            assert_eq!(read("me", text), Heard::Unknown, "{text}");
        }
        let newer =
            r#"{"v":1,"from":"a","items":[{"hint":[{"Session":"x"},{"Session":{"version":1,"notices":["New"]}}]}]}"#;
        let Heard::Other { items, .. } = read("me", newer) else { panic!("{newer}") };
        let [Item::Hint(_, value)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(hint(value.clone()), None);
    }
}
