//! The transcript as clients see it.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};

/// Who a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// A person.
    User,
    /// The agent.
    Assistant,
    /// The gateway itself.
    System,
}

/// One message of the transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id. A user's message has the id of the prompt that it was.
    pub id: String,
    /// Who it is from.
    pub role: MessageRole,
    /// All its text.
    pub content: String,
    /// Its parts in order; absent on plain messages. A label or a screenshot stands
    /// alone, and as an object instead of a list.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::parts")]
    pub parts: Option<Vec<Part>>,
    /// The user who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_id: Option<String>,
    /// That user's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_email: Option<String>,
    /// That user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_name: Option<String>,
    /// Where that user's picture is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_avatar_url: Option<String>,
    /// The kind of channel that it came from, or the prompt that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_type: Option<String>,
    /// The channel's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    /// When it was made, in whole seconds since the epoch.
    pub created_at: i64,
    /// Its place in the transcript, in protocol 2: a higher number than that of the message before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

impl Message {
    /// Whether it will not get any longer: only the agent writes its messages bit by bit.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.role != MessageRole::Assistant || self.parts.iter().flatten().any(Part::is_end)
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Part {
    /// Prose.
    Text {
        /// The text so far.
        text: String,
        /// Whether more is coming.
        #[serde(default, skip_serializing_if = "is_false")]
        streaming: bool,
    },
    /// What the agent thinks aloud.
    Reasoning {
        /// The text so far.
        text: String,
        /// Whether more is coming.
        #[serde(default, skip_serializing_if = "is_false")]
        streaming: bool,
    },
    /// A use of a tool.
    ToolCall {
        /// The agent's id of the call.
        call_id: String,
        /// The tool, or what the agent calls the step.
        tool_name: String,
        /// How far it is.
        status: ToolStatus,
        /// What the tool was given.
        #[serde(skip_serializing_if = "Option::is_none")]
        args: Option<serde_json::Value>,
        /// What came of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<serde_json::Value>,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
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
    Forwarded {
        /// The session.
        source_session_id: String,
        /// How people call it.
        source_session_title: String,
        /// Who the message was from.
        original_role: MessageRole,
        /// When it was made, in whole seconds since the epoch.
        original_created_at: i64,
    },
    /// What a message of the gateway is headed with.
    Label {
        /// Its title.
        system_title: String,
        /// The name of the picture beside it.
        system_avatar_key: String,
    },
    /// From here on the agent remembers nothing of what was said before.
    SessionBreak {},
    /// A tunnel was closed.
    #[serde(rename = "tunnel.disabled")]
    TunnelClosed {
        /// Its name.
        name: String,
    },
    /// A picture that goes with a prompt.
    Image(Attached),
    /// A sound that goes with a prompt.
    Audio(Attached),
    /// Anything else that goes with a prompt.
    File(Attached),
    /// A picture of what the agent sees.
    Screenshot(Attached),
}

tagged!(Part, "type");

impl Part {
    /// Whether nothing more comes of the message that it is in. What was copied is whole.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Finish { .. } | Self::Forwarded { .. })
    }
}

/// Something that goes with a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attached {
    /// Its id within the session.
    #[serde(default)]
    pub id: String,
    /// Its content in base64, if it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Its media type.
    pub mime_type: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// How many bytes it has.
    #[serde(default)]
    pub size: u64,
    /// The path that answers with its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What is said in it, if it is a sound and somebody wrote that down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}

/// How far a tool call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(rename_all = "camelCase")]
pub struct PlanEntry {
    /// What is to be done.
    pub content: String,
    /// `pending`, `in_progress` or `completed`.
    pub status: String,
    /// `high`, `medium` or `low`.
    pub priority: String,
}

/// Why a message of the agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The agent had said what it wanted to say.
    EndTurn,
    /// Something failed.
    Error,
    /// Somebody aborted the turn.
    Canceled,
}

/// What the agent does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// Nothing; the end of a turn for clients.
    Idle,
    /// It works, without output so far.
    Thinking,
    /// It runs a tool.
    ToolCalling,
    /// It writes.
    Streaming,
    /// Its last turn failed.
    Error,
    /// A prompt waits for it.
    Queued,
}

/// One of the answers that a question offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The agent's id of the choice.
    pub id: String,
    /// What a person reads; unique within the question.
    pub label: String,
    /// What choosing it means.
    pub kind: ChoiceKind,
}

/// What a choice means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceKind {
    /// Do it, this time.
    AllowOnce,
    /// Do it, now and later.
    AllowAlways,
    /// Do not do it, this time.
    RejectOnce,
    /// Do not do it, now and later.
    RejectAlways,
    /// An answer that neither allows nor refuses anything.
    #[serde(other)]
    Other,
}
