//! A socket whose peer only listens: server-sent events in the body of an answer.
//!
//! What is sent waits in a queue until the connection takes it. Taking it is the acknowledgement of the peer, who cannot
//! give another one, so what is true of sockets that acknowledge is true of these as well.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use portway_ports::shared_text::SharedText;
use portway_ports::system::Clock;
use portway_protocol::resuming::ResumingFrame;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;

use crate::socket::{Incoming, Socket, SocketClosed};

/// The type of such a body.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// After so much silence a comment is sent, which keeps proxies from closing the connection.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Most bytes that wait for the connection: a state as large as it gets, and what is on its way in a window.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;

/// One end sends events, the other is the body that they are in.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was sent, or nothing more will be.
    sent: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Event>,
    bytes: usize,
    /// What the peer has, if that was not said yet.
    acknowledged: Option<Ack>,
    seq: u64,
    is_closed: bool,
    is_gone: bool,
    /// Whoever waits until something was taken, or nothing more will be.
    sender: Option<Waker>,
}

/// How far the peer has come.
#[derive(Debug, Clone, Copy)]
struct Ack {
    seq: u64,
    checkpoint: Option<u64>,
}

struct Event {
    text: Bytes,
    seq: Option<u64>,
    checkpoint: Option<u64>,
}

/// What of a frame is told beside its text.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    r#type: std::borrow::Cow<'a, str>,
    seq: Option<u64>,
    checkpoint: Option<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that sends.
pub(super) struct StreamSocket(Arc<Shared>);

/// The end that is read.
struct Reader {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

impl Drop for StreamSocket {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.sent.notify_one();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_gone = true;
        state.waiting.clear();
        let sender = state.sender.take();
        drop(state);
        sender.into_iter().for_each(Waker::wake);
    }
}

/// A socket that sends into the answer, which begins with an event `connected`.
pub(super) fn stream(clock: Arc<dyn Clock>, connected: &serde_json::Value) -> (StreamSocket, Response) {
    let shared = Arc::new(Shared::default());
    let socket = StreamSocket(Arc::clone(&shared));
    socket.push(Event { text: event("connected", None, &connected.to_string()), seq: None, checkpoint: None });
    let reader = Reader { shared, clock };
    let events = unfold(reader, |reader| async move {
        let next = reader.next().await?;
        Some((Ok::<_, std::convert::Infallible>(next), reader))
    });
    let mut response = Response::new(Body::from_stream(events));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some proxies keep an answer back until they have much of it.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    (socket, response)
}

/// An event as it is written; `data` is one line.
fn event(name: &str, id: Option<u64>, data: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("event: {name}\n{id}data: {data}\n\n"))
}

impl StreamSocket {
    fn push(&self, event: Event) {
        let mut state = self.0.lock();
        state.bytes += event.text.len();
        state.waiting.push_back(event);
        drop(state);
        self.0.sent.notify_one();
    }
}

