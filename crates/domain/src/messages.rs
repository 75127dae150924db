//! The transcript of a session.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};

use crate::attachments::{Attachment, MAX_TRANSCRIPT_CHARS, MediaKind};
use crate::channels::Channel;
use crate::ids::{MessageId, SessionId, UserId};
use crate::text::keepable;
use crate::time::Timestamp;

/// Longest prompt, in characters.
pub const MAX_PROMPT_CHARS: usize = 100_000;

/// Stands between prompts that were collected, which go to the agent as one text.
pub const COLLECTED_SEPARATOR: &str = "\n\n---\n\n";

/// Most text that one message of an agent may have, over all its parts, in bytes; what comes after is dropped.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// Who a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// A person.
    User,
    /// The agent.
    Assistant,
    /// The gateway itself.
    System,
}

impl MessageRole {
    /// The role's name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Assistant, Self::System].into_iter().find(|role| role.as_str() == name)
    }
}

/// The user who wrote a message, as known when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The user.
    pub id: UserId,
    /// The user's address.
    pub email: String,
    /// The user's name.
    pub name: Option<String>,
    /// Where the user's picture is.
    pub avatar_url: Option<String>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id; unique within the session.
    pub id: MessageId,
    /// The session's change counter when it was last changed.
    pub seq: u64,
    /// Its place in the transcript: the change counter when it was made.
    pub position: u64,
    /// Who it is from.
    pub role: MessageRole,
    /// All its text.
    pub content: String,
    /// Its parts in order; empty for plain messages.
    pub parts: Vec<Part>,
    /// Who wrote it, if a person did.
    pub author: Option<Author>,
    /// Where it came from, or the prompt that it answers, if not from a client of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub enum Part {
    /// Prose.
    Text {
        /// The text.
        text: String,
    },
    /// Thinking aloud.
    Reasoning {
        /// The text.
        text: String,
    },
    /// A use of a tool.
    ToolCall(ToolCall),
    /// The agent's plan.
    Plan {
        /// Its steps in order.
        entries: Vec<PlanEntry>,
    },
    /// The end of the message.
    Finish {
        /// Why it ended.
        reason: FinishReason,
    },
    /// What went wrong.
    Error {
        /// In words.
        message: String,
    },
    /// The message was copied from another session.
    Forwarded(Provenance),
    /// What a message of the gateway is headed with.
    Label {
        /// Its title.
        title: String,
        /// The name of the picture beside it.
        avatar_key: String,
    },
    /// From here on the agent remembers nothing of what was said before.
    SessionBreak,
    /// A tunnel was closed.
    #[serde(rename = "tunnel.disabled")]
    TunnelClosed {
        /// Its name.
        name: String,
    },
    /// Something that goes with a prompt.
    Attachment(Attachment),
}

tagged!(Part, "type");

/// Where a copied message is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The session.
    pub session: SessionId,
    /// How people call it.
    pub title: String,
    /// Who the message was from.
    pub role: MessageRole,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A use of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The agent's id of the call.
    pub call_id: String,
    /// The tool, or what the agent calls the step.
    pub tool_name: String,
    /// How far it is.
    pub status: ToolStatus,
    /// What the tool was given.
    pub args: Option<serde_json::Value>,
    /// What came of it.
    pub result: Option<serde_json::Value>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How far a tool call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolStatus {
    /// Announced, not yet running.
    Pending,
    /// Running.
    Running,
    /// Ended well.
    Completed,
    /// Failed or refused.
    Error,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// What is to be done.
    pub content: String,
    /// `pending`, `in_progress` or `completed`.
    pub status: String,
    /// `high`, `medium` or `low`.
    pub priority: String,
}

/// Why a message of the agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The agent had said what it wanted to say.
    EndTurn,
    /// Something failed.
    Error,
    /// Somebody aborted the turn.
    Canceled,
}

/// Whether text is meant for the reader or is the agent's thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextKind {
    /// Prose.
    Text,
    /// Thinking aloud.
    Reasoning,
}

impl TextKind {
    /// The kind's name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Reasoning => "reasoning",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Text, Self::Reasoning].into_iter().find(|kind| kind.as_str() == name)
    }

    /// An empty part of this kind.
    #[must_use]
    pub fn part(self, text: String) -> Part {
        match self {
            Self::Text => Part::Text { text },
            Self::Reasoning => Part::Reasoning { text },
        }
    }
}

/// A piece of text of a message that is still being written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The message.
    pub message: MessageId,
    /// Index of the part that the text belongs to.
    pub part: u32,
    /// What kind of part that is.
    pub kind: TextKind,
    /// Bytes of that part before this text.
    pub offset: u64,
    /// The text.
    pub text: String,
}

/// What goes with a prompt, in order.
pub fn attachments(parts: &[Part]) -> impl Iterator<Item = &Attachment> {
    parts.iter().filter_map(|part| match part {
        Part::Attachment(attachment) => Some(attachment),
        _ => None,
    })
}

/// Writes down what is said in every sound of a prompt, as much as is kept of it. Answers whether that changes anything:
/// not where there is no sound, where it is known already, and where nothing is said.
pub fn transcribe(parts: &mut [Part], transcript: &str) -> bool {
    let transcript: String = keepable(transcript).chars().take(MAX_TRANSCRIPT_CHARS).collect();
    let mut is_news = false;
    for part in parts {
        let Part::Attachment(attachment) = part else { continue };
        let is_sound = attachment.media_type.kind() == MediaKind::Audio;
        if is_sound && !transcript.is_empty() && attachment.transcript.as_ref() != Some(&transcript) {
            attachment.transcript = Some(transcript.clone());
            is_news = true;
        }
    }
    is_news
}

/// The text that a reader sees: all prose, in order.
#[must_use]
pub fn prose(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachments::MediaType;

    fn attached(number: u32, media_type: &str) -> Part {
        Part::Attachment(Attachment::of(number, MediaType::parse(media_type).unwrap(), None, b"abc"))
    }

    fn transcripts(parts: &[Part]) -> Vec<Option<&str>> {
        attachments(parts).map(|attachment| attachment.transcript.as_deref()).collect()
    }

    #[test]
    fn sounds_are_transcribed_and_nothing_else() {
        let mut parts = vec![attached(1, "audio/ogg"), attached(2, "image/png"), attached(3, "audio/webm")];
        assert!(!transcribe(&mut parts, ""));
        assert!(transcribe(&mut parts, "Hel\0lo"));
        assert_eq!(transcripts(&parts), [Some("Hel\u{FFFD}lo"), None, Some("Hel\u{FFFD}lo")]);
        assert!(!transcribe(&mut parts, "Hel\0lo"), "it is known");
        assert!(transcribe(&mut parts, "Bye"));
        assert!(!transcribe(&mut [attached(1, "image/png"), Part::SessionBreak], "Bye"));
    }

    #[test]
    fn a_transcript_is_cut_between_characters() {
        let mut parts = vec![attached(1, "audio/ogg")];
        transcribe(&mut parts, &"é".repeat(MAX_TRANSCRIPT_CHARS + 1));
        assert_eq!(transcripts(&parts), [Some(&*"é".repeat(MAX_TRANSCRIPT_CHARS))]);
    }

    #[test]
    fn parts_without_a_transcript_are_written_as_ever() {
        let text = serde_json::to_string(&attached(1, "audio/ogg")).unwrap();
        assert!(!text.contains("transcript"), "{text}");
        assert_eq!(serde_json::from_str::<Part>(&text).unwrap(), attached(1, "audio/ogg"));
    }
}
