//! A connection that carries the answers of the gateway and no others.
//!
//! hyper answers a head that it cannot read by itself: with a bare status, which has no request id and is in no log. Such
//! an answer is known by its time, since nobody has asked for one. [`Wire`] keeps it back, and when hyper is done hands
//! the connection over to whoever opened it, who can write a better one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{StatusCode, Version};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::lingering::Lingering;

/// How every response of HTTP/1 begins.
const RESPONSE: &[u8] = b"HTTP/1.";

/// The next request is awaited, and all responses are written.
const LISTENING: u8 = 0;
/// A request is at work, or its response is on its way.
const ANSWERING: u8 = 1;
/// A response is complete; hyper may still hold the end of it.
const ANSWERED: u8 = 2;
/// It is no matter of turns any more: the connection speaks HTTP/2, or is a socket.
const OPEN: u8 = 3;

/// Whose turn it is to speak. A connection and its service share one and run in the same task, so that nothing has to be
/// ordered.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    state: AtomicU8,
    /// Whether there was a request.
    begun: AtomicBool,
    /// Whether a part of the next head has come.
    heard: AtomicBool,
}

impl Turn {
    fn get(&self) -> u8 {
        self.state.load(Ordering::Relaxed)
    }

    fn change(&self, from: u8, to: u8) {
        let _ = self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A request has come.
    pub(crate) fn begin(&self, version: Version) {
        self.begun.store(true, Ordering::Relaxed);
        self.heard.store(false, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            self.state.store(OPEN, Ordering::Relaxed);
        } else {
            self.change(LISTENING, ANSWERING);
            self.change(ANSWERED, ANSWERING);
        }
    }

    /// Notes the end of a response.
    pub(crate) fn watch(self: Arc<Self>, response: Response) -> Response<Watched> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.state.store(OPEN, Ordering::Relaxed);
        }
        response.map(|body| Watched { body, turn: self })
    }

    /// Whether there was a request.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether the peer is in the middle of the head of a request.
    pub(crate) fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Whether the next request is awaited, and all responses are written.
    pub(crate) fn is_listening(&self) -> bool {
        self.get() == LISTENING
    }
}

/// The body of a response. hyper drops it once it has taken all of it.
#[derive(Debug)]
pub(crate) struct Watched {
    body: Body,
    turn: Arc<Turn>,
}

impl HttpBody for Watched {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.turn.change(ANSWERING, ANSWERED);
    }
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Wire {
    /// There until it is dropped.
    stream: Option<Lingering>,
    turn: Arc<Turn>,
    /// Whether an answer was kept back. The connection is left open for another one then.
    withheld: bool,
    back: Option<oneshot::Sender<Lingering>>,
}

impl Wire {
    /// Answers also with where the connection arrives when hyper is done with it. Nothing does if it became a socket.
    pub(crate) fn new(stream: Lingering, turn: Arc<Turn>) -> (Self, oneshot::Receiver<Lingering>) {
        let (back, receiver) = oneshot::channel();
        (Self { stream: Some(stream), turn, withheld: false, back: Some(back) }, receiver)
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Lingering>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether what begins with these bytes has to be kept back.
    fn withholds(&mut self, bytes: &[u8]) -> bool {
        self.withheld |= self.turn.is_listening() && bytes.starts_with(RESPONSE);
        self.withheld
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = self.stream()?.poll_read(context, buffer);
        if buffer.filled().len() > before && self.turn.get() != ANSWERING {
            self.turn.heard.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.withholds(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.stream()?.poll_flush(context);
        if result.is_ready() {
            // hyper flushes when it holds nothing back.
            self.turn.change(ANSWERED, LISTENING);
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.withheld {
            return Poll::Ready(Ok(()));
        }
        self.stream()?.poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = pieces.iter().find(|piece| !piece.is_empty());
        if first.is_some_and(|piece| self.withholds(piece)) {
            return Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()));
        }
        self.stream()?.poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            // Where nobody waits for it any more, it comes back here and is dropped.
            drop(back.send(stream));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";

    struct Ends {
        wire: Wire,
        turn: Arc<Turn>,
        back: oneshot::Receiver<Lingering>,
        peer: TcpStream,
    }

    async fn ends() -> Ends {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let turn = Arc::new(Turn::default());
        let (wire, back) = Wire::new(Lingering::new(listener.accept().await.unwrap().0), Arc::clone(&turn));
        Ends { wire, turn, back, peer }
    }

    impl Ends {
        /// Ends the connection as hyper does; answers with all that the peer received.
        async fn received(mut self) -> String {
            self.wire.flush().await.unwrap();
            self.wire.shutdown().await.unwrap();
            drop(self.wire);
            drop(self.back);
            let mut received = String::new();
            self.peer.read_to_string(&mut received).await.unwrap();
            received
        }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_asked_for_is_kept_back_and_the_connection_is_left_for_another() {
        let Ends { mut wire, mut back, mut peer, .. } = ends().await;
        wire.write_all(BARE).await.unwrap();
        wire.flush().await.unwrap();
        wire.shutdown().await.unwrap();
        drop(wire);
        let mut stream = back.try_recv().unwrap();
        stream.write_all(b"better").await.unwrap();
        drop(stream);
        let mut received = String::new();
        peer.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "better");
    }

    #[tokio::test]
    async fn an_answer_to_a_request_passes_until_its_end_is_flushed() {
        let mut ends = ends().await;
        ends.turn.begin(Version::HTTP_11);
        let response = Arc::clone(&ends.turn).watch(Response::new(Body::empty()));
        for part in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"HTTP/1.1 in a body"] {
            ends.wire.write_all(part).await.unwrap();
            ends.wire.flush().await.unwrap();
        }
        drop(response);
        ends.wire.write_all(b", in the end of it").await.unwrap();
        assert!(!ends.turn.is_listening());
        ends.wire.flush().await.unwrap();
        assert!(ends.turn.is_listening());
        let written = ends.wire.write_vectored(&[IoSlice::new(b""), IoSlice::new(BARE)]).await.unwrap();
        assert_eq!(written, BARE.len());
        drop(ends.back);
        drop(ends.wire);
        let mut received = String::new();
        ends.peer.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 in a body, in the end of it");
    }

    #[tokio::test]
    async fn sockets_and_http2_say_what_they_like() {
        for status in [StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
            let mut ends = ends().await;
            let is_socket = status == StatusCode::SWITCHING_PROTOCOLS;
            ends.turn.begin(if is_socket { Version::HTTP_11 } else { Version::HTTP_2 });
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            drop(Arc::clone(&ends.turn).watch(response));
            ends.wire.flush().await.unwrap();
            ends.wire.write_all(b"HTTP/1.1 is our topic").await.unwrap();
            assert_eq!(ends.received().await, "HTTP/1.1 is our topic");
        }
    }

    #[tokio::test]
    async fn a_part_of_a_head_is_noticed() {
        let mut ends = ends().await;
        let read = async |ends: &mut Ends, bytes: &[u8]| {
            ends.peer.write_all(bytes).await.unwrap();
            ends.wire.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
        };
        assert!(!ends.turn.has_heard() && !ends.turn.has_begun());
        read(&mut ends, b"GET /").await;
        assert!(ends.turn.has_heard());
        ends.turn.begin(Version::HTTP_11);
        read(&mut ends, b"body").await;
        assert!(!ends.turn.has_heard() && ends.turn.has_begun());
        drop(Arc::clone(&ends.turn).watch(Response::new(Body::empty())));
        read(&mut ends, b"POST").await;
        assert!(ends.turn.has_heard());
    }
}