#[async_trait]
impl Socket for StreamSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let mut state = self.0.lock();
        if state.is_gone || state.is_closed {
            return Poll::Ready(None);
        }
        let Some(Ack { seq, checkpoint }) = state.acknowledged.take() else {
            state.sender = Some(cx.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(serde_json::to_string(&ResumingFrame::Ack { seq, checkpoint }).ok().map(Incoming::Text))
    }

    async fn send(&mut self, text: SharedText) -> Result<(), SocketClosed> {
        let text = text.as_str();
        let Ok(Head { r#type, seq, checkpoint }) = serde_json::from_str::<Head<'_>>(text) else {
            tracing::error!("a frame has no type");
            return Ok(());
        };
        let is_asked = r#type == "checkpoint";
        // The peer has nothing to do with it: it is told by what is taken.
        let text = if is_asked { Bytes::new() } else { event(&r#type, seq, text) };
        let state = self.0.lock();
        let is_full = state.bytes + text.len() > MAX_WAITING_BYTES;
        if state.is_gone || state.is_closed || is_full {
            return Err(SocketClosed);
        }
        drop(state);
        self.push(Event { text, seq, checkpoint: checkpoint.filter(|_| is_asked) });
        Ok(())
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let text = event("close", None, &json!({"code": code, "reason": reason}).to_string());
        if !self.0.lock().is_closed {
            self.push(Event { text, seq: None, checkpoint: None });
            self.0.lock().is_closed = true;
        }
    }
}

impl Reader {
    /// What the connection gets next; `None` at the end.
    async fn next(&self) -> Option<Bytes> {
        loop {
            let sent = self.shared.sent.notified();
            match self.take() {
                Taken::Some(text) if text.is_empty() => continue,
                Taken::Some(text) => return Some(text),
                Taken::End => return None,
                Taken::Nothing => {}
            }
            tokio::select! {
                () = sent => {}
                () = self.clock.sleep(HEARTBEAT) => return Some(Bytes::from_static(b": heartbeat\n\n")),
            }
        }
    }

    fn take(&self) -> Taken {
        let mut state = self.shared.lock();
        let Some(Event { text, seq, checkpoint }) = state.waiting.pop_front() else {
            return if state.is_closed { Taken::End } else { Taken::Nothing };
        };
        state.bytes -= text.len();
        if seq.is_some() || checkpoint.is_some() {
            state.seq = seq.unwrap_or(state.seq);
            let before = state.acknowledged.and_then(|ack| ack.checkpoint);
            state.acknowledged = Some(Ack { seq: state.seq, checkpoint: checkpoint.or(before) });
            let sender = state.sender.take();
            drop(state);
            sender.into_iter().for_each(Waker::wake);
        }
        Taken::Some(text)
    }
}

enum Taken {
    Some(Bytes),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use futures_util::{FutureExt, StreamExt};
    use portway_domain::time::Timestamp;

    /// Time that passes when somebody sleeps.
    struct Sleepy;

    #[async_trait]
    impl Clock for Sleepy {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        async fn sleep(&self, _: Duration) {}
    }

    /// Time that stands still.
    struct Still;

    #[async_trait]
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        async fn sleep(&self, _: Duration) {
            std::future::pending().await
        }
    }

    fn open(clock: impl Clock + 'static) -> (StreamSocket, axum::body::BodyDataStream) {
        let (socket, response) = stream(Arc::new(clock), &json!({"sessionId": "s"}));
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        (socket, response.into_body().into_data_stream())
    }

    async fn next(body: &mut axum::body::BodyDataStream) -> String {
        String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap()
    }

    async fn send(socket: &mut StreamSocket, text: &str) {
        socket.send(text.to_owned().into()).await.unwrap();
    }

    fn acknowledged(socket: &mut StreamSocket) -> Option<String> {
        match (socket as &mut dyn Socket).receive().now_or_never()?? {
            Incoming::Text(text) => Some(text),
            Incoming::Binary(_) => panic!("an acknowledgement is text"),
        }
    }

    #[tokio::test]
    async fn frames_are_events_and_taking_them_acknowledges_them() {
        let (mut socket, mut body) = open(Still);
        assert_eq!(next(&mut body).await, "event: connected\ndata: {\"sessionId\":\"s\"}\n\n");
        send(&mut socket, r#"{"type":"title","title":"a\nb","seq":7}"#).await;
        send(&mut socket, r#"{"type":"checkpoint","checkpoint":1}"#).await;
        send(&mut socket, r#"{"type":"pong"}"#).await;
        assert_eq!(acknowledged(&mut socket), None, "nobody has taken anything");
        let title = "event: title\nid: 7\ndata: {\"type\":\"title\",\"title\":\"a\\nb\",\"seq\":7}\n\n";
        assert_eq!(next(&mut body).await, title);
        assert_eq!(acknowledged(&mut socket).unwrap(), r#"{"type":"ack","seq":7}"#);
        assert_eq!(next(&mut body).await, "event: pong\ndata: {\"type\":\"pong\"}\n\n");
        assert_eq!(acknowledged(&mut socket).unwrap(), r#"{"type":"ack","seq":7,"checkpoint":1}"#);
        socket.close(1008, "no").await;
        assert!(socket.send(r#"{"type":"pong"}"#.into()).await.is_err());
        assert_eq!(next(&mut body).await, "event: close\ndata: {\"code\":1008,\"reason\":\"no\"}\n\n");
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn silence_is_broken_by_comments() {
        let (_socket, mut body) = open(Sleepy);
        next(&mut body).await;
        assert_eq!(next(&mut body).await, ": heartbeat\n\n");
    }

    #[tokio::test]
    async fn either_end_may_go() {
        let (mut socket, body) = open(Still);
        drop(body);
        assert_eq!((&mut socket as &mut dyn Socket).receive().await, None);
        assert_eq!(socket.send(r#"{"type":"pong"}"#.into()).await, Err(SocketClosed));
        let (socket, mut body) = open(Still);
        drop(socket);
        next(&mut body).await;
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn what_waits_is_bounded() {
        let (mut socket, _body) = open(Still);
        let large = format!(r#"{{"type":"title","title":"{}"}}"#, "x".repeat(MAX_WAITING_BYTES / 2));
        socket.send(large.clone().into()).await.unwrap();
        assert_eq!(socket.send(large.into()).await, Err(SocketClosed));
    }
}
