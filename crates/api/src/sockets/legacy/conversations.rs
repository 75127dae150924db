//! The conversations that the agent of such a runner has, by the channel that they are for.

use portway_domain::channels::Channel;
use portway_domain::engine::{ChannelSession, ChannelSessions, Runner};
use portway_protocol::legacy_runner::WEB_CHANNEL;

/// Those that are known. Without them the agent of the next prompt would have forgotten the ones before it.
#[derive(Debug)]
pub(super) struct Conversations {
    web: Option<String>,
    channels: ChannelSessions,
}

impl Conversations {
    pub(super) fn of(runner: &Runner) -> Self {
        Self { web: runner.agent_session.clone(), channels: runner.channel_sessions.clone() }
    }

    /// The one that a prompt from there belongs to.
    pub(super) fn get(&self, channel: Option<&Channel>) -> Option<&str> {
        match channel.filter(|channel| !channel.is_web()) {
            None => self.web.as_deref(),
            Some(channel) => self.channels.get(channel),
        }
    }

    /// Notes one. Answers what is new about it, if anything is.
    pub(super) fn set(&mut self, channel: Option<Channel>, name: String) -> Option<News> {
        if self.get(channel.as_ref()) == Some(&name) {
            return None;
        }
        let Some(channel) = channel.filter(|channel| !channel.is_web()) else {
            self.web = Some(name);
            return Some(News::Web);
        };
        let session = ChannelSession { channel, agent_session: name };
        self.channels.set(session.clone());
        Some(News::Channel(session))
    }
}

/// Which conversation is another one now.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    /// That of no channel.
    Web,
    /// That of a channel.
    Channel(ChannelSession),
}

/// The channel that a runner names in one word. A type with a colon in it is only known from the prompt that the agent
/// works on. `None` for what is no channel.
pub(super) fn channel_of(key: &str, of_turn: Option<&Channel>) -> Option<Option<Channel>> {
    if key == WEB_CHANNEL {
        return Some(None);
    }
    if let Some(channel) = of_turn.filter(|channel| channel.to_string() == key) {
        return Some(Some(channel.clone()));
    }
    let (kind, id) = key.split_once(':')?;
    Channel::new(kind, id).ok().map(Some)
}
