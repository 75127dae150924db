//! Gateway to client.

use portway_tagged::tagged;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::message::{AgentStatus, Choice, Message, MessageRole, Part};
use crate::models::ProviderModels;
use crate::requests::{DiffData, FileDiff, Review};
use crate::resuming::{HistoryData, ResumedData, ResumedSession};
use crate::tunnels::Tunnel;
use crate::workspaces::{FileChange, GitState};

/// A frame that the gateway sends to clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all_fields = "camelCase")]
pub enum ServerFrame {
    /// The whole state; replaces what the client had.
    #[serde(rename = "init")]
    Init {
        /// The session and its transcript.
        session: InitSession,
        /// What goes on at the moment.
        data: InitData,
        /// Which protocol follows; absent in the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protocol: Option<u32>,
    },
    /// Everything that changed while the client was away was told, and this is what goes on. Protocol 2.
    #[serde(rename = "resumed")]
    Resumed {
        /// The session.
        session: ResumedSession,
        /// What goes on at the moment.
        data: ResumedData,
    },
    /// Older messages, which the client asked for. Protocol 2.
    #[serde(rename = "history")]
    History {
        /// The page.
        data: HistoryData,
    },
    /// Asks the client to say that it has read so far. Protocol 2.
    #[serde(rename = "checkpoint")]
    Checkpoint {
        /// What to say in `ack`.
        checkpoint: u64,
    },
    /// The client has not acknowledged what was sent, and the socket is closed. Protocol 2.
    #[serde(rename = "lagging")]
    Lagging {
        /// Where to resume.
        resume_from: u64,
    },
    /// A new message.
    #[serde(rename = "message")]
    Message {
        /// The message.
        data: Message,
    },
    /// A message changed.
    #[serde(rename = "message.updated")]
    MessageUpdated {
        /// What it is now.
        data: MessageUpdate,
    },
    /// Messages are no part of the transcript any more.
    #[serde(rename = "messages.removed")]
    MessagesRemoved {
        /// Which ones.
        message_ids: Vec<String>,
    },
    /// More text of the message that is being written.
    #[serde(rename = "chunk")]
    Chunk {
        /// Which message.
        message_id: String,
        /// The new text.
        content: String,
        /// Index of the part that it belongs to.
        part: u32,
        /// Bytes of that part before this text.
        offset: u64,
    },
    /// More of what the agent thinks aloud. Older clients do not know this frame and would show the text as prose.
    #[serde(rename = "chunk.reasoning")]
    ReasoningChunk {
        /// Which message.
        message_id: String,
        /// The new text.
        content: String,
        /// Index of the part that it belongs to.
        part: u32,
        /// Bytes of that part before this text.
        offset: u64,
    },
    /// The agent asks.
    #[serde(rename = "question")]
    Question {
        /// Which question.
        question_id: String,
        /// What is asked.
        text: String,
        /// Labels of the choices; absent when any text will do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<Vec<String>>,
        /// The choices behind the labels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        choices: Option<Vec<Choice>>,
        /// When it is answered by itself, in whole seconds since the epoch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<i64>,
    },
    /// Something about the session changed.
    #[serde(rename = "status")]
    Status {
        /// What is known now.
        data: StatusData,
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
    /// Something failed. `error` and `message` say the same; clients read either.
    #[serde(rename = "error")]
    Error {
        /// The stored message of the failure, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
        /// What failed.
        error: String,
        /// The same text.
        message: String,
        /// A code out of the closed list, if the failure has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// Somebody opened the session.
    #[serde(rename = "user.joined")]
    UserJoined {
        /// Who.
        user_id: String,
        /// Everybody who has it open.
        connected_users: Vec<ConnectedUser>,
    },
    /// Somebody's last window was closed.
    #[serde(rename = "user.left")]
    UserLeft {
        /// Who.
        user_id: String,
        /// Everybody who has it open.
        connected_users: Vec<ConnectedUser>,
    },
    /// The session has another title.
    #[serde(rename = "title")]
    Title {
        /// The title.
        title: String,
    },
    /// The agent offers other models; these are all of them.
    #[serde(rename = "models")]
    Models {
        /// By provider.
        models: Vec<ProviderModels>,
    },
    /// The agent uses another model for a prompt than it was to. The message about it went before.
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
    /// The session opened another one.
    #[serde(rename = "child-session")]
    ChildSession {
        /// The other one.
        child_session_id: String,
        /// Its title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    /// These files of the workspace differ from where the session began, and no others.
    #[serde(rename = "files-changed")]
    FilesChanged {
        /// The files by path.
        files: Vec<FileChange>,
    },
    /// What git says of the workspace.
    #[serde(rename = "git-state")]
    GitState {
        /// What is known now.
        data: GitState,
    },
    /// A new entry of the audit log.
    #[serde(rename = "audit_log")]
    AuditLog {
        /// The entry.
        entry: AuditEntry,
    },
    /// The changes in the workspace, which somebody asked for.
    #[serde(rename = "diff")]
    Diff {
        /// The gateway's id of the request.
        request_id: String,
        /// The changes; without any file when they could not be found.
        data: DiffData,
        /// Why they could not be found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A review of the changes in the workspace, which somebody asked for: `data` or `error`.
    #[serde(rename = "review-result")]
    ReviewResult {
        /// The gateway's id of the request.
        request_id: String,
        /// The review.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Review>,
        /// What was reviewed, or was to be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff_files: Option<Vec<FileDiff>>,
        /// Why there is no review.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// What came of a command.
    #[serde(rename = "command-result")]
    CommandResult {
        /// The gateway's id of the request.
        request_id: String,
        /// The command.
        command: String,
        /// What came of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<serde_json::Value>,
        /// Why it was not carried out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// Something that the session's owner is to notice. Nobody else gets it, and it is not told again.
    #[serde(rename = "toast")]
    Toast {
        /// What it is about.
        title: String,
        /// More of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// How it is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<ToastVariant>,
        /// How long it is shown, in milliseconds; as long as the client likes, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration: Option<u64>,
    },
    /// Answer to `ping`.
    #[serde(rename = "pong")]
    Pong {},
    /// A type that this reader does not know.
    #[serde(other, rename = "unknown")]
    Unknown,
}

tagged!(ServerFrame, "type");

/// How a `toast` is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToastVariant {
    /// Good to know.
    Default,
    /// Something went well.
    Success,
    /// Something failed.
    Error,
    /// Somebody has to do something.
    Warning,
}

/// The session in an `init` frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitSession {
    /// Its id.
    pub id: String,
    /// Its lifecycle status.
    pub status: String,
    /// Its workspace.
    pub workspace: String,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The transcript, oldest first; only its end in protocol 2.
    pub messages: Vec<Message>,
    /// What to ask for the messages before these with; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Whether a runner is connected.
    pub runner_connected: bool,
    /// Change counter of the session that this state belongs to.
    #[serde(default)]
    pub seq: u64,
}

/// What goes on, in an `init` frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitData {
    /// Whether a sandbox exists.
    pub sandbox_running: bool,
    /// Whether its runner is connected.
    pub runner_connected: bool,
    /// Whether a turn is going on.
    pub runner_busy: bool,
    /// How many prompts wait.
    pub prompts_queued: usize,
    /// The prompts that wait, by their ids in the transcript, the next one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queue: Vec<String>,
    /// How many client sockets are open.
    pub connected_clients: usize,
    /// Who has the session open.
    pub connected_users: Vec<ConnectedUser>,
    /// The models that the agent offers; absent when it told none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_models: Option<Vec<ProviderModels>>,
    /// The newest entries of the audit log, oldest first.
    pub audit_log: Vec<AuditEntry>,
}

/// A changed message. Absent keys are unchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageUpdate {
    /// Which message.
    pub id: String,
    /// Who it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MessageRole>,
    /// All its text.
    pub content: String,
    /// All its parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<Part>>,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// What kind of thing happened.
    pub event_type: String,
    /// In words.
    pub summary: String,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// When, as RFC 3339.
    pub created_at: String,
    /// Its number in the session, in protocol 2: an entry that comes again has the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// Somebody who has the session open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectedUser {
    /// The user.
    pub id: String,
    /// The user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Where the user's picture is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// The body of a `status` frame: each frame fills the keys of one case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusData {
    /// The lifecycle status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Whether a sandbox exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_running: Option<bool>,
    /// Why the status is `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where the sandbox is reached from outside, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_urls: Option<BTreeMap<String, String>>,
    /// The ports of the sandbox that can be reached from outside, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnels: Option<Vec<Tunnel>>,
    /// Whether a runner is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_connected: Option<bool>,
    /// Whether a turn is going on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_busy: Option<bool>,
    /// The runner's connection was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_disconnected: Option<bool>,
    /// How many prompts wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_prompts: Option<usize>,
    /// The turn was aborted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborted: Option<bool>,
    /// A prompt was queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_queued: Option<bool>,
    /// Its place in the queue, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<usize>,
    /// A queued prompt was sent to the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_dequeued: Option<bool>,
    /// This prompt was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_withdrawn: Option<String>,
    /// How many prompts still wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<usize>,
    /// Whether prompts are collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collect_pending: Option<bool>,
    /// How many prompts are held back because more of them may come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collect_count: Option<usize>,
    /// The queue was emptied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_cleared: Option<bool>,
    /// How many prompts were dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleared: Option<usize>,
    /// This question was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_answered: Option<String>,
    /// With this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// This question is no longer open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_expired: Option<String>,
}
