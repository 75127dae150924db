//! The seam between the api and a host for WebSockets: the host moves frames, and nothing else.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use async_trait::async_trait;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::header::UPGRADE;
use http::request::Parts;
use portway_ports::shared_text::SharedText;

/// A frame from the peer. Control frames are the host's own business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

impl Incoming {
    /// The message as text; `None` when it is not UTF-8. Frames are JSON, whichever kind of message carries them.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }
}

/// The peer is gone, or did not read for so long that the host gave it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the socket is closed")]
pub struct SocketClosed;

/// What a host gives for an open WebSocket. It only moves frames.
///
/// The loop of a socket waits for several things at once, with the socket in one arm and sends in the handlers:
///
/// ```
/// # use portway_api::{Incoming, Socket};
/// # use portway_ports::shared_text::SharedText;
/// # use tokio::sync::mpsc::Receiver;
/// async fn talk(mut socket: Box<dyn Socket>, mut outgoing: Receiver<SharedText>) {
///     loop {
///         tokio::select! {
///             frame = socket.receive() => match frame {
///                 Some(Incoming::Text(text)) => drop(text),
///                 Some(Incoming::Binary(_)) => break socket.close(1003, "text only").await,
///                 None => break,
///             },
///             Some(text) = outgoing.recv() => {
///                 if socket.send(text).await.is_err() {
///                     break;
///                 }
///             }
///         }
///     }
/// }
/// ```
///
/// The future of an arm that lost is dropped before the handler runs, so both may borrow the socket. The host bounds
/// the size of frames in both directions, answers pings, and gives up a peer that takes no bytes for too long; so
/// `send` ends, and a loop that sends does not hang.
#[async_trait]
pub trait Socket: Send {
    /// The next frame, or a promise to wake the caller when there is one; `None` once the socket is closed, and forever
    /// after. A call that answers with a promise has taken no frame.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>>;

    /// Sends a text message, and returns once the host has taken it over into its bounded buffer.
    ///
    /// This is *not* cancel-safe: a call that is dropped may or may not have sent the message. Await it to its end,
    /// in the handler of an arm and not as an arm.
    ///
    /// # Errors
    /// [`SocketClosed`] when the peer is gone.
    async fn send(&mut self, text: SharedText) -> Result<(), SocketClosed>;

    /// Closes the socket with a code of RFC 6455, section 7.4, and a reason of at most 123 bytes. What was sent
    /// before is delivered first. Closing twice does nothing.
    async fn close(&mut self, code: u16, reason: &str);
}

impl dyn Socket + '_ {
    /// The next frame; `None` once the socket is closed, and forever after.
    ///
    /// This is cancel-safe: a call that is dropped before it is ready has taken no frame, nor part of one.
    pub async fn receive(&mut self) -> Option<Incoming> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }
}

/// What talks over the socket once it is open. The socket is closed when it ends.
pub type ServeSocket = Box<dyn FnOnce(Box<dyn Socket>) -> BoxFuture<'static, ()> + Send>;

/// Makes a [`ServeSocket`] of a closure.
pub fn serve_socket<F, Fut>(serve: F) -> ServeSocket
where
    F: FnOnce(Box<dyn Socket>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Box::new(move |socket| Box::pin(serve(socket)))
}

/// How a host turns a request into a WebSocket.
#[async_trait]
pub trait Upgrade: Send + Sync {
    /// Whether the request asks for a WebSocket.
    fn is_upgrade(&self, parts: &Parts) -> bool {
        let asked = parts.headers.get(UPGRADE);
        asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
    }

    /// Answers the request, and has `serve` talk over the socket once it is open. The parts are those of the request
    /// as it came, with all extensions. The caller has been let in at this point.
    async fn upgrade(&self, parts: Parts, serve: ServeSocket) -> Response;
}
