//! From a parsed TOML document to Rust types, with the keys that lead to a mistake and what is known where it is.
//!
//! What a mistake says never has the value of a key, which may be a secret.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Why a document is not of the wanted type.
#[derive(Debug)]
pub(super) struct Error {
    /// Where, from the innermost to the outermost.
    steps: Vec<Step>,
    pub(super) reason: Reason,
}

/// One step from a value to what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

#[derive(Debug)]
pub(super) enum Reason {
    /// There is no such key; these are there.
    UnknownKey(&'static [&'static str]),
    /// The value cannot be used.
    Value(String),
}

impl Error {
    fn value(message: impl fmt::Display) -> Self {
        Self { steps: Vec::new(), reason: Reason::Value(message.to_string()) }
    }

    fn below(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Where, from the outermost to the innermost.
    pub(super) fn path(&self) -> Vec<Step> {
        self.steps.iter().rev().cloned().collect()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::UnknownKey(_) => f.write_str("there is no such key"),
            Reason::Value(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::value(message)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::value(format_args!("expected {}, found {}", wanted(expected), found_words(&found)))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::value(format_args!("expected {}", wanted(expected)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::value(format_args!("expected one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self { steps: Vec::new(), reason: Reason::UnknownKey(expected) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::value(format_args!("{field} is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::value(format_args!("{field} is set twice, under two names"))
    }
}

/// What Rust calls the wanted type, in words of the file.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    let words = match text.as_str() {
        "a string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a section",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "a section",
        _ => return text,
    };
    words.to_owned()
}

fn found_words(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Str(_) | Unexpected::Char(_) | Unexpected::Bytes(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a section",
        _ => "something else",
    }
}

/// Makes the wanted type of a document, or tells the first mistake that it meets.
pub(super) fn decode<T: DeserializeOwned>(document: &DeTable<'_>) -> Result<T, Error> {
    T::deserialize(Table(document))
}

/// A table as serde wants to see it.
#[derive(Clone, Copy)]
struct Table<'t, 'i>(&'t DeTable<'i>);

impl<'de> Deserializer<'de> for Table<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries { rest: self.0.iter(), value: None })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// A value as serde wants to see it.
#[derive(Clone, Copy)]
struct Value<'t, 'i>(&'t DeValue<'i>);

impl<'de> Deserializer<'de> for Value<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(number) => {
                let (digits, radix) = (number.as_str(), number.radix());
                if let Ok(number) = i64::from_str_radix(digits, radix) {
                    return visitor.visit_i64(number);
                }
                match u64::from_str_radix(digits, radix) {
                    Ok(number) => visitor.visit_u64(number),
                    Err(_) => Err(Error::value("the number is too large")),
                }
            }
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(Error::value("the number cannot be used")),
            },
            DeValue::Boolean(flag) => visitor.visit_bool(*flag),
            DeValue::Datetime(_) => Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            DeValue::Array(values) => visitor.visit_seq(Elements { rest: values.iter().enumerate() }),
            DeValue::Table(table) => Table(table).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// Serde would take a list for a section as well.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            DeValue::Array(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            DeValue::String(text) => visitor.visit_enum(text.as_ref().into_deserializer()),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Entries<'t, 'i, I> {
    rest: I,
    value: Option<(&'t str, &'t DeValue<'i>)>,
}

impl<'de, 't, 'i, I> MapAccess<'de> for Entries<'t, 'i, I>
where
    I: Iterator<Item = (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)>,
{
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        let key = key.get_ref().as_ref();
        self.value = Some((key, value.get_ref()));
        let decoded = seed.deserialize(StrDeserializer::new(key));
        decoded.map(Some).map_err(|error: Error| error.below(Step::Key(key.to_owned())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (key, value) = self.value.take().ok_or_else(|| Error::value("a value was asked for without its key"))?;
        seed.deserialize(Value(value)).map_err(|error| error.below(Step::Key(key.to_owned())))
    }
}

struct Elements<I> {
    rest: I,
}

impl<'de, 't, 'i: 't, I: Iterator<Item = (usize, &'t Spanned<DeValue<'i>>)>> SeqAccess<'de> for Elements<I> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Value(value.get_ref())).map(Some).map_err(|error| error.below(Step::Index(index)))
    }
}
