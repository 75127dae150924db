//! Enums in JSON whose variant is named by a member of the object.
//!
//! What serde derives for `#[serde(tag = "…")]` reads the whole object into a tree before it knows the variant, and reads
//! the variant from that: everything in it is read in two ways, and compiled in two ways. Here the member that names the
//! variant usually comes first, as all writers of this project put it, and what follows is read at once.
//!
//! ```
//! use portway_tagged::tagged;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! #[serde(remote = "Self", rename_all = "lowercase")]
//! enum Shape {
//!     Circle { radius: u32 },
//!     Nothing,
//! }
//! tagged!(Shape, "type");
//!
//! let circle: Shape = serde_json::from_str(r#"{"type":"circle","radius":3}"#)?;
//! assert_eq!(circle, Shape::Circle { radius: 3 });
//! assert_eq!(serde_json::to_string(&Shape::Nothing)?, r#"{"type":"nothing"}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod de;
mod ser;

pub use self::de::{Tagged, deserialize};
pub use self::ser::serialize;

/// Implements `Serialize` and `Deserialize` of an enum that derives both with `#[serde(remote = "Self")]`: as an object
/// with a member of that name, which says what variant it is. Variants are structs, units, or have one value that is an
/// object itself; the enum borrows nothing.
#[macro_export]
macro_rules! tagged {
    ($name:ty, $tag:literal) => {
        impl $crate::Tagged for $name {
            const TAG: &'static str = $tag;

            fn from_variant<'de, D: ::serde::Deserializer<'de>>(variant: D) -> ::core::result::Result<Self, D::Error> {
                Self::deserialize(variant)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                $crate::deserialize(deserializer)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                Self::serialize(self, $crate::serialize(serializer, $tag))
            }
        }
    };
}
