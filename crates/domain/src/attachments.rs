//! What goes with a prompt besides its text.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::checked;
use crate::ids::{MessageId, SessionId};

/// Most attachments of one prompt.
pub const MAX_ATTACHMENTS: usize = 8;

/// Longest encoded attachment, in characters: base64 and whatever stands before it.
pub const MAX_ENCODED_CHARS: usize = 12_000_000;

/// Longest encoded attachments of one prompt together, in characters.
pub const MAX_ENCODED_CHARS_TOGETHER: usize = 25_000_000;

/// Largest attachment in bytes: what base64 of [`MAX_ENCODED_CHARS`] stands for.
pub const MAX_ATTACHMENT_BYTES: u64 = 9_000_000;

/// Most bytes of the attachments of one prompt together.
pub const MAX_BYTES_TOGETHER: u64 = 18_750_000;

/// Longest name of an attachment, in characters.
pub const MAX_NAME_CHARS: usize = 255;

/// Longest text of what is said in a sound, in characters; what comes after is dropped.
pub const MAX_TRANSCRIPT_CHARS: usize = 20_000;

/// Longest media type, in bytes.
const MAX_MEDIA_TYPE_BYTES: usize = 100;

/// The folder of the object store that everything of this kind is in.
pub const OBJECTS: &str = "sessions";

/// The text is no media type that agents are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected image/*, audio/*, text/*, application/pdf or application/json")]
pub struct UnknownMediaType;

/// A media type that agents are given, in small letters and without parameters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MediaType(Box<str>);

/// What kind of content a media type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// To look at.
    Image,
    /// To listen to.
    Audio,
    /// Text of any kind.
    Text,
    /// A document that only programs can read.
    Document,
}

impl MediaType {
    /// Reads a media type; parameters are left out.
    ///
    /// # Errors
    /// [`UnknownMediaType`] when it is none, or none that agents are given.
    pub fn parse(text: &str) -> Result<Self, UnknownMediaType> {
        let essence = text.split_once(';').map_or(text, |(essence, _)| essence).trim().to_ascii_lowercase();
        let token = |part: &str| {
            let harmless = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
            !part.is_empty() && part.bytes().all(harmless)
        };
        let (kind, name) = essence.split_once('/').ok_or(UnknownMediaType)?;
        let known = match kind {
            "image" | "audio" | "text" => true,
            "application" => matches!(name, "pdf" | "json"),
            _ => false,
        };
        if known && token(name) && essence.len() <= MAX_MEDIA_TYPE_BYTES {
            Ok(Self(essence.into_boxed_str()))
        } else {
            Err(UnknownMediaType)
        }
    }

    /// The media type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What kind of content it is.
    #[must_use]
    pub fn kind(&self) -> MediaKind {
        match self.0.split_once('/') {
            Some(("image", _)) => MediaKind::Image,
            Some(("audio", _)) => MediaKind::Audio,
            Some(("text", _) | ("application", "json")) => MediaKind::Text,
            _ => MediaKind::Document,
        }
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.0.into_string()
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        checked::deserialize(deserializer, Self::parse)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaType({})", self.0)
    }
}

/// Something that goes with a prompt; its bytes are in the object store, under [`AttachmentId::object_key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its number among those of the prompt, from 1.
    pub number: u32,
    /// What it is.
    pub media_type: MediaType,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How many bytes it has.
    pub size: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What is said in it, once somebody wrote that down; only a part of a message has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
}

impl Attachment {
    /// What there is to know about an attachment with these bytes.
    #[must_use]
    pub fn of(number: u32, media_type: MediaType, name: Option<String>, content: &[u8]) -> Self {
        let sha256 = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        Self { number, media_type, name, size, sha256, transcript: None }
    }
}

/// Names an attachment within its session: the message and the number in it, as `{message}.{number}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentId {
    /// The prompt's message.
    pub message: MessageId,
    /// The number among those of the prompt.
    pub number: u32,
}

impl AttachmentId {
    /// Reads an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (message, number) = text.rsplit_once('.')?;
        let id = Self { message: MessageId::parse(message).ok()?, number: number.parse().ok()? };
        (id.to_string() == text).then_some(id)
    }

    /// The name of its bytes in the object store.
    #[must_use]
    pub fn object_key(&self, session: &SessionId) -> String {
        format!("{OBJECTS}/{session}/attachments/{self}")
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.message, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_those_that_agents_are_given() {
        for (text, kind) in [
            ("image/png", MediaKind::Image),
            ("IMAGE/SVG+XML", MediaKind::Image),
            ("audio/webm;codecs=opus", MediaKind::Audio),
            ("text/plain; charset=utf-8", MediaKind::Text),
            ("application/json", MediaKind::Text),
            ("application/pdf", MediaKind::Document),
        ] {
            let media_type = MediaType::parse(text).unwrap();
            assert_eq!(media_type.kind(), kind, "{text}");
            assert!(!media_type.as_str().contains([';', ' ']), "{media_type}");
        }
        for text in
            ["", "image", "image/", "/png", "application/zip", "video/mp4", "image/a b", "image/a\r\nx", "image/ü"]
        {
            assert_eq!(MediaType::parse(text), Err(UnknownMediaType), "{text}");
        }
        assert!(MediaType::parse(&format!("image/{}", "x".repeat(100))).is_err());
    }

    #[test]
    fn an_attachment_knows_its_bytes() {
        let attachment = Attachment::of(2, MediaType::parse("text/plain").unwrap(), None, b"abc");
        assert_eq!(attachment.size, 3);
        assert_eq!(attachment.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn an_id_names_message_and_number() {
        let id = AttachmentId::parse("m.1.12").unwrap();
        assert_eq!((id.message.as_str(), id.number), ("m.1", 12));
        assert_eq!(id.to_string(), "m.1.12");
        assert_eq!(id.object_key(&SessionId::parse("s").unwrap()), "sessions/s/attachments/m.1.12");
        for text in ["", "m", "m.", ".1", "m.x", "m.01", "m.+1", "m/1.1"] {
            assert_eq!(AttachmentId::parse(text), None, "{text}");
        }
    }
}
