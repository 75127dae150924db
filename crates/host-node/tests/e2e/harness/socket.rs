//! A client's socket of a session.

use futures_util::{SinkExt, StreamExt};
use portway_protocol::client::{AnswerValue, ClientFrame, QueueMode};
use portway_protocol::message::AgentStatus;
use portway_protocol::server::{ServerFrame, StatusData};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::PATIENCE;
use super::api::Api;
use super::mirror::{Entry, Mirror, OpenQuestion};

/// A WebSocket of the gateway.
pub(crate) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket with the caller's key.
pub(crate) async fn connect(api: &Api, path: &str) -> Result<Stream, Error> {
    let mut request = format!("ws://{}{path}", api.address()).into_client_request()?;
    let key = format!("Bearer {}", api.key()).parse().unwrap();
    request.headers_mut().insert("authorization", key);
    Ok(connect_async(request).await?.0)
}

/// A socket, everything that came over it, and the state that follows from it.
pub(crate) struct ClientSocket {
    stream: Stream,
    closed_with: Option<u16>,
    pub(crate) frames: Vec<ServerFrame>,
    pub(crate) mirror: Mirror,
}

impl ClientSocket {
    /// Opens it and reads the state.
    pub(crate) async fn open(api: &Api, session: &str) -> Self {
        Self::try_open(api, session).await.unwrap()
    }

    /// Opens it and reads the state, unless the gateway is gone.
    pub(crate) async fn try_open(api: &Api, session: &str) -> Result<Self, Error> {
        let stream = connect(api, &format!("/api/sessions/{session}/ws?role=client")).await?;
        let mut socket = Self { stream, closed_with: None, frames: Vec::new(), mirror: Mirror::default() };
        match socket.receive().await {
            Some(ServerFrame::Init { .. }) => Ok(socket),
            Some(other) => panic!("expected init first, not {other:?}"),
            None => Err(Error::ConnectionClosed),
        }
    }

    /// The next frame; `None` at the end.
    pub(crate) async fn receive(&mut self) -> Option<ServerFrame> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame: ServerFrame =
                        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
                    assert_ne!(frame, ServerFrame::Unknown, "{text}");
                    self.mirror.apply(&frame);
                    self.frames.push(frame.clone());
                    return Some(frame);
                }
                Some(Ok(Message::Close(frame))) => {
                    self.closed_with = frame.map(|frame| frame.code.into());
                    return None;
                }
                Some(Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Reads until `wanted` finds something in a frame.
    pub(crate) async fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(&ServerFrame) -> Option<T>) -> T {
        self.wait(what, |_, frame| frame.and_then(&mut wanted)).await
    }

    /// Reads until `wanted` finds something in the state, which may be there already.
    pub(crate) async fn wait_until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Mirror) -> Option<T>) -> T {
        self.wait(what, |mirror, _| wanted(mirror)).await
    }

    async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&Mirror, Option<&ServerFrame>) -> Option<T>) -> T {
        let reading = async {
            if let Some(found) = wanted(&self.mirror, None) {
                return Some(found);
            }
            while let Some(frame) = self.receive().await {
                if let Some(found) = wanted(&self.mirror, Some(&frame)) {
                    return Some(found);
                }
            }
            None
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("{what}: the socket was closed before; frames: {:#?}", self.frames),
            Err(_) => panic!("{what}: not within {PATIENCE:?}; frames: {:#?}", self.frames),
        }
    }

    /// Waits for a `status` frame like that.
    pub(crate) async fn wait_status(&mut self, what: &str, wanted: impl Fn(&StatusData) -> bool) -> StatusData {
        let found = |frame: &ServerFrame| match frame {
            ServerFrame::Status { data } if wanted(data) => Some(data.clone()),
            _ => None,
        };
        self.wait_for(what, found).await
    }

    /// Waits until a question is open.
    pub(crate) async fn question(&mut self) -> OpenQuestion {
        self.wait_until("a question", |mirror| mirror.questions.first().cloned()).await
    }

    /// Waits until the message that answers a prompt is finished.
    pub(crate) async fn answer_to(&mut self, prompt: &str) -> Entry {
        let finished = |mirror: &Mirror| mirror.answer_to(prompt).filter(|entry| entry.finish().is_some()).cloned();
        self.wait_until(&format!("the answer to {prompt}"), finished).await
    }

    /// Waits until the agent has said at least that much to a prompt.
    pub(crate) async fn text_of(&mut self, prompt: &str, bytes: usize) -> String {
        let long_enough = |mirror: &Mirror| {
            let entry = mirror.answer_to(prompt)?;
            (entry.content.len() >= bytes).then(|| entry.content.clone())
        };
        self.wait_until(&format!("{bytes} bytes of the answer to {prompt}"), long_enough).await
    }

    /// Waits until the agent does that.
    pub(crate) async fn agent_is(&mut self, wanted: AgentStatus) {
        let matches = |frame: &ServerFrame| {
            matches!(frame, ServerFrame::AgentStatus { status, .. } if *status == wanted).then_some(())
        };
        self.wait_for(&format!("the agent is {wanted:?}"), matches).await;
    }

    /// Waits until the turn that goes on is over and no other begins.
    pub(crate) async fn turn_end(&mut self) -> StatusData {
        self.wait_status("the end of the turn", |data| data.runner_busy == Some(false)).await
    }

    /// Waits for a refusal of something that was sent over this socket; answers with its code.
    pub(crate) async fn refusal(&mut self) -> String {
        let code = |frame: &ServerFrame| match frame {
            ServerFrame::Error { code: Some(code), .. } => Some(code.clone()),
            _ => None,
        };
        self.wait_for("a refusal", code).await
    }

    /// Reads to the end; answers with the code that the gateway closed the socket with.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        let reading = async { while self.receive().await.is_some() {} };
        tokio::time::timeout(PATIENCE, reading).await.expect("the socket is not closed");
        self.closed_with
    }

    /// What the agent did since the last look, without repetitions.
    pub(crate) fn agent_statuses(&self, from: usize) -> Vec<AgentStatus> {
        let statuses = self.frames[from..].iter().filter_map(|frame| match frame {
            ServerFrame::AgentStatus { status, .. } => Some(*status),
            _ => None,
        });
        let mut statuses: Vec<AgentStatus> = statuses.collect();
        statuses.dedup();
        statuses
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.send_text(&serde_json::to_string(frame).unwrap()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// Sends something that may end the connection.
    pub(crate) async fn try_send_text(&mut self, text: &str) {
        let _ = self.stream.send(Message::text(text)).await;
    }

    /// Says something and waits until it is in the transcript; answers with its id.
    pub(crate) async fn prompt(&mut self, text: &str, queue_mode: Option<QueueMode>) -> String {
        let before = self.mirror.messages.len();
        self.send(&ClientFrame::Prompt { content: text.to_owned(), queue_mode, model: None, attachments: Vec::new() })
            .await;
        let said = |mirror: &Mirror| {
            let mut new = mirror.messages.iter().skip(before);
            new.find(|message| message.content == text).map(|message| message.id.clone())
        };
        self.wait_until("the prompt in the transcript", said).await
    }

    pub(crate) async fn answer(&mut self, question: &str, answer: AnswerValue) {
        self.send(&ClientFrame::Answer { question_id: question.to_owned(), answer }).await;
    }
}
