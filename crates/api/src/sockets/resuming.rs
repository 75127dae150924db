//! The client's side of a session in protocol 2: a client that was away is told what it missed, and one that does not
//! say how far it has come is not sent more than a window.

use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::access::SessionRole;
use portway_domain::engine::Notice;
use portway_domain::ids::SessionId;
use portway_domain::time::Timestamp;
use portway_ports::pubsub::{Delivery, Hint, SharedHint, Subscription};
use portway_ports::shared_text::SharedText;
use portway_protocol::resuming::{ResumingFrame, Sequenced};
use portway_protocol::server::ServerFrame;
use portway_protocol::{CLOSE_LAGGING, CLOSE_RESTART};
use portway_services::resuming::Beginning;
use portway_services::{Context, Services};

use super::client::{Client, close_unread, deliver_all, refusal};
use super::listening::{Heard, either};
use super::replay::{self, Present};
use super::window::Window;
use super::{send, shared};
use crate::error::{ApiError, ErrorCode};
use crate::socket::{Incoming, ServeSocket, Socket, SocketClosed, serve_socket};

#[cfg(test)]
mod tests;

/// How long a client with a full window may take to acknowledge something.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most frames of a client that are answered while its window is full.
const ANSWERS: u32 = 64;

pub(super) async fn open(
    services: Arc<Services>,
    context: Context,
    id: SessionId,
    seq: Option<u64>,
) -> Result<ServeSocket, ApiError> {
    let watch = services.resume_watch(&context, &id, seq).await?;
    let is_owner = watch.beginning.access().is_owner();
    let client = Client { services, context, id, principal: watch.principal, is_owner, known: 0 };
    let window = Window::new(seq.unwrap_or(0));
    let resuming = Box::new(Resuming { client, told: 0, window, full: None });
    let (beginning, subscription) = (Box::new(watch.beginning), watch.subscription);
    Ok(serve_socket(move |socket| resuming.serve(socket, beginning, subscription)))
}

struct Resuming {
    client: Client,
    /// The counter of the state that the client was told.
    told: u64,
    window: Window,
    /// Set while the window is full.
    full: Option<Full>,
}

/// A full window.
struct Full {
    since: Timestamp,
    answers: u32,
}

impl Resuming {
    async fn serve(
        mut self: Box<Self>,
        mut socket: Box<dyn Socket>,
        beginning: Box<Beginning>,
        mut subscription: Box<dyn Subscription>,
    ) {
        // The peer being gone is the ordinary end.
        let _ = self.talk(&mut *socket, beginning, &mut *subscription).await;
    }

    /// What is done now and then is boxed, as for other clients.
    async fn talk(
        &mut self,
        socket: &mut dyn Socket,
        beginning: Box<Beginning>,
        subscription: &mut dyn Subscription,
    ) -> Result<(), SocketClosed> {
        Box::pin(self.begin(socket, beginning)).await?;
        let _presence = self.client.services.join(&self.client.id, self.client.principal.clone());
        loop {
            let heard = match self.patience() {
                None => either(socket, subscription).await,
                Some(patience) => tokio::select! {
                    incoming = socket.receive() => Heard::Peer(incoming),
                    () = self.client.services.clock().sleep(patience) => {
                        return Err(Box::pin(self.give_up(socket)).await);
                    }
                },
            };
            match heard {
                Heard::Peer(Some(incoming)) => Box::pin(self.received(socket, incoming)).await?,
                Heard::Watched(Some(Delivery::Hint(hint))) => Box::pin(self.tell(socket, &hint)).await?,
                Heard::Watched(Some(Delivery::Missed)) => Box::pin(self.catch_up(socket)).await?,
                Heard::Peer(None) => return Ok(()),
                Heard::Watched(None) => {
                    socket.close(CLOSE_RESTART, "The gateway goes down").await;
                    return Ok(());
                }
            }
            Box::pin(self.note_window(socket)).await?;
        }
    }

    /// How long the client may still take to acknowledge something, if it has to.
    fn patience(&self) -> Option<Duration> {
        let now = self.client.services.clock().now();
        self.full.as_ref().map(|full| full.since.plus(PATIENCE).since(now))
    }

    /// Sends what the client begins with. It asked for that, so it is no part of the window.
    async fn begin(&mut self, socket: &mut dyn Socket, beginning: Box<Beginning>) -> Result<(), SocketClosed> {
        let frames = self.beginning(*beginning).await;
        for frame in &frames {
            send(socket, frame).await?;
        }
        self.window.mark(self.told);
        Ok(())
    }

    async fn beginning(&mut self, beginning: Beginning) -> Vec<Sequenced> {
        (self.client.known, self.told) = (beginning.version(), beginning.seq());
        let (users, sockets) = self.client.services.present(&self.client.id).await;
        replay::beginning(beginning, Present { users, sockets })
    }

    /// Hints were lost: the client is told what changed since then.
    async fn catch_up(&mut self, socket: &mut dyn Socket) -> Result<(), SocketClosed> {
        let context = self.client.frame_context(SessionRole::Viewer);
        match self.client.services.beginning(&context, &self.client.id, Some(self.told)).await {
            Ok((_, beginning)) => {
                let frames = self.beginning(beginning).await;
                self.send_all(socket, &frames).await
            }
            Err(error) => Err(close_unread(socket, &error).await),
        }
    }

