//! What follows from an event.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};

use crate::children::ChildEvent;
use crate::ids::{AuditId, MessageId, NodeId, QuestionId, SandboxId, SessionId, UserId};
use crate::messages::{Message, Part, Segment};
use crate::models::{AvailableModels, ModelSwitch};
use crate::questions::{Question, Resolution};
use crate::sessions::SessionStatus;
use crate::sharing::Participant;
use crate::time::Timestamp;
use crate::tunnels::{Exposure, SandboxUrls};
use crate::workspaces::{ChangedFiles, GitReport};

/// Everything that follows from one event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// Rows to write with the new state, in order.
    pub changes: Vec<Change>,
    /// Hints for those who watch the session, in order.
    pub notices: Vec<Notice>,
    /// Hints for those who watch everything of theirs.
    pub bus: Vec<BusEvent>,
}

impl Effects {
    /// Adds what followed from a later event.
    pub fn append(&mut self, mut later: Self) {
        self.changes.append(&mut later.changes);
        self.notices.append(&mut later.notices);
        self.bus.append(&mut later.bus);
    }
}

/// A durable effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new message.
    MessageAdded(Message),
    /// A message is no part of the transcript any more.
    MessageRemoved {
        /// Which one.
        id: MessageId,
        /// The session's change counter.
        seq: u64,
    },
    /// The messages of these places are no part of the transcript any more.
    MessagesRemoved {
        /// The first place.
        first: u64,
        /// The last place.
        last: u64,
        /// The session's change counter.
        seq: u64,
    },
    /// More text of the open message.
    TextAppended(Segment),
    /// A tool call or plan of the open message began or changed.
    PartSet {
        /// The message.
        message: MessageId,
        /// Index of the part.
        index: u32,
        /// The part.
        part: Part,
        /// The session's change counter.
        seq: u64,
    },
    /// A message that nobody writes any more has other parts. Without effect once it is no part of the transcript.
    PartsReplaced {
        /// The message.
        message: MessageId,
        /// All its parts.
        parts: Vec<Part>,
        /// The session's change counter.
        seq: u64,
    },
    /// The open message is finished; this is all of it.
    MessageFinished(Message),
    /// The agent asked.
    QuestionAsked {
        /// The question.
        question: Question,
        /// The session's change counter.
        seq: u64,
    },
    /// A question is no longer open.
    QuestionClosed {
        /// Which one.
        id: QuestionId,
        /// What the agent is told.
        resolution: Resolution,
        /// Whether nobody answered in time, or nobody was asked any more.
        expired: bool,
        /// The session's change counter.
        seq: u64,
    },
    /// A command for the runner.
    CommandGiven {
        /// The runner's generation.
        generation: u32,
        /// Its number.
        number: u64,
        /// What is to be done.
        command: Command,
    },
    /// The runner took over all commands up to this number: they are never sent again.
    CommandsTaken {
        /// The runner's generation.
        generation: u32,
        /// The number.
        number: u64,
    },
    /// A sandbox is to be started.
    SandboxOrdered {
        /// Its generation.
        generation: u32,
        /// Where the one before it was, if there was one: it goes there if that node is still there.
        node: Option<NodeId>,
    },
    /// A sandbox is to be put away, so that a later one goes on with its files.
    SandboxHibernated {
        /// Its generation.
        generation: u32,
        /// Where it is, if any node took it on.
        node: Option<NodeId>,
        /// How its backend calls it, if that is known.
        sandbox: Option<SandboxId>,
    },
    /// A sandbox is to be removed.
    SandboxDismissed {
        /// Its generation.
        generation: u32,
        /// Where it is, if any node took it on.
        node: Option<NodeId>,
        /// How its backend calls it, if that is known.
        sandbox: Option<SandboxId>,
    },
    /// The session that opened this one is to be told something.
    ParentTold {
        /// The other session.
        parent: SessionId,
        /// What.
        event: ChildEvent,
    },
    /// The sessions that this one opened are to end.
    ChildrenStopped,
    /// The session's row changed.
    SessionTouched {
        /// The new status, if it changed.
        status: Option<SessionStatus>,
        /// Why, if the new status is an error.
        error: Option<String>,
        /// The new title, if it changed.
        title: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Somebody takes part, with this role from now on.
    ParticipantSet(Participant),
    /// Somebody takes part no more.
    ParticipantRemoved {
        /// Who.
        user: UserId,
    },
    /// These files of the workspace differ from where the session began, and no others.
    FilesChanged {
        /// The files.
        files: ChangedFiles,
        /// The session's change counter.
        seq: u64,
        /// When.
        at: Timestamp,
    },
    /// What git says of the workspace.
    GitStateChanged {
        /// What is known now; the rest is unchanged.
        report: GitReport,
        /// The session's change counter.
        seq: u64,
        /// When.
        at: Timestamp,
    },
    /// The agent offers other models.
    ModelsSet {
        /// All of them.
        models: AvailableModels,
        /// The session's change counter.
        seq: u64,
        /// When.
        at: Timestamp,
    },
    /// Something for the audit log.
    Audited(AuditEntry),
}

