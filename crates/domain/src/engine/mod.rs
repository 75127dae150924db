//! The session as a pure state machine.
//!
//! [`Engine::apply`] takes an [`Event`], the time and a source of ids, changes the state and answers with [`Effects`]:
//! durable [`Change`]s, which are committed together with the new state or not at all, and [`Notice`]s, which are only
//! hints to whoever watches and may be lost. It does no I/O, so any node can load the state, apply an event and commit
//! under the version of the state that it loaded; a lost race is repeated with the newer state.
//!
//! One counter per session orders everything: each durable change carries the `seq` that it was made at.

mod channels;
mod children;
mod deadlines;
mod effects;
mod events;
mod hibernation;
mod lifecycle;
mod minted;
mod models;
mod names;
mod open_message;
mod prompts;
mod questions;
mod queue;
mod runner;
mod sharing;
#[cfg(test)]
mod tests;
mod transcript;
mod tunnels;
mod workspaces;

use portway_tagged::tagged;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::channels::{ChannelSession, ChannelSessions, MAX_CHANNEL_SESSIONS};
pub use self::effects::{AgentStatus, AuditEntry, BusEvent, Change, Command, Effects, Notice, StatusNotice};
pub use self::events::{Actor, Event, Prompt, Refusal, RunnerHello, RunnerReport};
pub use self::hibernation::HIBERNATES;
pub use self::names::RunnerName;
pub use self::open_message::{OpenMessage, OpenPart};

use crate::channels::Channel;
use crate::ids::{IdStream, MessageId, NodeId, QuestionId, SandboxId, SessionId, SnapshotId, UserId};
use crate::models::ModelsDigest;
use crate::questions::Question;
use crate::sessions::{QueueMode, SessionStatus};
use crate::sharing::ParticipantRole;
use crate::time::Timestamp;
use crate::tokens::TokenHash;
use crate::tunnels::Exposure;

/// Most prompts that wait in one session.
pub const MAX_QUEUED: usize = 100;

/// Most questions that are open in one session; further ones are cancelled at once.
pub const MAX_OPEN_QUESTIONS: usize = 32;

/// When its runner was lost this many times within [`RESTART_WINDOW`], a session gets no sandbox for a while.
pub const MAX_RESTARTS: usize = 3;

/// For how long there is no sandbox after too many losses, and after each further one until a turn ends: then the
/// session is given up.
pub const COOL_DOWNS: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];

/// See [`MAX_RESTARTS`].
pub const RESTART_WINDOW: Duration = Duration::from_secs(600);

/// How long things may take before the engine acts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// From the order to start a sandbox to its runner's hello.
    pub start: Duration,
    /// From the first hello of a runner until its agent takes prompts, while prompts wait.
    pub ready: Duration,
    /// From the loss of a runner's connection to its return.
    pub reconnect: Duration,
    /// From an abort to the end of the turn, while the runner is connected.
    pub abort: Duration,
    /// From the last sign of life of a turn to its abort, while the runner is connected and no question is open.
    pub silence: Duration,
    /// From the last sign of life of a session that has nothing to do until its sandbox is put away; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// How long it may take to put a sandbox away.
    #[serde(default = "hibernate_timeout")]
    pub hibernate: Duration,
    /// From the last prompt that is collected until the agent may have all of them.
    #[serde(default = "collect_timeout")]
    pub collect: Duration,
}

/// Enough for a snapshot of a large workspace.
fn hibernate_timeout() -> Duration {
    Duration::from_secs(300)
}

/// For how long prompts are collected when nobody says another one.
fn collect_timeout() -> Duration {
    Duration::from_secs(3)
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(60),
            ready: Duration::from_secs(150),
            reconnect: Duration::from_secs(30),
            abort: Duration::from_secs(30),
            silence: Duration::from_secs(1_800),
            idle: None,
            hibernate: hibernate_timeout(),
            collect: collect_timeout(),
        }
    }
}

/// What goes on in a session. It is stored as one versioned row; the transcript has rows of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    /// The session.
    pub session: SessionId,
    /// Who owns the session.
    pub owner: UserId,
    /// Who else takes part, and as what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub participants: BTreeMap<UserId, ParticipantRole>,
    /// The session that opened it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// Whether it opened others, which end with it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_children: bool,
    /// Whether it worked since its parent was told that it is idle.
    #[serde(default, skip_serializing_if = "is_false")]
    pub owes_idle: bool,
    /// Who wants it back while it is being put away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wakes_for: Option<UserId>,
    /// Where the session is in its life.
    pub status: SessionStatus,
    /// Change counter of the session.
    pub seq: u64,
    /// What happens to prompts that do not say.
    pub queue_mode: QueueMode,
    /// Which model to use for prompts that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_model: Option<String>,
    /// The models that the agent offers, as far as they were told; the list has a row of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<ModelsDigest>,
    /// The sandbox and the connection of its runner.
    pub runner: Runner,
    /// The turn that the agent works on.
    pub turn: Option<Turn>,
    /// Prompts that wait, first to go first.
    pub queue: VecDeque<QueuedPrompt>,
    /// Questions that wait for an answer.
    pub questions: Vec<Question>,
    /// When runners were lost lately.
    pub losses: Vec<Timestamp>,
    /// Since they were lost too often, and no turn has ended after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling: Option<Cooling>,
    /// When somebody or something last did something.
    pub last_activity: Timestamp,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Tells the step that left this state from any other that would leave the same; 0 before the first one. Whoever makes
    /// a step and does not know whether it was stored looks for its nonce.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nonce: u64,
    /// The message that the agent is writing. Its text is stored as rows, so it is no part of the stored state.
    #[serde(skip)]
    pub open: Option<OpenMessage>,
}

