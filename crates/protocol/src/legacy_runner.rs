//! Between the gateway and a runner that does not begin with `hello`: that of earlier gateways of this family.
//!
//! Its frames are flat and have no numbers, and nobody acknowledges anything. The runner works on one prompt at a time,
//! so everything that it says about a turn is about the prompt that it was given last. It makes the ids of messages and
//! questions itself.
//!
//! [`read`] reads whatever such a runner sends, leniently: types and keys that nobody knows are ignored, and a key without
//! a value may be absent or `null`.

mod requests;

use portway_tagged::tagged;
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::requests::{RequestBody, RequestName, RequestOutcome, RequestResult};

use crate::client::AnswerValue;
use crate::message::{AgentStatus, FinishReason, ToolStatus};
use crate::models::ProviderModels;
use crate::requests::{DiffData, FileDiff};
use crate::tunnels::{Tunnel, readable};
use crate::workspaces::{FileChange, GitState};

/// The answer to a question that nobody answered.
pub const EXPIRED_ANSWER: &str = "__expired__";

/// How a runner calls the conversation with the agent that belongs to no channel.
pub const WEB_CHANNEL: &str = "web:default";

/// A frame that such a runner sends and expects no answer to. Those without fields are read and have no effect today.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum FromLegacyRunner {
    /// A message of the agent begins.
    #[serde(rename = "message.create")]
    MessageCreate {
        /// What the runner calls the message.
        turn_id: String,
        /// The kind of channel that its prompt came from; `web` for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_type: Option<String>,
        /// The channel's name; `default` for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_id: Option<String>,
        /// The agent's own name of the conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opencode_session_id: Option<String>,
    },
    /// More text.
    #[serde(rename = "message.part.text-delta")]
    TextDelta {
        /// Which message.
        turn_id: String,
        /// The new text.
        delta: String,
    },
    /// A tool call began or changed.
    #[serde(rename = "message.part.tool-update")]
    ToolUpdate {
        /// Which message; the open one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn_id: Option<String>,
        /// The agent's id of the call.
        call_id: String,
        /// The tool.
        tool_name: String,
        /// How far it is.
        status: ToolStatus,
        /// What the tool was given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<serde_json::Value>,
        /// What came of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<serde_json::Value>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A message ended.
    #[serde(rename = "message.finalize")]
    MessageFinalize {
        /// Which message; the open one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn_id: Option<String>,
        /// Why it ended.
        reason: FinishReason,
        /// The text after the last tool call, whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        final_text: Option<String>,
        /// What failed, if something did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The turn ended; the next prompt may come.
    Complete {},
    /// The turn ended because it was aborted; the next prompt may come.
    Aborted {},
    /// What the agent does.
    #[serde(rename = "agentStatus")]
    AgentStatus {
        /// The state.
        status: AgentStatus,
        /// For example the tool's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Something failed in the turn; `complete` follows.
    Error {
        /// What failed.
        error: String,
    },
    /// The agent asks.
    Question {
        /// What the runner calls the question.
        question_id: String,
        /// What is asked.
        text: String,
        /// The answers to choose from; absent when any text will do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<Vec<String>>,
    },
    /// The agent has a conversation for a channel.
    ChannelSessionCreated {
        /// The channel's type and id with a colon between them.
        channel_key: String,
        /// The agent's own name of the conversation.
        opencode_session_id: String,
    },
    /// The configuration was taken over, or could not be.
    OpencodeConfigApplied {
        /// Whether it was.
        success: bool,
        /// Whether the agent was started anew for it.
        #[serde(default)]
        restarted: bool,
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The session has another title.
    Title {
        /// The title.
        title: String,
    },
    /// The session is to end.
    SelfTerminate {},
    /// The first frame of protocol 2: the sender was taken for somebody else.
    Hello {},
    /// Keeps the connection alive.
    Ping {},
    /// The models that the agent offers.
    Models {
        /// By provider.
        models: Vec<ProviderModels>,
    },
    /// The agent goes on with another model.
    ModelSwitched {
        /// The one that failed.
        from_model: String,
        /// The next one.
        to_model: String,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// A picture of the agent's desktop.
    Screenshot {
        /// The picture in base64.
        data: String,
        /// What is to be seen.
        #[serde(default)]
        description: Option<String>,
    },
    /// What is said in the sounds of a prompt.
    AudioTranscript {
        /// The prompt.
        message_id: String,
        /// What is said.
        transcript: String,
    },
    /// A session was opened for a part of the work.
    ChildSession {},
    /// Somebody said something in a workflow.
    WorkflowChatMessage {},
    /// What came of a workflow.
    WorkflowExecutionResult {},
    /// What git knows of the workspace.
    GitState(GitState),
    /// A pull request was opened.
    PrCreated {},
    /// The files that differ from the beginning.
    FilesChanged {
        /// The files.
        files: Vec<FileChange>,
    },
    /// The ports of the sandbox that can be reached.
    Tunnels {
        /// All of them.
        #[serde(default, deserialize_with = "readable")]
        tunnels: Vec<Tunnel>,
    },
    /// A channel got a new conversation.
    SessionReset {
        /// Id of the request, if it was one of the gateway's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    /// The agent was taken back to before these prompts.
    Reverted {
        /// The prompts.
        #[serde(default)]
        message_ids: Vec<String>,
    },
    /// The changes in the workspace.
    Diff {
        /// Id of the gateway's request.
        request_id: String,
        /// The changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<DiffData>,
    },
    /// What a review of the changes found.
    ReviewResult {
        /// Id of the gateway's request.
        request_id: String,
        /// The review; whoever is asked for one may not keep to its shape.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<serde_json::Value>,
        /// What was reviewed, or was to be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff_files: Option<Vec<FileDiff>>,
        /// Why there is no review.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// What came of a command.
    CommandResult {
        /// Id of the gateway's request.
        request_id: String,
        /// What came of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<serde_json::Value>,
        /// Why it was not carried out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A type that this reader does not know.
    #[serde(other)]
    Unknown,
}

tagged!(FromLegacyRunner, "type");

/// A frame that the gateway sends to such a runner; results of requests are [`RequestResult`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ToLegacyRunner {
    /// The connection was accepted.
    Init {},
    /// How the agent is to be set up. The runner gives up what it works on and starts the agent anew if it differs.
    OpencodeConfig {
        /// The configuration.
        config: OpencodeConfig,
    },
    /// Begin a turn.
    Prompt(Box<LegacyPrompt>),
    /// Pass an answer to the agent.
    Answer {
        /// What the runner calls the question.
        question_id: String,
        /// The answer; [`EXPIRED_ANSWER`] when nobody gave one.
        answer: AnswerValue,
    },
    /// Tell the changes in the workspace.
    Diff {
        /// Id of the request, for the answer.
        request_id: String,
    },
    /// Review the changes in the workspace.
    Review {
        /// Id of the request, for the answer.
        request_id: String,
    },
    /// Have the agent carry out a command of its own.
    OpencodeCommand {
        /// Its name.
        command: String,
        /// What goes with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<String>,
        /// Id of the request, for the answer.
        request_id: String,
    },
    /// Begin a new conversation of a channel.
    NewSession {
        /// The kind of channel.
        channel_type: String,
        /// The channel's name.
        channel_id: String,
        /// Id of the request, for the answer.
        request_id: String,
    },
    /// Go back to before a prompt.
    Revert {
        /// The prompt.
        message_id: String,
    },
    /// Close a tunnel. The runner answers with a list of `tunnels` without it.
    TunnelDelete {
        /// Its name.
        name: String,
        /// Who wants that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actor_id: Option<String>,
        /// That user's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actor_name: Option<String>,
        /// That user's address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actor_email: Option<String>,
    },
    /// End the turn.
    Abort {
        /// The kind of the channel whose turn it is; those of all channels if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_type: Option<String>,
        /// The channel's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_id: Option<String>,
    },
    /// End the agent and exit.
    Stop {},
    /// Answer to `ping`.
    Pong {},
    /// A frame cannot be used.
    Error {
        /// Why not.
        error: String,
        /// The same text.
        message: String,
    },
    /// A type that this reader does not know.
    #[serde(other)]
    Unknown,
}

tagged!(ToLegacyRunner, "type");

/// A prompt as such a runner takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyPrompt {
    /// Id of the prompt and of the user's message.
    pub message_id: String,
    /// The text.
    pub content: String,
    /// Which model to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Models to use instead, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_preferences: Vec<String>,
    /// What goes with the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<LegacyAttachment>,
    /// The kind of channel that it came from; only together with `channelId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_type: Option<String>,
    /// The channel's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    /// The conversation to go on with, by the agent's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opencode_session_id: Option<String>,
    /// Who said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_id: Option<String>,
    /// That user's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_email: Option<String>,
    /// That user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_name: Option<String>,
    /// Name to commit under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_name: Option<String>,
    /// Address to commit under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_email: Option<String>,
}

/// Something that goes with a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "file")]
pub struct LegacyAttachment {
    /// Its media type.
    pub mime: String,
    /// Its content, as a `data:` URL in base64.
    pub url: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
}

/// How the agent beside such a runner is to be set up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpencodeConfig {
    /// Tools that are switched on or off.
    pub tools: BTreeMap<String, bool>,
    /// Keys of model providers.
    pub provider_keys: BTreeMap<String, String>,
    /// Always empty.
    pub instructions: Vec<String>,
    /// Whether the session looks after others.
    pub is_orchestrator: bool,
}

/// What such a runner sent.
#[derive(Debug)]
pub enum Received {
    /// A frame without an answer.
    Frame(FromLegacyRunner),
    /// A request.
    Request {
        /// Which one.
        name: RequestName,
        /// The runner's id of it.
        id: String,
        /// Its fields, if they can be used.
        body: Result<RequestBody, serde_json::Error>,
    },
}

/// The keys that say what a frame is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    request_id: Option<serde_json::Value>,
}

/// Reads a frame.
///
/// # Errors
/// When it is not JSON, has no `type`, or lacks what its type needs.
pub fn read(text: &str) -> Result<Received, serde_json::Error> {
    let head: Head<'_> = serde_json::from_str(text)?;
    match (RequestName::from_type(&head.r#type), head.request_id) {
        (Some(name), Some(serde_json::Value::String(id))) => {
            Ok(Received::Request { name, id, body: serde_json::from_str(text) })
        }
        (Some(_), _) => Err(serde::de::Error::missing_field("requestId")),
        (None, _) => serde_json::from_str(text).map(Received::Frame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> FromLegacyRunner {
        match read(text).unwrap() {
            Received::Frame(frame) => frame,
            Received::Request { .. } => panic!("{text} is no request"),
        }
    }

    #[test]
    fn frames_are_read_leniently() {
        let update = r#"{"type":"message.part.tool-update","turnId":null,"callId":"c","toolName":"bash","status":"running","novel":1}"#;
        let FromLegacyRunner::ToolUpdate { turn_id: None, args: None, .. } = frame(update) else {
            panic!("null is as good as absent");
        };
        assert_eq!(frame(r#"{"type":"novel","x":{}}"#), FromLegacyRunner::Unknown);
        assert_eq!(frame(r#"{"type":"complete","messageId":"p"}"#), FromLegacyRunner::Complete {});
        let models = r#"{"type":"models","models":[{"provider":"p","models":[]}]}"#;
        let provider = ProviderModels { provider: "p".to_owned(), models: Vec::new() };
        assert_eq!(frame(models), FromLegacyRunner::Models { models: vec![provider] });
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bad in ["", "{", "[]", "1", "{}", r#"{"type":1}"#, r#"{"type":"question"}"#, r#"{"type":"memory-read"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_whose_fields_are_wrong_still_has_an_id() {
        let Received::Request { name, id, body } =
            read(r#"{"type":"memory-write","requestId":"r","content":1}"#).unwrap()
        else {
            panic!("it is a request");
        };
        assert_eq!((name.as_str(), id.as_str()), ("memory-write", "r"));
        assert!(body.is_err());
    }
}
