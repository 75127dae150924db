//! Reading.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, EnumAccess, Error, IgnoredAny, IntoDeserializer, MapAccess};
use serde::de::{VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::{Map, Value};

/// An enum whose variant is named by a member: see [`tagged!`](crate::tagged).
pub trait Tagged: DeserializeOwned {
    /// The name of the member.
    const TAG: &'static str;

    /// Reads the enum as serde derives it without a tag: from the variant's name, and what belongs to it.
    ///
    /// # Errors
    /// Of what is read.
    fn from_variant<'de, D: Deserializer<'de>>(variant: D) -> Result<Self, D::Error>;
}

/// Reads an object whose variant is named by a member.
///
/// # Errors
/// Of what is read, and where no member names a variant.
pub fn deserialize<'de, T: Tagged, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Tagged> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with a member `{}`", T::TAG)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<T, A::Error> {
        match members.next_key::<Name<'_>>()? {
            Some(Name(name)) if name == T::TAG => {
                let Name(variant) = members.next_value()?;
                T::from_variant(Variant { name: variant, members })
            }
            first => later(first.map(|name| name.0.into_owned()), members),
        }
    }
}

/// Reads an object once more, with the member first that names the variant.
fn later<'de, T: Tagged, A: MapAccess<'de>>(first: Option<String>, mut members: A) -> Result<T, A::Error> {
    let mut all = Map::new();
    let mut next = first;
    while let Some(name) = next {
        all.insert(name, members.next_value()?);
        next = members.next_key()?;
    }
    let Some(variant) = all.remove(T::TAG) else {
        return Err(A::Error::missing_field(T::TAG));
    };
    let ordered = Ordered { tag: T::TAG, variant: &variant, others: &all };
    let text = serde_json::to_string(&ordered).map_err(A::Error::custom)?;
    serde_json::from_str(&text).map_err(|error| A::Error::custom(without_place(&error)))
}

/// What is wrong, without the line and the column: they are those of a text that nobody sees.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

struct Ordered<'a> {
    tag: &'static str,
    variant: &'a Value,
    others: &'a Map<String, Value>,
}

impl serde::Serialize for Ordered<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            std::iter::once((self.tag, self.variant)).chain(self.others.iter().map(|(k, v)| (k.as_str(), v))),
        )
    }
}

/// A text, without a copy where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A variant of which the name is known, and the members are not read yet.
struct Variant<'de, A> {
    name: Cow<'de, str>,
    members: A,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Variant<'de, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Variant<'de, A> {
    type Error = A::Error;
    type Variant = Members<A>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Members<A>), A::Error> {
        Ok((seed.deserialize(self.name.into_deserializer())?, Members(self.members)))
    }
}

/// The members of a variant.
struct Members<A>(A);

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Members<A> {
    type Error = A::Error;

    fn unit_variant(mut self) -> Result<(), A::Error> {
        while self.0.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        seed.deserialize(MapAccessDeserializer::new(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, A::Error> {
        Err(A::Error::custom("a variant of several values is no object"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }
}
