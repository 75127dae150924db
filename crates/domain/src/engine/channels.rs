//! Channels: the agent has a conversation of its own for each.

use serde::{Deserialize, Serialize};

use super::Step;
use super::runner::is_kept;
use crate::channels::{Channel, is_same_place};

/// Most conversations that are kept: they are in every stored state. What was used longest ago goes first, and its
/// channel begins anew.
pub const MAX_CHANNEL_SESSIONS: usize = 32;

/// The conversation of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSession {
    /// The channel.
    pub channel: Channel,
    /// The agent's own name of the conversation.
    pub agent_session: String,
}

/// The conversations of channels, the one that was begun last at the end; at most [`MAX_CHANNEL_SESSIONS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelSessions(Vec<ChannelSession>);

impl ChannelSessions {
    /// The agent's own name of the conversation of a channel.
    #[must_use]
    pub fn get(&self, channel: &Channel) -> Option<&str> {
        let known = self.0.iter().find(|known| known.channel == *channel);
        known.map(|known| known.agent_session.as_str())
    }

    /// Keeps one, in place of the one that its channel had.
    pub fn set(&mut self, session: ChannelSession) {
        self.0.retain(|known| known.channel != session.channel);
        self.0.push(session);
        if self.0.len() > MAX_CHANNEL_SESSIONS {
            self.0.remove(0);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Step<'_> {
    /// Keeps the name of a conversation, if it can be asked for again.
    pub(super) fn channel_session(&mut self, session: ChannelSession) {
        if is_kept(&session.agent_session) {
            self.engine.runner.channel_sessions.set(session);
        }
    }

    /// Whether the agent works on what another channel asked for, if that makes a difference.
    pub(super) fn works_for_another(&self, channel: Option<&Channel>) -> bool {
        let turn = self.engine.turn.as_ref();
        channel.is_some() && turn.is_some_and(|turn| !is_same_place(turn.queued.channel.as_ref(), channel))
    }
}
