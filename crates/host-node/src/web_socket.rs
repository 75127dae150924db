//! WebSockets of the native host: they only move frames.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use portway_api::{Incoming, ServeSocket, Socket, SocketClosed, Upgrade};
use portway_ports::shared_text::SharedText;
use portway_protocol::MAX_FRAME_BYTES;

/// How long a peer may take none of what is sent before it is given up.
const STALL: Duration = Duration::from_secs(30);

/// Frames are small and sockets are many, so each begins with little memory.
const BUFFER_BYTES: usize = 1024;

/// Most bytes that wait to be taken by a peer.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Upgrades requests with axum.
pub(crate) struct AxumUpgrade;

#[async_trait]
impl Upgrade for AxumUpgrade {
    async fn upgrade(&self, mut parts: Parts, serve: ServeSocket) -> Response {
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade,
            Err(rejection) => return rejection.into_response(),
        };
        upgrade
            .max_message_size(MAX_FRAME_BYTES)
            .max_frame_size(MAX_FRAME_BYTES)
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_write_buffer_size(MAX_WAITING_BYTES)
            .on_upgrade(move |socket| serve(Box::new(HostSocket { socket, open: true })))
    }
}

struct HostSocket {
    socket: WebSocket,
    open: bool,
}

impl HostSocket {
    async fn deliver(&mut self, message: Message) -> Result<(), SocketClosed> {
        if !self.open {
            return Err(SocketClosed);
        }
        let sent = tokio::time::timeout(STALL, self.socket.send(message)).await;
        self.open = matches!(sent, Ok(Ok(())));
        if self.open { Ok(()) } else { Err(SocketClosed) }
    }
}

#[async_trait]
impl Socket for HostSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        while self.open {
            match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(Message::Text(text))) => return Poll::Ready(Some(Incoming::Text(text.as_str().to_owned()))),
                Some(Ok(Message::Binary(bytes))) => return Poll::Ready(Some(Incoming::Binary(bytes.into()))),
                // After a close frame the socket is read to its end, which sends the answer to it.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Err(_)) | None => self.open = false,
            }
        }
        Poll::Ready(None)
    }

    async fn send(&mut self, text: SharedText) -> Result<(), SocketClosed> {
        let text = Utf8Bytes::try_from(text.into_bytes()).map_err(|_| SocketClosed)?;
        self.deliver(Message::Text(text)).await
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let frame = CloseFrame { code, reason: reason[..end].into() };
        let _ = self.deliver(Message::Close(Some(frame))).await;
        self.open = false;
    }
}
