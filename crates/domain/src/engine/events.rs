//! What can happen to a session.

use crate::attachments::Attachment;
use crate::channels::Channel;
use crate::children::{ChildEvent, ParentStop, SessionName};
use crate::engine::{AgentStatus, ChannelSession, RunnerName};
use crate::ids::{MessageId, NodeId, QuestionId, SandboxId, SessionId, SnapshotId, UserId};
use crate::messages::{Author, FinishReason, Message, PlanEntry, TextKind, ToolCall};
use crate::models::{AvailableModels, ModelSwitch};
use crate::questions::{AnswerValue, Choice};
use crate::sessions::QueueMode;
use crate::sharing::ParticipantRole;
use crate::tokens::TokenHash;
use crate::tunnels::{SandboxUrls, Tunnels};
use crate::workspaces::{ChangedFiles, GitReport};

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It was opened.
    Opened {
        /// Its title.
        title: Option<String>,
    },
    /// Somebody said something to the agent.
    Prompted(Prompt),
    /// Somebody answered a question.
    Answered {
        /// Which one.
        question: QuestionId,
        /// With what.
        answer: AnswerValue,
        /// Who.
        by: Actor,
    },
    /// Somebody wants the turn to end and the queue to be dropped.
    Aborted {
        /// Only what this channel asked for; everything if absent.
        channel: Option<Channel>,
        /// Who.
        by: Actor,
    },
    /// Somebody dropped the waiting prompts.
    QueueCleared,
    /// Somebody takes back a prompt that waits.
    PromptWithdrawn {
        /// Which one.
        prompt: MessageId,
        /// Who.
        by: Actor,
    },
    /// Somebody wants a prompt that waits to be next, and the turn to end for it. The others keep waiting.
    PromptPromoted {
        /// Which one.
        prompt: MessageId,
        /// Who.
        by: Actor,
    },
    /// The agent was taken back to before a prompt, so the transcript is. Without effect where nothing is left of it.
    Reverted {
        /// The place of the prompt.
        first: u64,
        /// The place of the last message that the agent had when it was asked.
        last: u64,
        /// The messages of these places.
        messages: Vec<MessageId>,
        /// Who.
        by: Actor,
    },
    /// Somebody was let in, or gets another role.
    ParticipantSet {
        /// Who.
        who: Actor,
        /// As what.
        role: ParticipantRole,
        /// By whom: the owner, or they themselves by a link.
        by: Actor,
    },
    /// Somebody takes part no more.
    ParticipantRemoved {
        /// Who.
        user: UserId,
        /// By whom.
        by: Actor,
    },
    /// A link was made that lets people in.
    ShareLinkMade {
        /// As what.
        role: ParticipantRole,
        /// By whom.
        by: Actor,
    },
    /// A link lets nobody in any more.
    ShareLinkRevoked {
        /// By whom.
        by: Actor,
    },
    /// It got another title.
    Renamed {
        /// The title.
        title: String,
    },
    /// Somebody had the runner close a tunnel, and it did.
    TunnelClosed {
        /// Its name.
        name: String,
        /// Who.
        by: Actor,
    },
    /// Somebody ended it.
    Terminated {
        /// Who.
        by: Actor,
    },
    /// It opened another session.
    ChildOpened {
        /// The other one.
        child: SessionId,
        /// Its title.
        title: Option<String>,
        /// On whose behalf.
        by: UserId,
    },
    /// One that it opened has something to tell.
    ChildTold {
        /// Which one.
        child: SessionName,
        /// What.
        event: ChildEvent,
    },
    /// The session that opened it ends it.
    StoppedByParent {
        /// Why.
        reason: ParentStop,
    },
    /// Messages of another session are copied into the transcript.
    Forwarded {
        /// The other session.
        source: SessionName,
        /// Its messages, oldest first; bounded by the caller.
        messages: Vec<Message>,
    },
    /// Somebody wants it to rest. Ignored unless it can: see [`crate::engine::Engine::can_hibernate`].
    HibernationWanted {
        /// Who.
        by: Actor,
    },
    /// Somebody wants it back. Ignored unless it rests.
    WakeWanted {
        /// Who.
        by: Actor,
    },
    /// The sandbox of this generation is put away.
    SandboxPutAway {
        /// The generation.
        generation: u32,
        /// What the next sandbox is to be made from, where its files do not stay in place.
        snapshot: Option<SnapshotId>,
    },
    /// The sandbox of this generation is about to be started with this secret. If another node was about to do that
    /// before and nobody knows what came of it, what may be there is dismissed, and one of the next generation is ordered
    /// instead.
    SandboxPrepared {
        /// The generation.
        generation: u32,
        /// Who starts it.
        node: NodeId,
        /// Hash of the secret.
        token: TokenHash,
    },
    /// The sandbox of this generation exists.
    SandboxStarted {
        /// The generation.
        generation: u32,
        /// Who started it.
        node: NodeId,
        /// How its backend calls it, if it has a name of its own for it.
        sandbox: Option<SandboxId>,
        /// Where its backend says that it is reached.
        urls: SandboxUrls,
    },
    /// The sandbox of this generation could not be started, which is ignored once its runner said hello, or not be put
    /// away.
    SandboxFailed {
        /// The generation.
        generation: u32,
        /// Who tried. Something of the sandbox may be there still.
        node: NodeId,
        /// Why, and what to do about it.
        error: String,
    },
    /// The sandbox of this generation is no more.
    SandboxGone {
        /// The generation.
        generation: u32,
        /// How it ended.
        detail: String,
    },
    /// A runner said hello and presented the right secret.
    RunnerConnected(RunnerHello),
    /// A connection of a runner was lost.
    RunnerDisconnected {
        /// The runner's generation.
        generation: u32,
        /// The connection.
        connection: String,
    },
    /// A runner took over all commands up to a number.
    CommandsTaken {
        /// The runner's generation.
        generation: u32,
        /// The number.
        command: u64,
    },
    /// A runner reported something.
    Reported {
        /// The runner's generation.
        generation: u32,
        /// Number of the report.
        frame: u64,
        /// What it reported.
        report: RunnerReport,
    },
    /// The gateway was restarted while the sandbox lives on: runners get time to say hello again. To be applied before
    /// [`Event::Due`] is.
    GatewayRestarted,
    /// A node is gone that others shared the store with. A runner that was its own can come back to nobody else, so it only
    /// does if the node comes back in time; a sandbox that it was just starting is started anew.
    NodeLost {
        /// Which one.
        node: NodeId,
    },
    /// The gateway goes down and puts the sandbox away, with which nothing is wrong.
    SandboxRetired,
    /// A deadline may have passed.
    Due,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user.
    pub user: UserId,
    /// How to call the user in the audit log.
    pub name: String,
}

