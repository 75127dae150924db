//! A client's socket of a session.

use futures_util::{SinkExt, StreamExt};
use portway_protocol::client::{AnswerValue, ClientFrame, QueueMode};
use portway_protocol::message::AgentStatus;
use portway_protocol::server::{InitData, ServerFrame, StatusData};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::PATIENCE;
use super::api::Api;
use super::mirror::{Entry, Mirror, OpenQuestion};
use super::replacement::Replacement;

/// A WebSocket of the gateway.
pub(crate) type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Close code of RFC 6455 for a peer that may not go on.
pub(crate) const CLOSE_POLICY: u16 = 1008;

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
    /// Kept where hints may be lost; elsewhere each of them has to come.
    replacement: Option<Replacement>,
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
        let mut socket =
            Self { stream, closed_with: None, replacement: None, frames: Vec::new(), mirror: Mirror::default() };
        match socket.receive().await {
            Some(ServerFrame::Init { .. }) => {
                socket.replacement = api.has_neighbours().then(Replacement::default);
                Ok(socket)
            }
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
                    if self.replacement.as_mut().is_some_and(|replacement| replacement.apply(&frame)) {
                        self.ping().await;
                    }
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
        self.wait(what, |socket, _| wanted(&socket.mirror)).await
    }

    async fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&Self, Option<&ServerFrame>) -> Option<T>) -> T {
        let reading = async {
            if let Some(found) = wanted(self, None) {
                return Some(found);
            }
            while let Some(frame) = self.receive().await {
                if let Some(found) = wanted(self, Some(&frame)) {
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

    /// Reads until a hint tells what is wanted, and answers with that. Where hints may be lost, an `init` in the place of
    /// some that shows as much will do, and answers nothing.
    async fn wait_hint<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&ServerFrame) -> Option<T>,
        shows: impl Fn(&InitData, &Mirror) -> bool,
    ) -> Option<T> {
        let told = self.wait(what, |socket, frame| match frame.and_then(&wanted) {
            Some(told) => Some(Some(told)),
            None => socket.shown().filter(|data| shows(data, &socket.mirror)).map(|_| None),
        });
        let told = told.await;
        if told.is_some() {
            self.replacement_is_past();
        }
        told
    }

    /// Waits for a `status` frame like that, or an `init` that shows as much.
    async fn wait_status(
        &mut self,
        what: &str,
        wanted: impl Fn(&StatusData) -> bool,
        shows: impl Fn(&InitData, &Mirror) -> bool,
    ) -> Option<StatusData> {
        let found = |frame: &ServerFrame| match frame {
            ServerFrame::Status { data } if wanted(data) => Some(data.clone()),
            _ => None,
        };
        self.wait_hint(what, found, shows).await
    }

    fn shown(&self) -> Option<&InitData> {
        self.replacement.as_ref()?.shown()
    }

    fn replacement_is_past(&mut self) {
        if let Some(replacement) = &mut self.replacement {
            replacement.is_past();
        }
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
        let idle = wanted == AgentStatus::Idle;
        self.wait_hint(&format!("the agent is {wanted:?}"), matches, |data, _| data.runner_busy != idle).await;
    }

    /// Waits until the turn that goes on is over and no other begins.
    pub(crate) async fn turn_end(&mut self) {
        self.told_turn_end().await;
    }

    /// The same, and the turn was aborted or was not.
    pub(crate) async fn turn_end_with(&mut self, aborted: bool) {
        if let Some(told) = self.told_turn_end().await {
            assert_eq!(told.aborted, aborted.then_some(true));
        }
    }

    async fn told_turn_end(&mut self) -> Option<StatusData> {
        let over = |data: &InitData, _: &Mirror| !data.runner_busy && data.prompts_queued == 0;
        self.wait_status("the end of the turn", |data| data.runner_busy == Some(false), over).await
    }

    /// Waits until the prompt that was said last is queued, in that place.
    pub(crate) async fn queued(&mut self, place: usize) {
        let has_place = |data: &InitData, _: &Mirror| data.prompts_queued == place;
        if let Some(told) = self.wait_status("its place", |data| data.prompt_queued.is_some(), has_place).await {
            assert_eq!(told.queue_position, Some(place));
        }
    }

    /// Waits until the next prompt leaves the queue, where so many remain.
    pub(crate) async fn dequeued(&mut self, remaining: usize) {
        let has_left = |data: &InitData, _: &Mirror| data.prompts_queued <= remaining;
        if let Some(told) = self.wait_status("its turn", |data| data.prompt_dequeued.is_some(), has_left).await {
            assert_eq!(told.remaining, Some(remaining));
        }
    }

    /// Waits until the prompt is taken back, and so many still wait.
    pub(crate) async fn withdrawn(&mut self, prompt: &str, remaining: usize) {
        let is_gone =
            |data: &InitData, mirror: &Mirror| data.prompts_queued == remaining && mirror.message(prompt).is_none();
        if let Some(told) = self.wait_status("its end", |data| data.prompt_withdrawn.is_some(), is_gone).await {
            assert_eq!((told.prompt_withdrawn.as_deref(), told.remaining), (Some(prompt), Some(remaining)));
        }
    }

    /// Waits until so many prompts are dropped from the queue.
    pub(crate) async fn queue_cleared(&mut self, count: usize) {
        let is_empty = |data: &InitData, _: &Mirror| data.prompts_queued == 0;
        if let Some(told) = self.wait_status("the queue is empty", |data| data.queue_cleared.is_some(), is_empty).await
        {
            assert_eq!(told.cleared, Some(count));
        }
    }

    /// Waits until the question is answered with that choice.
    pub(crate) async fn question_answered(&mut self, question: &str, label: &str) {
        let closed = |_: &InitData, mirror: &Mirror| mirror.question(question).is_none();
        if let Some(told) = self.wait_status("the answer", |data| data.question_answered.is_some(), closed).await {
            assert_eq!((told.question_answered.as_deref(), told.answer.as_deref()), (Some(question), Some(label)));
        }
    }

    /// Waits until the question closes without an answer.
    pub(crate) async fn question_expired(&mut self, question: &str) {
        let closed = |_: &InitData, mirror: &Mirror| mirror.question(question).is_none();
        let expired = self.wait_status("the question closes", |data| data.question_expired.is_some(), closed).await;
        if let Some(told) = expired {
            assert_eq!(told.question_expired.as_deref(), Some(question));
        }
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

    /// Everything that was told since the last look; nothing if an `init` took the place of some of it.
    fn all_since(&self, from: usize) -> Option<&[ServerFrame]> {
        let frames = &self.frames[from..];
        let lost = self.replacement.is_some() && frames.iter().any(|frame| matches!(frame, ServerFrame::Init { .. }));
        (!lost).then_some(frames)
    }

    /// What the agent did since the last look, without repetitions, if all of it was told.
    pub(crate) fn agent_statuses(&self, from: usize) -> Option<Vec<AgentStatus>> {
        let statuses = self.all_since(from)?.iter().filter_map(|frame| match frame {
            ServerFrame::AgentStatus { status, .. } => Some(*status),
            _ => None,
        });
        let mut statuses: Vec<AgentStatus> = statuses.collect();
        statuses.dedup();
        Some(statuses)
    }

    /// Frames of streamed text since the last look, if all of them came.
    pub(crate) fn chunks(&self, from: usize) -> Option<usize> {
        let frames = self.all_since(from)?.iter();
        Some(frames.filter(|frame| matches!(frame, ServerFrame::Chunk { .. })).count())
    }

    /// Everything that was told, if no `init` took the place of some of it.
    pub(crate) fn frames(&self) -> Option<&[ServerFrame]> {
        self.all_since(1)
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.replacement_is_past();
        self.send_text(&serde_json::to_string(frame).unwrap()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&mut self) {
        self.try_send_text(r#"{"type":"ping"}"#).await;
    }

    /// Sends something that may end the connection.
    pub(crate) async fn try_send_text(&mut self, text: &str) {
        let _ = self.stream.send(Message::text(text)).await;
    }

    /// Says something and waits until it is in the transcript; answers with its id.
    pub(crate) async fn prompt(&mut self, text: &str, queue_mode: Option<QueueMode>) -> String {
        self.say(text, queue_mode, None).await
    }

    /// The same with the name of a model.
    pub(crate) async fn prompt_for(&mut self, text: &str, model: Option<&str>) -> String {
        self.say(text, None, model).await
    }

    async fn say(&mut self, text: &str, queue_mode: Option<QueueMode>, model: Option<&str>) -> String {
        let before = self.mirror.messages.len();
        self.send(&ClientFrame::Prompt {
            content: text.to_owned(),
            queue_mode,
            model: model.map(str::to_owned),
            attachments: Vec::new(),
            channel_type: None,
            channel_id: None,
        })
        .await;
        let said = |mirror: &Mirror| {
            let mut new = mirror.messages.iter().skip(before);
            new.find(|message| message.content == text).map(|message| message.id.clone())
        };
        let prompt = self.wait_until("the prompt in the transcript", said).await;
        if let Some(ServerFrame::Message { .. }) = self.frames.last() {
            self.replacement_is_past();
        }
        prompt
    }

    pub(crate) async fn answer(&mut self, question: &str, answer: AnswerValue) {
        self.send(&ClientFrame::Answer { question_id: question.to_owned(), answer }).await;
    }
}
