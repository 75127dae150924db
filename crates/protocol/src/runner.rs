//! Between the gateway and a runner.
//!
//! A connection begins with the runner's [`FromRunner::Hello`], which the gateway answers with [`ToRunner::Welcome`].
//! From then on both directions are reliable:
//!
//! * *Events* of the runner are numbered from 1 within its generation. The gateway answers `ack{frame}` once
//!   everything up to that number is durable. The runner keeps what is not acknowledged and sends it again, in order,
//!   after every `welcome` (from `lastFrame + 1`). The gateway drops what it has seen.
//! * *Commands* of the gateway are numbered from 1 within the generation. The runner answers `ack{command}` when it
//!   has taken the command over, and drops the ones it has seen. The gateway sends unacknowledged ones again after
//!   every `hello`. A command that was acknowledged is never sent again.
//!
//! The runner mints ids from the prompt's: messages are `{prompt}.{n}` and questions `{prompt}.q{n}`, where `n` counts
//! up from 1 within the turn. Whatever does not keep to this is counted as seen and otherwise ignored, so a runner
//! cannot touch what is finished.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};

use crate::message::{AgentStatus, Choice, FinishReason, PlanEntry, ToolStatus};
use crate::models::ProviderModels;
use crate::requests::{RunnerRequest, RunnerResponse};
use crate::tunnels::{Tunnel, readable};
use crate::workspaces::{FileChange, GitState};

/// A frame that a runner sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromRunner {
    /// First frame of every connection.
    Hello(Hello),
    /// Something happened.
    Event {
        /// Its number within the generation, from 1, without gaps.
        frame: u64,
        /// What happened.
        event: RunnerEvent,
    },
    /// The command of that number, and all before it, were taken over.
    Ack {
        /// The number.
        command: u64,
    },
    /// What came of a request. Not numbered, and never sent again: over another connection nobody waits for it.
    Response {
        /// Which request.
        request_id: String,
        /// What came of it.
        body: RunnerResponse,
    },
    /// Keeps the connection alive.
    Ping {},
    /// A type that this reader does not know.
    #[serde(other)]
    Unknown,
}

tagged!(FromRunner, "type");

/// How a runner introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Protocol version of the runner.
    pub protocol: u32,
    /// The generation that it was started as.
    pub generation: u32,
    /// The last command that it took over; 0 if none.
    pub last_command: u64,
    /// The last event that it numbered; 0 if none.
    pub last_frame: u64,
    /// The prompt that it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<String>,
    /// Questions that wait for an answer.
    #[serde(default)]
    pub open_questions: Vec<String>,
}

/// A frame that the gateway sends to a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToRunner {
    /// The hello was accepted.
    Welcome {
        /// Protocol version that is spoken from now on.
        protocol: u32,
        /// Everything up to this event is durable: go on after it.
        last_frame: u64,
    },
    /// Something is to be done.
    Command {
        /// Its number within the generation, from 1, without gaps.
        command: u64,
        /// What is to be done.
        body: RunnerCommand,
    },
    /// Somebody wants to know something, and waits. Not numbered, and never sent again.
    Request {
        /// Its id, for the answer.
        request_id: String,
        /// What is wanted.
        body: RunnerRequest,
    },
    /// Everything up to this event is durable.
    Ack {
        /// The number.
        frame: u64,
    },
    /// The session is over or its sandbox is to go: end the agent and exit. Not numbered.
    Stop {},
    /// Answer to `ping`.
    Pong {},
    /// A type that this reader does not know.
    #[serde(other)]
    Unknown,
}

tagged!(ToRunner, "type");

