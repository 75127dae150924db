//! A deserializer that shows pairs and the entries of a JSON object as one map.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::value::{CowStrDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::de::StrRead;

use super::Pair;
use super::text::Text;

type Json<'de> = serde_json::Deserializer<StrRead<'de>>;

/// The pairs first, then the object's own entries as they stream in.
pub(super) struct Joined<'a, 'de> {
    pub(super) pairs: &'a [Pair<'a>],
    pub(super) json: &'a mut Json<'de>,
    /// The name of the pair whose value is being read.
    pub(super) reading: &'a Cell<Option<&'a str>>,
}

impl<'de> Deserializer<'de> for Joined<'_, 'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.json.deserialize_map(JoinedVisitor { pairs: self.pairs, reading: self.reading, visitor })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct JoinedVisitor<'a, V> {
    pairs: &'a [Pair<'a>],
    reading: &'a Cell<Option<&'a str>>,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for JoinedVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(JoinedMap { pairs: self.pairs, reading: self.reading, taken: 0, value: None, map })
    }
}

struct JoinedMap<'a, A> {
    pairs: &'a [Pair<'a>],
    reading: &'a Cell<Option<&'a str>>,
    taken: usize,
    value: Option<&'a Pair<'a>>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for JoinedMap<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let (seen, rest) = self.pairs.split_at(self.taken);
        if let Some(pair @ (name, _)) = rest.first() {
            refuse_repeated(seen, name)?;
            self.taken += 1;
            self.value = Some(pair);
            return seed.deserialize(StrDeserializer::new(name)).map(Some);
        }
        let Some(name) = self.map.next_key_seed(Name)? else {
            return Ok(None);
        };
        refuse_repeated(self.pairs, &name)?;
        seed.deserialize(CowStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        match self.value.take() {
            Some((name, text)) => {
                self.reading.set(Some(name));
                let value = seed.deserialize(Text::new(text))?;
                self.reading.set(None);
                Ok(value)
            }
            None => self.map.next_value_seed(seed),
        }
    }
}

/// In the words that serde has for it, so that both are reported alike.
fn refuse_repeated<E: serde::de::Error>(pairs: &[Pair<'_>], name: &str) -> Result<(), E> {
    if pairs.iter().any(|(other, _)| other == name) {
        return Err(E::custom(format_args!("duplicate field `{name}`")));
    }
    Ok(())
}

/// Reads a key as text, borrowed from the body where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