/// An entry of a session's audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// The session's change counter.
    pub seq: u64,
    /// What kind of thing happened, such as `user.prompt`.
    pub event_type: String,
    /// In words.
    pub summary: String,
    /// Who did it.
    pub actor: Option<UserId>,
    /// When.
    pub created_at: Timestamp,
}

/// What a runner is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "lowercase")]
pub enum Command {
    /// Begin a turn. The text is the message of that id.
    Prompt {
        /// The prompt.
        prompt: MessageId,
        /// Messages whose texts go before that one, oldest first: they were collected with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<MessageId>,
        /// Which model to use.
        model: Option<String>,
    },
    /// Pass an answer to the agent.
    Answer {
        /// Which question.
        question: QuestionId,
        /// What was answered.
        resolution: Resolution,
    },
    /// End the turn of that prompt.
    Abort {
        /// The prompt.
        prompt: MessageId,
    },
}

tagged!(Command, "type");

/// What an agent does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// Nothing.
    Idle,
    /// It works, without output so far.
    Thinking,
    /// It runs a tool.
    ToolCalling,
    /// It writes.
    Streaming,
    /// Its last turn failed.
    Error,
}

/// A hint for those who watch a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Notice {
    /// A new message.
    Message(Message),
    /// A message changed; this is all of it.
    MessageUpdated(Message),
    /// These messages are no part of the transcript any more.
    MessagesRemoved(Vec<MessageId>),
    /// More text of the open message.
    Chunk(Segment),
    /// The agent asks.
    Question(Question),
    /// A question was answered.
    QuestionAnswered {
        /// Which one.
        id: QuestionId,
        /// The answer in words.
        answer: String,
    },
    /// A question is no longer open.
    QuestionExpired {
        /// Which one.
        id: QuestionId,
    },
    /// Something about the session changed.
    Status(StatusNotice),
    /// What the agent does.
    Agent {
        /// The state.
        status: AgentStatus,
        /// For example the tool's name.
        detail: Option<String>,
    },
    /// Something failed.
    Error {
        /// The stored message of it.
        message: MessageId,
        /// What failed.
        error: String,
    },
    /// The session has another title.
    Title(String),
    /// The agent offers other models; these are all of them.
    Models(AvailableModels),
    /// The agent uses another model than it was to; the message about it goes before.
    ModelSwitched(ModelSwitch),
    /// The session opened another one.
    ChildOpened {
        /// The other one.
        child: SessionId,
        /// Its title.
        title: Option<String>,
    },
    /// These files of the workspace differ from where the session began, and no others.
    FilesChanged(ChangedFiles),
    /// What git says of the workspace.
    GitStateChanged(GitReport),
    /// A new entry of the audit log.
    Audit(AuditEntry),
    /// Somebody may not watch any more.
    AccessWithdrawn {
        /// Who.
        user: UserId,
    },
    /// There are new commands for the runner.
    Commands,
    /// The runner's connection of that name was replaced by a newer one.
    RunnerReplaced {
        /// The old connection.
        connection: String,
    },
    /// The runner must end.
    RunnerStop {
        /// Why, in words for the close frame.
        reason: String,
    },
}

/// A change that is told in a `status` frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatusNotice {
    /// Another lifecycle status.
    Lifecycle {
        /// The status.
        status: SessionStatus,
        /// Whether a sandbox exists, where that is worth telling.
        sandbox: Option<bool>,
        /// Why the status is an error.
        error: Option<String>,
        /// Where the sandbox is reached, where that is worth telling.
        #[serde(default, skip_serializing_if = "SandboxUrls::is_empty")]
        urls: SandboxUrls,
    },
    /// Other ports of the sandbox can be reached.
    Tunnels(Exposure),
    /// A runner connected.
    RunnerConnected,
    /// The runner's connection was lost.
    RunnerDisconnected {
        /// How many prompts wait.
        queued: usize,
    },
    /// The agent is free.
    TurnEnded {
        /// Whether the turn was aborted.
        aborted: bool,
    },
    /// A prompt was queued.
    PromptQueued {
        /// Its place, from 1.
        position: usize,
    },
    /// A queued prompt was given to the agent.
    PromptDequeued {
        /// How many still wait.
        remaining: usize,
    },
    /// A prompt that waited was taken back.
    PromptWithdrawn {
        /// Which one.
        prompt: MessageId,
        /// How many still wait.
        remaining: usize,
    },
    /// Prompts are collected, or no longer.
    Collecting {
        /// How many are held back; 0 when they wait like others from now on.
        count: usize,
    },
    /// The queue was emptied.
    QueueCleared {
        /// How many prompts were dropped.
        cleared: usize,
    },
}

/// A hint for a user who watches all of their sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BusEvent {
    /// Such as `session.started`.
    pub kind: String,
    /// The session.
    pub session: SessionId,
    /// Whom it is for.
    pub user: UserId,
    /// Details.
    pub data: serde_json::Value,
    /// When.
    pub at: Timestamp,
}
