//! Where a prompt came from, if not from a client of the gateway: a chat, a room, a thread somewhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest kind of a channel, in characters.
pub const MAX_KIND_CHARS: usize = 50;

/// Longest name of a channel, in characters.
pub const MAX_ID_CHARS: usize = 500;

/// The kind and the name of what clients of the gateway may call themselves.
pub const WEB: (&str, &str) = ("web", "default");

/// A channel, such as a chat of a messenger. Both parts are chosen by whoever passes the prompts on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Channel {
    kind: String,
    id: String,
}

#[derive(Deserialize)]
struct Unchecked {
    kind: String,
    id: String,
}

/// What is wrong with the parts of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChannel {
    /// The kind.
    #[error("expected 1 to 50 characters, none of them a control character")]
    Kind,
    /// The name.
    #[error("expected 1 to 500 characters, none of them a control character")]
    Id,
}

impl Channel {
    /// The channel of that kind and name.
    ///
    /// # Errors
    /// [`InvalidChannel`] for a part that is empty, too long or has control characters.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Result<Self, InvalidChannel> {
        let (kind, id) = (kind.into(), id.into());
        let fits = |text: &str, most| (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if !fits(&kind, MAX_KIND_CHARS) {
            return Err(InvalidChannel::Kind);
        }
        if !fits(&id, MAX_ID_CHARS) {
            return Err(InvalidChannel::Id);
        }
        Ok(Self { kind, id })
    }

    /// What kind of channel it is, such as `telegram`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its name among those of its kind.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it is what clients of the gateway may call themselves.
    #[must_use]
    pub fn is_web(&self) -> bool {
        (self.kind.as_str(), self.id.as_str()) == WEB
    }
}

/// Whether both are the same place to talk to the agent. The clients of the gateway are one as well, which they may call
/// `web:default`.
#[must_use]
pub fn is_same_place(one: Option<&Channel>, other: Option<&Channel>) -> bool {
    let one = one.filter(|channel| !channel.is_web());
    one == other.filter(|channel| !channel.is_web())
}

impl TryFrom<Unchecked> for Channel {
    type Error = InvalidChannel;

    fn try_from(unchecked: Unchecked) -> Result<Self, InvalidChannel> {
        Self::new(unchecked.kind, unchecked.id)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_bounded_parts() {
        let channel = Channel::new("telegram", "12:7").unwrap();
        assert_eq!(channel.to_string(), "telegram:12:7");
        assert!(Channel::new("k".repeat(50), "ä".repeat(500)).is_ok());
        assert_eq!(Channel::new("k".repeat(51), "id"), Err(InvalidChannel::Kind));
        assert_eq!(Channel::new("", "id"), Err(InvalidChannel::Kind));
        assert_eq!(Channel::new("web", "ä".repeat(501)), Err(InvalidChannel::Id));
        assert_eq!(Channel::new("web", "a\0b"), Err(InvalidChannel::Id));
    }

    #[test]
    fn clients_of_the_gateway_are_one_place() {
        let [web, chat] = [Channel::new("web", "default").unwrap(), Channel::new("chat", "default").unwrap()];
        assert!(
            is_same_place(Some(&web), None) && is_same_place(None, None) && is_same_place(Some(&chat), Some(&chat))
        );
        assert!(!is_same_place(Some(&chat), None) && !is_same_place(Some(&web), Some(&chat)));
    }

    #[test]
    fn a_stored_channel_is_checked_too() {
        let channel = Channel::new("telegram", "12").unwrap();
        let stored = serde_json::to_string(&channel).unwrap();
        assert_eq!(stored, r#"{"kind":"telegram","id":"12"}"#);
        assert_eq!(serde_json::from_str::<Channel>(&stored).unwrap(), channel);
        assert!(serde_json::from_str::<Channel>(r#"{"kind":"","id":"12"}"#).is_err());
    }
}