/// The sandbox of a session and its runner.
///
/// Each start of a sandbox is a new generation: commands and events are numbered within it, and what belongs to an
/// older generation is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// Counts starts; 0 before the first.
    pub generation: u32,
    /// The node that took the sandbox on, or the one before it; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// How its backend calls the sandbox of this generation, once it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
    /// The connection.
    pub link: Link,
    /// Hash of the secret that the runner of this generation must present; set before it is started.
    pub token: Option<TokenHash>,
    /// Whether the agent takes prompts.
    pub ready: bool,
    /// When the agent must take prompts if some wait; set by the first hello of the generation.
    pub ready_by: Option<Timestamp>,
    /// The last event of the runner that is durable.
    pub last_frame: u64,
    /// The last command that was given.
    pub last_command: u64,
    /// The last command that the runner took over.
    pub taken_command: u64,
    /// The agent's own name of the conversation. It outlives generations: the next runner goes on with it.
    pub agent_session: Option<String>,
    /// The same for channels.
    #[serde(default, skip_serializing_if = "ChannelSessions::is_empty")]
    pub channel_sessions: ChannelSessions,
    /// What the next sandbox is made from, where the files of the last one did not stay in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// How the sandbox of this generation is reached from outside.
    #[serde(default, skip_serializing_if = "Exposure::is_empty")]
    pub exposure: Exposure,
}

/// What runners that are lost again and again lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooling {
    /// Until when no sandbox is started.
    pub until: Timestamp,
    /// How many of the [`COOL_DOWNS`] there were.
    pub count: usize,
}

/// The connection of a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "lowercase")]
pub enum Link {
    /// There is no sandbox.
    None,
    /// A sandbox was ordered.
    Starting {
        /// When its runner must have said hello.
        deadline: Timestamp,
    },
    /// The runner is connected.
    Connected {
        /// The connection; a newer one replaces it.
        connection: String,
    },
    /// The connection was lost; the runner may come back.
    Lost {
        /// Until when.
        deadline: Timestamp,
    },
    /// The sandbox is being put away.
    Parting {
        /// When it must be.
        deadline: Timestamp,
    },
}

tagged!(Link, "state");

/// A turn: one prompt that was given to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The prompt.
    pub prompt: MessageId,
    /// What is needed to queue the prompt again if the runner never took it over.
    pub queued: QueuedPrompt,
    /// The same for the prompts that were collected with it and went before it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<QueuedPrompt>,
    /// Number of the command that gave it to the runner.
    pub command: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When the turn last showed life: the runner reported something, or a question was closed.
    pub last_report: Timestamp,
    /// When the silence of the turn is looked at next.
    pub check_at: Timestamp,
    /// Set once the turn was told to end: when it must have ended.
    pub abort_deadline: Option<Timestamp>,
    /// The message that is being written.
    pub message: Option<MessageId>,
    /// Number of the turn's newest message; the next one must have a higher one.
    pub last_message: u64,
    /// Number of the turn's newest question; the next one must have a higher one.
    pub last_question: u64,
    /// Set when the runner said hello without this turn although it had taken the prompt over: the last report that can
    /// still tell how the turn ended.
    pub ends_after: Option<u64>,
    /// How the runner calls messages and questions whose ids it does not make by the rule, oldest first. They are kept for
    /// its later connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<RunnerName>,
}