/// Something said to the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Its id, also of the user's message that it becomes; drawn by the gateway and never used before in the session.
    pub id: MessageId,
    /// The text; not blank unless something is attached, bounded by the caller.
    pub content: String,
    /// What goes with it, bounded by the caller.
    pub attachments: Vec<Attachment>,
    /// Who said it; absent for the first prompt of a session.
    pub author: Option<Author>,
    /// Which model to use.
    pub model: Option<String>,
    /// What to do while the agent is busy; the session's mode if absent.
    pub queue_mode: Option<QueueMode>,
    /// Where it came from, if not from a client of the gateway.
    pub channel: Option<Channel>,
}

/// How a runner introduced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerHello {
    /// Its generation.
    pub generation: u32,
    /// Name of the new connection.
    pub connection: String,
    /// The last command that it took over.
    pub last_command: u64,
    /// The last report that it numbered.
    pub last_frame: u64,
    /// The prompt that it works on.
    pub turn: Option<MessageId>,
}

/// What a runner reports.
#[derive(Debug, Clone, PartialEq)]
pub enum RunnerReport {
    /// The agent takes prompts.
    Ready {
        /// The agent's own name of the conversation.
        agent_session: Option<String>,
    },
    /// The agent cannot be started.
    Failed {
        /// Why, and what to do about it.
        error: String,
    },
    /// A message of the agent begins. Ignored when its id breaks the rule, or was used before.
    MessageCreated {
        /// Its id: the prompt's, `.`, and a number from 1 upwards that is higher than that of every earlier message of
        /// the turn.
        message: MessageId,
    },
    /// More text.
    Text {
        /// Which message.
        message: MessageId,
        /// What kind of text.
        kind: TextKind,
        /// The text.
        delta: String,
    },
    /// A tool call began or changed; absent values are unchanged.
    Tool {
        /// Which message; the open one if absent.
        message: Option<MessageId>,
        /// The call.
        call: ToolCall,
    },
    /// The agent's plan, whole.
    Plan {
        /// Which message.
        message: MessageId,
        /// Its steps in order.
        entries: Vec<PlanEntry>,
    },
    /// A message of the agent ended.
    MessageFinished {
        /// Which message; the open one if absent.
        message: Option<MessageId>,
        /// Why it ended.
        reason: FinishReason,
        /// What failed, if something did.
        error: Option<String>,
    },
    /// The agent asks. A question that breaks the rule for ids, or that comes while there is no turn, while it is being
    /// aborted or while too many are open, is cancelled at once; a repeated one is ignored.
    Asked {
        /// Id of the question: the prompt's, `.q`, and a number from 1 upwards that is higher than that of every earlier
        /// question of the turn.
        question: QuestionId,
        /// What is asked.
        text: String,
        /// The answers to choose from.
        choices: Vec<Choice>,
    },
    /// The agent no longer waits for this answer.
    QuestionClosed {
        /// Id of the question.
        question: QuestionId,
    },
    /// A message or question of the turn has another name for the runner.
    Named(RunnerName),
    /// The agent has a conversation for a channel.
    ChannelSession(ChannelSession),
    /// What the agent sees.
    Showed {
        /// Id of the message that it becomes; drawn by the gateway and never used before in the session.
        message: MessageId,
        /// What is to be seen.
        description: String,
        /// Pictures of it.
        pictures: Vec<Attachment>,
    },
    /// Somebody wrote down what is said in the sounds of a prompt. Ignored where that is no news.
    Transcribed {
        /// The prompt's message as it is stored.
        message: Box<Message>,
        /// What is said.
        transcript: String,
    },
    /// The agent was started anew with other settings.
    Configured,
    /// What the agent does.
    Status {
        /// The state.
        status: AgentStatus,
        /// For example the tool's name.
        detail: Option<String>,
    },
    /// The models that the agent offers.
    Models(AvailableModels),
    /// The agent uses another model than it was to. Ignored unless it works on that prompt.
    ModelSwitched(ModelSwitch),
    /// Something failed in the turn.
    Error {
        /// What.
        error: String,
    },
    /// The turn of that prompt ended.
    Completed {
        /// The prompt.
        prompt: MessageId,
        /// Whether it was aborted.
        aborted: bool,
    },
    /// These files of the workspace differ from where the session began, and no others.
    FilesChanged(ChangedFiles),
    /// What git says of the workspace.
    GitState(GitReport),
    /// These ports of the sandbox can be reached from outside, and no others.
    Tunnels(Tunnels),
    /// A new conversation of the agent begins, which knows nothing of the one before.
    SessionReset,
    /// Something that this version does not know.
    Unknown,
}