    async fn tell(&mut self, socket: &mut dyn Socket, hint: &SharedHint) -> Result<(), SocketClosed> {
        match &**hint {
            Hint::Session { version, seq, notices } if *version > self.client.known => {
                let me = &self.client.principal.user;
                if notices.iter().any(|notice| matches!(notice, Notice::AccessWithdrawn { user } if user == me)) {
                    return self.catch_up(socket).await;
                }
                if *seq <= self.told {
                    let frames: Vec<_> = replay::frames_of(notices, None).into_iter().flatten().collect();
                    return self.send_all(socket, &frames).await;
                }
                self.told = *seq;
                self.send_shared(socket, notices, *seq, shared::sequenced(hint)).await
            }
            Hint::Presence(_) | Hint::Responded(_) => {
                let mut socket = Counted { socket, window: &mut self.window };
                deliver_all(&mut socket, shared::plain(hint)).await
            }
            Hint::Session { .. } | Hint::Bus(_) | Hint::RunnerAsked(_) | Hint::RunnerAnswered { .. } => Ok(()),
        }
    }

    async fn received(&mut self, socket: &mut dyn Socket, incoming: Incoming) -> Result<(), SocketClosed> {
        match serde_json::from_str(incoming.text().unwrap_or_default()) {
            Ok(ResumingFrame::Ack { seq, checkpoint }) => {
                self.window.acknowledge(seq, checkpoint);
                Ok(())
            }
            Ok(ResumingFrame::History { before, limit }) => {
                self.answering(socket).await?;
                let answer = self.history(before, limit).await;
                self.send_all(socket, &[answer.into()]).await
            }
            Ok(ResumingFrame::Other) => {
                self.answering(socket).await?;
                let mut socket = Counted { socket, window: &mut self.window };
                self.client.received(&mut socket, incoming).await
            }
            Err(_) => {
                self.answering(socket).await?;
                let error = ApiError::new(ErrorCode::InvalidRequest, "Not a frame of the protocol");
                self.send_all(socket, &[refusal(&error).into()]).await
            }
        }
    }

    /// A client that only talks and acknowledges nothing is given up.
    async fn answering(&mut self, socket: &mut dyn Socket) -> Result<(), SocketClosed> {
        let Some(full) = &mut self.full else {
            return Ok(());
        };
        full.answers += 1;
        if full.answers > ANSWERS { Err(self.give_up(socket).await) } else { Ok(()) }
    }

    async fn history(&self, before: u64, limit: Option<u32>) -> ServerFrame {
        if self.full.is_some() {
            let message = "Acknowledge what was sent before asking for more";
            return refusal(&ApiError::new(ErrorCode::RateLimitExceeded, message));
        }
        let context = self.client.frame_context(SessionRole::Viewer);
        match self.client.services.older_messages(&context, &self.client.id, before, limit).await {
            Ok(older) => replay::history(older),
            Err(error) => refusal(&error.into()),
        }
    }

    /// Sends the frames of a change, which all clients get alike.
    async fn send_shared(
        &mut self,
        socket: &mut dyn Socket,
        notices: &[Notice],
        seq: u64,
        texts: &[Option<SharedText>],
    ) -> Result<(), SocketClosed> {
        let last = replay::completing(notices);
        let mut socket = Counted { socket, window: &mut self.window };
        for (place, (notice, text)) in notices.iter().zip(texts).enumerate() {
            if let Some(text) = text {
                socket.send(text.clone()).await?;
            }
            if last == Some(place) {
                socket.window.mark(seq);
            }
            self.client.toast(&mut socket, notice).await?;
        }
        Ok(())
    }

    async fn send_all(&mut self, socket: &mut dyn Socket, frames: &[Sequenced]) -> Result<(), SocketClosed> {
        let mut socket = Counted { socket, window: &mut self.window };
        for frame in frames {
            send(&mut socket, frame).await?;
            if let Some(seq) = frame.seq {
                socket.window.mark(seq);
            }
        }
        Ok(())
    }

    /// Asks for an acknowledgement where one is due, and notes whether the window is full.
    async fn note_window(&mut self, socket: &mut dyn Socket) -> Result<(), SocketClosed> {
        if let Some(checkpoint) = self.window.checkpoint() {
            self.send_all(socket, &[ServerFrame::Checkpoint { checkpoint }.into()]).await?;
        }
        if self.window.is_full() {
            let now = self.client.services.clock().now();
            self.full.get_or_insert(Full { since: now, answers: 0 });
        } else {
            self.full = None;
        }
        Ok(())
    }

    async fn give_up(&mut self, socket: &mut dyn Socket) -> SocketClosed {
        let lagging = ServerFrame::Lagging { resume_from: self.window.resume_from() };
        if send(socket, &Sequenced::from(lagging)).await.is_ok() {
            socket.close(CLOSE_LAGGING, "What was sent is not acknowledged").await;
        }
        SocketClosed
    }
}

/// A socket that counts what is sent.
struct Counted<'a> {
    socket: &'a mut dyn Socket,
    window: &'a mut Window,
}

#[async_trait]
impl Socket for Counted<'_> {
    fn poll_receive(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Incoming>> {
        self.socket.poll_receive(cx)
    }

    async fn send(&mut self, text: SharedText) -> Result<(), SocketClosed> {
        self.window.sent(text.len());
        self.socket.send(text).await
    }

    async fn close(&mut self, code: u16, reason: &str) {
        self.socket.close(code, reason).await;
    }
}
