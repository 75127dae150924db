//! Protocol 2 of clients, which get on where they left off.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};

use crate::message::Message;
use crate::server::{ConnectedUser, ServerFrame};

/// A frame of the gateway with what it completes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequenced {
    /// The frame.
    #[serde(flatten)]
    pub frame: ServerFrame,
    /// The session's change counter: whoever has handled this frame and those before it has everything up to there.
    /// Only the last frame of a change has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

impl From<ServerFrame> for Sequenced {
    fn from(frame: ServerFrame) -> Self {
        Self { frame, seq: None }
    }
}

/// What only clients of protocol 2 send; they send the frames of [`crate::client::ClientFrame`] too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ResumingFrame {
    /// Says how far the client has come.
    Ack {
        /// The newest `seq` of a frame that it has handled.
        seq: u64,
        /// The newest checkpoint that it has read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<u64>,
    },
    /// Asks for older messages.
    History {
        /// The place that they are before.
        before: u64,
        /// How many at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Any other type.
    #[serde(other)]
    Other,
}

tagged!(ResumingFrame, "type");

/// The session in a `resumed` frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumedSession {
    /// Its lifecycle status.
    pub status: String,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What goes on, in a `resumed` frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumedData {
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
}

/// A page of older messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryData {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// What to ask for the page before this one with; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_stands_beside_the_keys_of_the_frame() {
        let removed = ServerFrame::MessagesRemoved { message_ids: vec!["m".to_owned()] };
        let frame = Sequenced { frame: removed.clone(), seq: Some(7) };
        let text = serde_json::to_string(&frame).unwrap();
        assert_eq!(text, r#"{"type":"messages.removed","messageIds":["m"],"seq":7}"#);
        assert_eq!(serde_json::from_str::<Sequenced>(&text).unwrap(), frame);
        let text = serde_json::to_string(&Sequenced::from(removed.clone())).unwrap();
        assert_eq!(text, serde_json::to_string(&removed).unwrap());
    }

    #[test]
    fn frames_of_all_clients_are_told_apart() {
        let parse = |text: &str| serde_json::from_str::<ResumingFrame>(text);
        assert_eq!(parse(r#"{"type":"ack","seq":3}"#).unwrap(), ResumingFrame::Ack { seq: 3, checkpoint: None });
        let history = ResumingFrame::History { before: 9, limit: Some(5) };
        assert_eq!(parse(r#"{"type":"history","before":9,"limit":5}"#).unwrap(), history);
        assert_eq!(parse(r#"{"type":"prompt","content":"Hello"}"#).unwrap(), ResumingFrame::Other);
        assert!(parse(r#"{"type":"ack","seq":-1}"#).is_err());
    }
}