/// Why an event was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The session takes nothing more.
    #[error("the session is {0}")]
    Ended(&'static str),
    /// Too many prompts wait.
    #[error("too many prompts are waiting in this session")]
    QueueFull,
    /// No such prompt waits: the agent has it, it was dropped, or there never was one.
    #[error("this prompt does not wait")]
    PromptNotWaiting,
    /// Only who said something takes it back, and the owner of the session.
    #[error("this prompt is somebody else's")]
    NotTheAuthor,
    /// The owner of a session is no participant of it.
    #[error("the owner of a session takes part in it anyway")]
    OwnerTakesPart,
    /// A session that was opened by another one opens none.
    #[error("a child session opens no children")]
    ChildOfChild,
    /// Too many people take part.
    #[error("too many people take part in this session")]
    TooManyParticipants,
    /// No such question is open: it was answered, expired or never asked.
    #[error("this question is not open")]
    QuestionNotOpen,
    /// The answer fits none of the choices.
    #[error("{0}")]
    InvalidAnswer(String),
    /// The runner belongs to a generation that is over, or lost its memory: it must end.
    #[error("this runner is no longer wanted")]
    StaleRunner,
    /// The numbering has a gap, or the connection was taken for lost: it must be made anew so that the missing reports
    /// are sent again.
    #[error("report {0} cannot be taken over on this connection")]
    Gap(u64),
}