/// What happened in a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all_fields = "camelCase")]
pub enum RunnerEvent {
    /// The agent is up and takes prompts. Sent once for every start of the agent process.
    #[serde(rename = "ready")]
    Ready {
        /// The agent's own name of the conversation, for loading it again later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_session_id: Option<String>,
    },
    /// The agent cannot be started; the session fails.
    #[serde(rename = "failed")]
    Failed {
        /// What is wrong and what to do about it.
        error: String,
    },
    /// A message of the agent begins.
    #[serde(rename = "message.create")]
    MessageCreate {
        /// Id of the message; minted by the runner, unique within the session.
        turn_id: String,
    },
    /// More prose.
    #[serde(rename = "message.part.text-delta")]
    TextDelta {
        /// Which message.
        turn_id: String,
        /// The new text.
        delta: String,
    },
    /// More thinking aloud.
    #[serde(rename = "message.part.reasoning-delta")]
    ReasoningDelta {
        /// Which message.
        turn_id: String,
        /// The new text.
        delta: String,
    },
    /// A tool call began or changed. Keys that are absent are unchanged.
    #[serde(rename = "message.part.tool-update")]
    ToolUpdate {
        /// Which message; the open one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn_id: Option<String>,
        /// The agent's id of the call.
        call_id: String,
        /// The tool, or what the agent calls the step.
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
    /// The agent's plan, whole.
    #[serde(rename = "message.part.plan")]
    Plan {
        /// Which message.
        turn_id: String,
        /// Its steps in order.
        entries: Vec<PlanEntry>,
    },
    /// A message of the agent ended.
    #[serde(rename = "message.finalize")]
    MessageFinalize {
        /// Which message; the open one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn_id: Option<String>,
        /// Why it ended.
        reason: FinishReason,
        /// What failed, if something did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The agent asks.
    #[serde(rename = "question")]
    Question {
        /// Id of the question; minted by the runner, unique within the session.
        question_id: String,
        /// What is asked.
        text: String,
        /// The answers to choose from; empty when any text will do.
        #[serde(default)]
        choices: Vec<Choice>,
    },
    /// The agent no longer waits for an answer to this question.
    #[serde(rename = "question.closed")]
    QuestionClosed {
        /// Which question.
        question_id: String,
    },
    /// What the agent does.
    #[serde(rename = "agentStatus")]
    AgentStatus {
        /// The state.
        status: AgentStatus,
        /// For example the tool's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The models that the agent offers, all of them. Sent when it is up and when they change, if there are any.
    #[serde(rename = "models")]
    Models {
        /// By provider.
        models: Vec<ProviderModels>,
    },
    /// The turn of that prompt goes on with another model than it was to.
    #[serde(rename = "model-switched")]
    ModelSwitched {
        /// The prompt.
        message_id: String,
        /// The model that it was to use.
        from_model: String,
        /// The one that it uses.
        to_model: String,
        /// Why.
        reason: String,
    },
    /// Something failed in the turn; `complete` follows.
    #[serde(rename = "error")]
    Error {
        /// What failed.
        error: String,
    },
    /// The turn of that prompt ended; the next prompt may come.
    #[serde(rename = "complete")]
    Complete {
        /// The prompt.
        message_id: String,
    },
    /// The turn of that prompt ended because it was aborted; the next prompt may come.
    #[serde(rename = "aborted")]
    Aborted {
        /// The prompt.
        message_id: String,
    },
    /// These files of the workspace differ from where the session began, and no others.
    #[serde(rename = "files-changed")]
    FilesChanged {
        /// The files.
        files: Vec<FileChange>,
    },
    /// What git says of the workspace.
    #[serde(rename = "git-state")]
    GitState(GitState),
    /// These ports of the sandbox can be reached from outside, and no others.
    #[serde(rename = "tunnels")]
    Tunnels {
        /// The ports.
        #[serde(default, deserialize_with = "readable")]
        tunnels: Vec<Tunnel>,
    },
    /// A new conversation of the agent begins, which knows nothing of the one before. `ready` with its name comes first.
    #[serde(rename = "session-reset")]
    SessionReset {},
    /// A type that this reader does not know.
    #[serde(other, rename = "unknown")]
    Unknown,
}

tagged!(RunnerEvent, "type");

/// What a runner is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RunnerCommand {
    /// Begin a turn.
    Prompt {
        /// Id of the prompt and of the user's message.
        message_id: String,
        /// The text; may be blank when something is attached.
        content: String,
        /// Which model to use.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// Which ones to use else, best first: the first one that the agent has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        model_preferences: Vec<String>,
        /// What goes with the text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<PromptAttachment>,
    },
    /// Pass an answer to the agent.
    Answer {
        /// Which question.
        question_id: String,
        /// What was answered.
        answer: Answer,
    },
    /// End the turn of that prompt.
    Abort {
        /// The prompt.
        message_id: String,
    },
    /// A type that this reader does not know; it is acknowledged and dropped.
    #[serde(other)]
    Unknown,
}

tagged!(RunnerCommand, "type");

/// Something that goes with a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptAttachment {
    /// Its media type.
    pub mime: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// How many bytes it has.
    #[serde(default)]
    pub size: u64,
    /// Its content, as a `data:` URL in base64; absent where the gateway cannot give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What was answered to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub enum Answer {
    /// One of the choices.
    Selected {
        /// Its id.
        choice: String,
    },
    /// Free text.
    Text {
        /// The text.
        text: String,
    },
    /// Nobody answers: the question is withdrawn.
    Cancelled {},
}

tagged!(Answer, "type");
