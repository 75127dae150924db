//! Typed ids and the stream that new ones come from.
//!
//! Ids made by Portway are UUIDs of version 7 in text form, so they sort by their time of creation. Ids that come
//! from outside (a runner mints the ids of its messages) only have to be short and harmless.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::checked;
use crate::time::Timestamp;

/// Longest id that is accepted from outside, in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// The text cannot be an id: it is empty, longer than [`MAX_ID_BYTES`], or has a character outside `A-Z a-z 0-9 : _ - .`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of 1 to 128 characters out of A-Z, a-z, 0-9, ':', '_', '-' and '.'")]
pub struct InvalidId;

fn check(text: &str) -> Result<(), InvalidId> {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'-' | b'.');
    if text.is_empty() || text.len() > MAX_ID_BYTES || !text.bytes().all(harmless) {
        return Err(InvalidId);
    }
    Ok(())
}

/// Makes new ids, all from one draw of entropy: the same stream gives the same ids again, so an attempt that is
/// repeated writes the rows of the first attempt and not others.
#[derive(Debug, Clone)]
pub struct IdStream {
    now: Timestamp,
    seed: [u8; 32],
    drawn: u64,
}

impl IdStream {
    /// A stream for the ids of one operation at `now`; `seed` comes from the entropy port.
    #[must_use]
    pub fn new(now: Timestamp, seed: [u8; 32]) -> Self {
        Self { now, seed, drawn: 0 }
    }

    /// The next id, as UUID version 7 text.
    pub fn draw_text(&mut self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.drawn.to_be_bytes());
        let digest = hash.finalize();
        // The first twelve random bits count within the stream, so ids of one operation sort in the order they were made.
        let order = u16::try_from(self.drawn.min(0xfff)).unwrap_or(0xfff).to_be_bytes();
        self.drawn += 1;
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        random[..2].copy_from_slice(&order);
        let millis = u64::try_from(self.now.as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string()
    }

    /// A number that only this stream has, and whoever repeats it.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        let digest = Sha256::new().chain_update(self.seed).chain_update("nonce").finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(first)
    }

    /// The next id of kind `T`.
    pub fn draw<T: Id>(&mut self) -> T {
        T::from_new(self.draw_text())
    }
}

/// A kind of id. Implemented by the types of this module only.
pub trait Id: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn from_new(text: String) -> Self;

    /// The id as text.
    fn as_str(&self) -> &str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Accepts an id given from outside.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is empty, too long or has an unexpected character.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text.into_boxed_str()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Id for $name {
            fn from_new(text: String) -> Self {
                Self(text.into_boxed_str())
            }

            fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl sealed::Sealed for $name {}

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into_string()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                checked::deserialize(deserializer, |text| Self::parse(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

ids! {
    /// An entry of a session's audit log.
    AuditId,
    /// A unit of durable background work.
    JobId,
    /// A session of an MCP client.
    McpSessionId,
    /// Something that is remembered for a user.
    MemoryId,
    /// A message of a transcript. A prompt and the user's message that it becomes share one id.
    MessageId,
    /// A node: a gateway among those that share a store.
    NodeId,
    /// A question that an agent asked; minted by the agent or its runner.
    QuestionId,
    /// A sandbox; named by the backend that runs it.
    SandboxId,
    /// A session.
    SessionId,
    /// A link that lets people into a session (not its secret).
    ShareLinkId,
    /// The files that a sandbox left; named by the backend that keeps them.
    SnapshotId,
    /// An access token (not its secret).
    TokenId,
    /// A person or a machine account.
    UserId,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> IdStream {
        IdStream::new(Timestamp::from_millis(1_771_927_200_000), [7; 32])
    }

    #[test]
    fn ids_of_one_stream_are_distinct_and_in_order() {
        let mut ids = stream();
        let drawn: Vec<String> = (0..5_000).map(|_| ids.draw_text()).collect();
        assert!(drawn[..4_000].windows(2).all(|pair| pair[0] < pair[1]));
        let distinct: std::collections::HashSet<&String> = drawn.iter().collect();
        assert_eq!(distinct.len(), drawn.len());
    }

    #[test]
    fn a_repeated_attempt_draws_the_same_ids() {
        let (mut first, mut second) = (stream(), stream());
        assert_eq!(first.draw::<SessionId>(), second.draw::<SessionId>());
        assert_eq!(first.draw_text().as_bytes()[14], b'7');
        assert_eq!(first.nonce(), stream().nonce());
        assert_ne!(first.nonce(), IdStream::new(Timestamp::from_millis(1_771_927_200_000), [8; 32]).nonce());
    }

    #[test]
    fn outside_ids_are_bounded() {
        assert!(SessionId::parse("orchestrator:u1:0198").is_ok());
        for bad in ["", "a b", "x\n", "../up", "é", &"a".repeat(129)] {
            assert_eq!(SessionId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }
}
