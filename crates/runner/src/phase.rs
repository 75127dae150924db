//! What the agent's process is up to.

use std::time::Instant;

use portway_protocol::runner::PromptAttachment;

use crate::handshake::Handshake;
use crate::peer::{Heard, Peer};
use crate::requests::Reply;
use crate::reviewing::Reviewing;
use crate::turn::{self, Turn};

/// What the agent's process is up to.
#[expect(clippy::large_enum_variant, reason = "a runner has one")]
pub(crate) enum Phase {
    /// There is none. It is started at that time, or by the next prompt.
    Down(Option<Instant>),
    /// It was started and does not take prompts yet.
    Starting(Starting),
    /// It takes prompts.
    Up(Up),
    /// It is being ended, and is started again afterwards or by the next prompt.
    Ending { peer: Peer, start: bool },
}

/// A process that is brought to take prompts; one request of ours is open.
pub(crate) struct Starting {
    pub(crate) peer: Peer,
    pub(crate) handshake: Handshake,
    pub(crate) request: u64,
    /// When that request must be answered.
    pub(crate) deadline: Instant,
    /// Set when the agent was up already, and is to begin a new conversation: who waits for that.
    pub(crate) renewal: Option<Reply>,
}

/// A process that takes prompts.
pub(crate) struct Up {
    pub(crate) peer: Peer,
    pub(crate) handshake: Handshake,
    pub(crate) turn: Option<Running>,
    /// A review that it works on meanwhile; there is none during a turn.
    pub(crate) review: Option<Box<Reviewing>>,
}

/// A turn that the agent works on.
pub(crate) struct Running {
    pub(crate) turn: Turn,
    /// Our request `session/prompt`, or the one before it.
    pub(crate) request: u64,
    /// When an abort is enforced.
    pub(crate) enforce: Option<Instant>,
    /// The prompt, until the agent uses the model that it is for.
    pub(crate) held: Option<Held>,
}

/// A prompt as it came.
pub(crate) struct Prompt {
    pub(crate) message_id: String,
    pub(crate) content: String,
    pub(crate) model: Option<String>,
    pub(crate) model_preferences: Vec<String>,
    pub(crate) attachments: Vec<PromptAttachment>,
}

/// A prompt that waits for the agent to use another model.
pub(crate) struct Held {
    pub(crate) prompt: Prompt,
    /// The model.
    pub(crate) model: String,
    /// When it goes to the agent at the latest.
    pub(crate) deadline: Instant,
}

impl Running {
    /// When something is to be done about it.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.enforce.or_else(|| self.held.as_ref().map(|held| held.deadline))
    }
}

impl Phase {
    /// The process, if there is one.
    pub(crate) fn peer(&mut self) -> Option<&mut Peer> {
        match self {
            Self::Down(_) => None,
            Self::Starting(Starting { peer, .. }) | Self::Up(Up { peer, .. }) | Self::Ending { peer, .. } => Some(peer),
        }
    }

    /// What the process does next; never ready without one.
    pub(crate) async fn next(&mut self) -> Heard {
        match self.peer() {
            Some(peer) => peer.next().await,
            None => std::future::pending().await,
        }
    }
}

/// Answers requests of the agent.
pub(crate) fn reply(peer: &mut Peer, replies: impl IntoIterator<Item = turn::Reply>) {
    for (id, result) in replies {
        peer.answer(&id, Ok(result));
    }
}

/// Answers a request of the agent, unless the process is gone.
pub(crate) fn reply_to(phase: &mut Phase, answer: turn::Reply) {
    if let Some(peer) = phase.peer() {
        reply(peer, [answer]);
    }
}
