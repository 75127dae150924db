//! Channels: the agent has a conversation of its own for each.

use serde::{Deserialize, Serialize};

use super::runner::is_kept;
use super::{Runner, Step};
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

impl Runner {
    /// The agent's own name of the conversation that a prompt from there belongs to.
    #[must_use]
    pub fn agent_session_of(&self, channel: Option<&Channel>) -> Option<&str> {
        match channel.filter(|channel| !channel.is_web()) {
            None => self.agent_session.as_deref(),
            Some(channel) => {
                let known = self.channel_sessions.iter().find(|known| known.channel == *channel);
                known.map(|known| known.agent_session.as_str())
            }
        }
    }
}

impl Step<'_> {
    /// Keeps the name of a conversation, if it can be asked for again.
    pub(super) fn channel_session(&mut self, session: ChannelSession) {
        if !is_kept(&session.agent_session) {
            return;
        }
        let known = &mut self.engine.runner.channel_sessions;
        known.retain(|known| known.channel != session.channel);
        known.push(session);
        if known.len() > MAX_CHANNEL_SESSIONS {
            known.remove(0);
        }
    }

    /// Whether the agent works on what another channel asked for, if that makes a difference.
    pub(super) fn works_for_another(&self, channel: Option<&Channel>) -> bool {
        let turn = self.engine.turn.as_ref();
        channel.is_some() && turn.is_some_and(|turn| !is_same_place(turn.queued.channel.as_ref(), channel))
    }
}
