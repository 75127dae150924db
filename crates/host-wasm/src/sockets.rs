//! WebSockets of a Durable Object. The platform keeps them open while the object sleeps, and wakes it up with each frame.
//!
//! What talks over a socket is a future that waits for frames. It ends when the object falls asleep, because all that it
//! had in memory is gone then; a woken object begins it anew, see the decision record on sockets that sleep.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Request, StatusCode, header};
use portway_adapters_cloudflare::Keep;
use portway_api::{ApiError, ErrorCode, Incoming, ServeSocket, Socket, SocketClosed, Upgrade};
use portway_ports::shared_text::SharedText;
use portway_protocol::{CLOSE_RESTART, MAX_FRAME_BYTES};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use worker::WebSocket;

/// Most bytes of frames that wait for a socket's future. A runner keeps no more than half of it unacknowledged.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;

/// Longest reason of a close frame, in bytes.
const MAX_REASON_BYTES: usize = 123;

/// Where the API leaves what is to talk over the socket that a request asks for.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<ServeSocket>>>);

impl Slot {
    /// What is to talk over the socket, if the request was let in.
    pub(crate) fn take(&self) -> Option<ServeSocket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Upgrades requests that have a [`Slot`]: those that reach an object.
pub(crate) struct SlotUpgrade;

#[async_trait]
impl Upgrade for SlotUpgrade {
    async fn upgrade(&self, parts: Parts, serve: ServeSocket) -> Response {
        let Some(slot) = parts.extensions.get::<Slot>() else {
            let message = "sockets are opened under the exact path that the description names";
            return ApiError::new(ErrorCode::InvalidRequest, message).into_response("");
        };
        *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(serve);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response
    }
}

/// The request that opened a socket, as far as it takes to open it again. It stays with the socket while the object
/// sleeps.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    uri: String,
    headers: Vec<(String, String)>,
}

/// Headers that decide who is let in.
const KEPT: [header::HeaderName; 3] = [header::AUTHORIZATION, header::HOST, header::ORIGIN];

impl Opening {
    /// Of a request.
    pub(crate) fn of(request: &Request<Body>) -> Self {
        let text = |name: &header::HeaderName| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        };
        Self { uri: request.uri().to_string(), headers: KEPT.iter().filter_map(text).collect() }
    }

    /// Whether the peer gets on by itself when its socket is closed with the request to come back: runners send what was
    /// not acknowledged, and clients of the second protocol name where they left off.
    pub(crate) fn comes_back(&self) -> bool {
        let query = self.uri.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| matches!(pair, "role=runner" | "protocol=2"))
    }

    /// The same request again.
    pub(crate) fn request(&self) -> http::Result<Request<Body>> {
        let mut request = Request::get(&self.uri).header(header::UPGRADE, "websocket");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Body::empty())
    }
}

/// A socket's frames on their way to its future.
struct Line {
    sender: mpsc::UnboundedSender<Incoming>,
    waiting: Arc<AtomicUsize>,
}

/// The other end of a [`Line`].
pub(crate) struct Frames {
    receiver: mpsc::UnboundedReceiver<Incoming>,
    waiting: Arc<AtomicUsize>,
}

/// The open sockets of an object, by the tag that the platform keeps with each.
#[derive(Clone, Default)]
pub(crate) struct Sockets(Rc<RefCell<HashMap<String, Line>>>);

impl Sockets {
    /// Frames of that socket from now on.
    pub(crate) fn listen(&self, tag: &str) -> Frames {
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        self.0.borrow_mut().insert(tag.to_owned(), Line { sender, waiting: waiting.clone() });
        Frames { receiver, waiting }
    }

    /// Whether none is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// A frame came. Answers whether somebody takes it: a socket of which nothing is known, or that sends faster than its
    /// frames are dealt with, is given up.
    pub(crate) fn came(&self, tag: &str, frame: Incoming) -> bool {
        let length = length(&frame);
        let sockets = self.0.borrow();
        let Some(line) = sockets.get(tag).filter(|_| length <= MAX_FRAME_BYTES) else {
            return false;
        };
        let waiting = line.waiting.fetch_add(length, Ordering::Relaxed) + length;
        waiting <= MAX_WAITING_BYTES && line.sender.send(frame).is_ok()
    }

    /// The peer is gone.
    pub(crate) fn closed(&self, tag: &str) {
        self.0.borrow_mut().remove(tag);
    }

    /// Lets `serve` talk over a socket until it ends.
    pub(crate) fn begin(&self, tag: String, socket: WebSocket, frames: Frames, serve: ServeSocket) {
        let sockets = self.clone();
        Keep::object().spawn(async move {
            let peer = ObjectSocket { socket: socket.clone(), frames, is_open: true };
            serve(Box::new(peer)).await;
            sockets.closed(&tag);
            // One that is closed already stays so.
            let _ = socket.close(Some(CLOSE_RESTART), Some("The gateway gave this socket up"));
        });
    }
}

fn length(frame: &Incoming) -> usize {
    match frame {
        Incoming::Text(text) => text.len(),
        Incoming::Binary(bytes) => bytes.len(),
    }
}

struct ObjectSocket {
    socket: WebSocket,
    frames: Frames,
    is_open: bool,
}

#[async_trait]
impl Socket for ObjectSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        if !self.is_open {
            return Poll::Ready(None);
        }
        let frame = self.frames.receiver.poll_recv(cx);
        match &frame {
            Poll::Ready(Some(frame)) => drop(self.frames.waiting.fetch_sub(length(frame), Ordering::Relaxed)),
            Poll::Ready(None) => self.is_open = false,
            Poll::Pending => {}
        }
        frame
    }

    async fn send(&mut self, text: SharedText) -> Result<(), SocketClosed> {
        self.is_open = self.is_open && self.socket.send_with_str(text.as_str()).is_ok();
        if self.is_open { Ok(()) } else { Err(SocketClosed) }
    }

    async fn close(&mut self, code: u16, reason: &str) {
        if self.is_open {
            // The peer may be gone meanwhile.
            let _ = self.socket.close(Some(code), Some(&reason[..reason.floor_char_boundary(MAX_REASON_BYTES)]));
            self.is_open = false;
        }
    }
}