/// A prompt that waits. Its text is the user's message of the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedPrompt {
    /// The prompt.
    pub id: MessageId,
    /// Who said it; absent for the first prompt of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<UserId>,
    /// Which model to use.
    pub model: Option<String>,
    /// Where it came from, if not from a client of the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// It goes to the agent together with the collected prompts next to it that came from the same place.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_collected: bool,
    /// Until when it is held back, since more of them may come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg_attr(target_pointer_width = "64", expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it"))]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Engine {
    /// The state of a session that was just opened and has no sandbox yet.
    #[must_use]
    pub fn new(session: SessionId, owner: UserId, queue_mode: QueueMode, now: Timestamp) -> Self {
        Self {
            session,
            owner,
            participants: BTreeMap::new(),
            parent: None,
            has_children: false,
            owes_idle: false,
            wakes_for: None,
            status: SessionStatus::Initializing,
            seq: 0,
            queue_mode,
            initial_model: None,
            models: None,
            runner: Runner {
                generation: 0,
                node: None,
                sandbox: None,
                link: Link::None,
                token: None,
                ready: false,
                ready_by: None,
                last_frame: 0,
                last_command: 0,
                taken_command: 0,
                agent_session: None,
                channel_sessions: ChannelSessions::default(),
                snapshot: None,
                exposure: Exposure::default(),
            },
            turn: None,
            queue: VecDeque::new(),
            questions: Vec::new(),
            losses: Vec::new(),
            cooling: None,
            last_activity: now,
            timeouts: Timeouts::default(),
            nonce: 0,
            open: None,
        }
    }

    /// Applies one event.
    ///
    /// # Errors
    /// A [`Refusal`] when the event cannot be applied; the state is then as it was.
    pub fn apply(&mut self, event: Event, now: Timestamp, ids: &mut IdStream) -> Result<Effects, Refusal> {
        let mut step = Step { engine: self, effects: Effects::default(), now, ids };
        step.handle(event)?;
        step.tell_when_idle();
        Ok(step.effects)
    }

    /// Whether a runner is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.runner.link, Link::Connected { .. })
    }

    /// Whether a sandbox exists or is on its way.
    #[must_use]
    pub fn has_sandbox(&self) -> bool {
        self.runner.link != Link::None
    }

    /// Whether a sandbox exists or is on its way that is not being put away.
    fn uses_sandbox(&self) -> bool {
        !matches!(self.runner.link, Link::None | Link::Parting { .. })
    }

    /// The open question of that id.
    #[must_use]
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        self.questions.iter().find(|question| question.id == *id)
    }
}

/// One application of an event: the state being changed and what follows from it.
///
/// The state is changed in place, as a copy would cost the whole open message for every piece of its text. So every
/// handler refuses before it changes anything.
struct Step<'a> {
    engine: &'a mut Engine,
    effects: Effects,
    now: Timestamp,
    ids: &'a mut IdStream,
}

impl Step<'_> {
    fn handle(&mut self, event: Event) -> Result<(), Refusal> {
        match event {
            Event::Opened { title } => self.opened(title),
            Event::Prompted(prompt) => self.prompted(prompt)?,
            Event::Answered { question, answer, by } => self.answered(&question, &answer, &by)?,
            Event::Aborted { channel, by } => self.aborted(channel.as_ref(), &by)?,
            Event::QueueCleared => self.queue_cleared(),
            Event::PromptWithdrawn { prompt, by } => self.prompt_withdrawn(&prompt, &by)?,
            Event::PromptPromoted { prompt, by } => self.prompt_promoted(&prompt, &by)?,
            Event::Reverted { first, last, messages, by } => self.reverted(first, last, messages, &by),
            Event::ParticipantSet { who, role, by } => self.participant_set(&who, role, &by)?,
            Event::ParticipantRemoved { user, by } => self.participant_removed(&user, &by),
            Event::ShareLinkMade { role, by } => self.share_link_made(role, &by),
            Event::ShareLinkRevoked { by } => {
                self.audit("share_link.revoked", "A share link was revoked", Some(by.user))
            }
            Event::Renamed { title } => self.renamed(title),
            Event::TunnelClosed { name, by } => self.tunnel_closed(name, &by),
            Event::Terminated { by } => self.terminated(&by),
            Event::ChildOpened { child, title, by } => self.child_opened(child, title, by)?,
            Event::ChildTold { child, event } => self.child_told(&child, &event),
            Event::StoppedByParent { reason } => self.stopped_by_parent(reason),
            Event::Forwarded { source, messages } => self.forwarded(&source, messages)?,
            Event::HibernationWanted { by } => self.hibernation_wanted(&by),
            Event::WakeWanted { by } => self.wake_wanted(&by),
            Event::SandboxPutAway { generation, snapshot } => self.sandbox_put_away(generation, snapshot),
            Event::SandboxPrepared { generation, node, token } => self.sandbox_prepared(generation, node, token)?,
            Event::SandboxStarted { generation, node, sandbox, urls } => {
                self.sandbox_started(generation, node, sandbox, urls);
            }
            Event::SandboxFailed { generation, node, error } => self.sandbox_failed(generation, node, &error),
            Event::SandboxGone { generation, detail } => self.sandbox_gone(generation, &detail),
            Event::RunnerConnected(hello) => self.runner_connected(hello)?,
            Event::RunnerDisconnected { generation, connection } => {
                self.runner_disconnected(generation, &connection);
            }
            Event::CommandsTaken { generation, command } => self.commands_taken(generation, command)?,
            Event::Reported { generation, frame, report } => self.reported(generation, frame, report)?,
            Event::GatewayRestarted => self.gateway_restarted(),
            Event::NodeLost { node } => self.node_lost(&node),
            Event::SandboxRetired => self.sandbox_retired(),
            Event::Due => self.due(),
        }
        Ok(())
    }

    fn next_seq(&mut self) -> u64 {
        self.engine.seq += 1;
        self.engine.seq
    }
}
