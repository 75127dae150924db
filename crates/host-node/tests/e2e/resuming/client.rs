//! A socket of protocol 2, and what a client keeps of it.

use std::collections::BTreeMap;

use futures_util::{SinkExt, StreamExt};
use portway_protocol::message::Part;
use portway_protocol::resuming::Sequenced;
use portway_protocol::server::ServerFrame;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::PATIENCE;
use crate::harness::mirror::Entry;
use crate::harness::session::Session;
use crate::harness::socket::{Stream, connect};

pub(super) struct Resuming {
    stream: Stream,
    /// The last `seq`.
    pub(super) seq: Option<u64>,
    checkpoint: Option<u64>,
    /// Where older messages begin.
    pub(super) before: Option<u64>,
    /// Whether it began anew.
    pub(super) has_init: bool,
    pub(super) messages: BTreeMap<String, Shown>,
    pub(super) removed: Vec<String>,
    pub(super) close_code: Option<u16>,
    acknowledges: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Shown {
    position: u64,
    content: String,
    pub(super) is_finished: bool,
}

impl Resuming {
    /// Opens it and reads what it begins with.
    pub(super) async fn open(session: &Session, seq: Option<u64>) -> Self {
        Self::with(session, seq, true).await
    }

    /// One that says only when it is told to how far it has come.
    pub(super) async fn lazy(session: &Session) -> Self {
        Self::with(session, None, false).await
    }

    async fn with(session: &Session, seq: Option<u64>, acknowledges: bool) -> Self {
        let from = seq.map(|seq| format!("&resumeFrom={seq}")).unwrap_or_default();
        let path = session.path(&format!("/ws?role=client&protocol=2{from}"));
        let stream = connect(&session.api, &path).await.unwrap();
        let mut socket = Self {
            stream,
            seq: None,
            checkpoint: None,
            before: None,
            has_init: false,
            messages: BTreeMap::new(),
            removed: Vec::new(),
            close_code: None,
            acknowledges,
        };
        socket.until(|frame| matches!(frame, ServerFrame::Init { .. } | ServerFrame::Resumed { .. })).await;
        socket
    }

    pub(super) async fn send(&mut self, frame: &Value) {
        self.stream.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Sends something that may come too late.
    pub(super) async fn try_send(&mut self, frame: &Value) {
        let _ = self.stream.send(Message::text(frame.to_string())).await;
    }

    pub(super) async fn acknowledge(&mut self) {
        let mut ack = json!({"type": "ack", "seq": self.seq});
        if let Some(checkpoint) = self.checkpoint {
            ack["checkpoint"] = checkpoint.into();
        }
        self.try_send(&ack).await;
    }

    /// The next frame; `None` at the end.
    pub(super) async fn receive(&mut self) -> Option<Sequenced> {
        let text = loop {
            match tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("a frame comes") {
                Some(Ok(Message::Text(text))) => break text,
                Some(Ok(Message::Close(frame))) => {
                    self.close_code = frame.map(|frame| frame.code.into());
                    return None;
                }
                Some(Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        };
        let sequenced: Sequenced = serde_json::from_str(&text).unwrap();
        assert_ne!(sequenced.frame, ServerFrame::Unknown, "{text}");
        self.apply(&sequenced.frame);
        if let Some(seq) = sequenced.seq {
            assert!(self.seq.is_none_or(|known| known <= seq), "{text}");
            self.seq = Some(seq);
        }
        let is_news = sequenced.seq.is_some() || matches!(sequenced.frame, ServerFrame::Checkpoint { .. });
        if self.acknowledges && is_news {
            self.acknowledge().await;
        }
        Some(sequenced)
    }

    /// Reads until such a frame came.
    pub(super) async fn until(&mut self, wanted: impl Fn(&ServerFrame) -> bool) {
        while !wanted(&self.receive().await.expect("the socket is open").frame) {}
    }

    fn apply(&mut self, frame: &ServerFrame) {
        match frame {
            ServerFrame::Init { session, .. } => {
                self.has_init = true;
                self.messages = session.messages.iter().map(shown).collect();
                self.before = session.before;
            }
            ServerFrame::History { data } => {
                self.messages.extend(data.messages.iter().map(shown));
                self.before = data.before;
            }
            ServerFrame::Message { data } => self.messages.extend([shown(data)]),
            ServerFrame::MessageUpdated { data } => {
                if let Some(known) = self.messages.get_mut(&data.id) {
                    known.content.clone_from(&data.content);
                    known.is_finished = data.parts.as_deref().is_some_and(is_finished);
                }
            }
            ServerFrame::MessagesRemoved { message_ids } => {
                self.messages.retain(|id, _| !message_ids.contains(id));
                self.removed.extend(message_ids.iter().cloned());
            }
            ServerFrame::Checkpoint { checkpoint } => self.checkpoint = Some(*checkpoint),
            _ => {}
        }
    }

    /// What is said, in order.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut shown: Vec<&Shown> = self.messages.values().collect();
        shown.sort_by_key(|shown| shown.position);
        shown.into_iter().map(|shown| shown.content.clone()).collect()
    }

    /// It shows that transcript.
    pub(super) fn shows(&self, transcript: &[Entry]) {
        let texts: Vec<String> = transcript.iter().map(|entry| entry.content.clone()).collect();
        assert_eq!(self.texts(), texts);
    }
}

fn shown(message: &portway_protocol::message::Message) -> (String, Shown) {
    let position = message.position.expect("messages have places");
    let is_finished = message.parts.as_deref().is_some_and(is_finished);
    (message.id.clone(), Shown { position, content: message.content.clone(), is_finished })
}

fn is_finished(parts: &[Part]) -> bool {
    parts.iter().any(|part| matches!(part, Part::Finish { .. }))
}
