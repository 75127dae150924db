//! Client to gateway.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};

/// A frame that a client sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ClientFrame {
    /// Says something to the agent.
    Prompt {
        /// The text.
        #[serde(default)]
        content: String,
        /// What to do while the agent is busy; the session's mode if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue_mode: Option<QueueMode>,
        /// Which model to use.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// Images and sounds that go with the text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
        /// The kind of channel that it came from, such as `telegram`; only together with `channelId`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_type: Option<String>,
        /// The channel's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_id: Option<String>,
    },
    /// Answers a question.
    Answer {
        /// Which question.
        question_id: String,
        /// A choice's id or label, free text, or `true`/`false` for allow once/reject once.
        answer: AnswerValue,
    },
    /// Takes back a prompt that waits.
    Withdraw {
        /// The prompt's id in the transcript.
        message_id: String,
    },
    /// Lets a prompt that waits go next, and ends the turn for it.
    Promote {
        /// The prompt's id in the transcript.
        message_id: String,
    },
    /// Ends the turn and drops what is queued.
    Abort {
        /// The kind of the channel that is meant; everything if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_type: Option<String>,
        /// The channel's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_id: Option<String>,
    },
    /// Takes back a prompt and everything after it.
    Revert {
        /// The prompt's id in the transcript.
        #[serde(default)]
        message_id: String,
    },
    /// Asks for the changes in the workspace.
    Diff {},
    /// Asks for a review of the changes in the workspace.
    Review {},
    /// Passes a command such as `undo` to the agent.
    Command {
        /// Its name.
        #[serde(default)]
        command: String,
        /// What goes with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<String>,
        /// The kind of channel that it came from; only together with `channelId`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_type: Option<String>,
        /// The channel's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_id: Option<String>,
    },
    /// Keeps the connection alive.
    Ping {},
    /// Any other type; older clients have more of them.
    #[serde(other)]
    Unknown,
}

tagged!(ClientFrame, "type");

impl ClientFrame {
    /// Ends whatever goes on.
    pub const ABORT: Self = Self::Abort { channel_type: None, channel_id: None };
}

/// Something that goes with a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its media type.
    pub mime: String,
    /// Its content, as a `data:` URL in base64.
    pub url: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

/// What to do with a prompt while the agent is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueMode {
    /// Wait for the end of the turn.
    Followup,
    /// Abort the turn and go next.
    Steer,
    /// Gather for a moment, then go as one prompt.
    Collect,
}

/// The value of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AnswerValue {
    /// Allow once, or reject once.
    Flag(bool),
    /// A choice's id, its label, or free text.
    Text(String),
}
