//! The runner's side of a session.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use portway_domain::engine::{Command, Notice, RunnerReport};
use portway_domain::ids::SessionId;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::pubsub::{Delivery, Hint, RunnerAsked, Subscription};
use portway_ports::sessions::PendingCommand;
use portway_protocol::runner::{FromRunner, Hello, ToRunner};
use portway_protocol::{CLOSE_NORMAL, CLOSE_PROTOCOL, CLOSE_RESTART, REPLACED_REASON, RUNNER_PROTOCOL};
use portway_services::error::Error;
use portway_services::runners::RunnerError;
use portway_services::{Context, Services};

use super::reports::Beside;
use super::runner_requests::{self, Unanswered};
use super::{attachments, legacy, reports, send};
use crate::error::ApiError;
use crate::socket::{Incoming, ServeSocket, Socket, SocketClosed, serve_socket};

/// How long a new connection may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// How long a runner may be silent before its connection counts as lost; it says `ping` every thirty seconds.
pub(super) const SILENCE: Duration = Duration::from_secs(90);

/// Text is made durable, and shown, at most this often.
pub(super) const FLUSH: Duration = Duration::from_millis(250);

/// Or when so many bytes have come together.
pub(super) const FLUSH_BYTES: usize = 8 * 1024;

/// Most reports that are committed together.
pub(super) const BATCH: usize = 256;

/// Opens the socket of a runner. One that `declares` its protocol begins with a hello.
pub(super) async fn open(
    services: Arc<Services>,
    context: Context,
    id: SessionId,
    declares: bool,
) -> Result<ServeSocket, ApiError> {
    let token = context.credential.clone().ok_or(Error::Unauthorized)?;
    services.admit_runner(&id, &token).await?;
    let connection = context.ids.clone().draw_text();
    Ok(serve_socket(move |mut socket| async move {
        let beginning = if declares {
            read_hello(&services, &mut *socket).await
        } else {
            legacy::greet(&services, &mut *socket).await
        };
        let end = match beginning {
            Ok(Beginning::Hello(hello)) => accept(services, id, &token, connection, hello, &mut *socket).await,
            Ok(Beginning::Other(first)) => legacy::serve(services, id, token, connection, first, &mut *socket).await,
            Err(end) => end,
        };
        end.tell(&mut *socket).await;
    }))
}

/// How a connection begins.
pub(super) enum Beginning {
    /// With a hello.
    Hello(Hello),
    /// With another frame, or with silence.
    Other(Option<Incoming>),
}

/// How a connection ends.
pub(super) enum End {
    /// The peer is gone.
    Gone,
    /// The runner must end.
    Stop(String),
    /// A newer connection took over.
    Replaced,
    /// The runner must connect again.
    Reconnect(String),
    /// The runner broke the protocol.
    Protocol(&'static str),
}

impl End {
    async fn tell(self, socket: &mut dyn Socket) {
        match self {
            Self::Gone => {}
            Self::Stop(reason) => {
                let _ = send(socket, &ToRunner::Stop {}).await;
                socket.close(CLOSE_NORMAL, &reason).await;
            }
            Self::Replaced => socket.close(CLOSE_NORMAL, REPLACED_REASON).await,
            Self::Reconnect(reason) => socket.close(CLOSE_RESTART, &reason).await,
            Self::Protocol(reason) => socket.close(CLOSE_PROTOCOL, reason).await,
        }
    }
}

impl From<SocketClosed> for End {
    fn from(_: SocketClosed) -> Self {
        Self::Gone
    }
}

impl From<RunnerError> for End {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Stale(reason) => Self::Stop(reason),
            RunnerError::Replaced => Self::Replaced,
            RunnerError::Reconnect(reason) => Self::Reconnect(reason),
            RunnerError::Failed(error) => Self::from(error),
        }
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        tracing::warn!(%error, "a runner's connection is given up");
        Self::Reconnect("The gateway cannot serve the session at the moment".to_owned())
    }
}

async fn accept(
    services: Arc<Services>,
    id: SessionId,
    token: &TokenHash,
    connection: String,
    hello: Hello,
    socket: &mut dyn Socket,
) -> End {
    if hello.protocol < RUNNER_PROTOCOL {
        return End::Protocol("this gateway speaks protocol 2");
    }
    let Ok(said) = reports::hello(&hello, connection.clone()) else {
        return End::Protocol("hello names a turn that cannot be one");
    };
    // Before the hello takes effect, so that no command which it sets free is missed.
    let subscription = services.watch_commands(&id).await;
    let last_frame = match services.runner_connected(&id, token, said).await {
        Ok(last_frame) => last_frame,
        Err(error) => return error.into(),
    };
    let now = services.clock().now();
    let mut link = Link {
        id,
        generation: hello.generation,
        connection,
        sent_command: hello.last_command,
        unanswered: Unanswered::default(),
        pending: Vec::new(),
        pending_bytes: 0,
        urgent: false,
        flushed_at: now.minus(FLUSH),
        heard_at: now,
        services,
    };
    let end = match link.run(socket, subscription, last_frame).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    // What came before the end is kept; whatever cannot be is sent again by the runner.
    let _ = link.commit_pending().await;
    link.services.runner_disconnected(&link.id, link.generation, link.connection.clone()).await;
    end
}

async fn read_hello(services: &Services, socket: &mut dyn Socket) -> Result<Beginning, End> {
    let incoming = tokio::select! {
        incoming = socket.receive() => incoming.ok_or(End::Gone)?,
        () = services.clock().sleep(HELLO) => return Err(End::Protocol("no hello came in time")),
    };
    match parse(&incoming) {
        Some(FromRunner::Hello(hello)) => Ok(Beginning::Hello(hello)),
        _ => Err(End::Protocol("expected hello")),
    }
}

pub(super) fn parse(incoming: &Incoming) -> Option<FromRunner> {
    serde_json::from_str(incoming.text()?).ok()
}

/// The connection of a runner that was let in.
struct Link {
    services: Arc<Services>,
    id: SessionId,
    generation: u32,
    connection: String,
    /// The last command that was sent over this connection, or that the runner had before.
    sent_command: u64,
    unanswered: Unanswered,
    /// Reports that are not durable yet.
    pending: Vec<(u64, RunnerReport)>,
    /// Bytes of text among them.
    pending_bytes: usize,
    /// Whether one of them is more than text.
    urgent: bool,
    flushed_at: Timestamp,
    heard_at: Timestamp,
}

impl Link {
    async fn run(
        &mut self,
        socket: &mut dyn Socket,
        mut subscription: Box<dyn Subscription>,
        last_frame: u64,
    ) -> Result<std::convert::Infallible, End> {
        send(socket, &ToRunner::Welcome { protocol: RUNNER_PROTOCOL, last_frame }).await?;
        self.send_commands(socket).await?;
        loop {
            let clock = self.services.clock().clone();
            let wait = self.next_wait(clock.now());
            tokio::select! {
                incoming = socket.receive() => {
                    let incoming = incoming.ok_or(End::Gone)?;
                    self.heard_at = clock.now();
                    self.received(socket, incoming).await?;
                    self.take_what_is_there(socket).await?;
                }
                delivery = subscription.next() => self.told(socket, delivery).await?,
                () = clock.sleep(wait) => {}
            }
            let now = clock.now();
            if now.since(self.heard_at) >= SILENCE {
                return Err(End::Reconnect("Nothing was heard for too long".to_owned()));
            }
            if self.is_flush_due(now) {
                self.flush(socket).await?;
            }
        }
    }

    /// Frames that have arrived already are committed together.
    async fn take_what_is_there(&mut self, socket: &mut dyn Socket) -> Result<(), End> {
        while self.pending.len() < BATCH && self.pending_bytes < FLUSH_BYTES {
            match socket.receive().now_or_never() {
                Some(Some(incoming)) => self.received(socket, incoming).await?,
                // The end of the socket is met again by the next wait for a frame.
                Some(None) | None => break,
            }
        }
        Ok(())
    }

    async fn received(&mut self, socket: &mut dyn Socket, incoming: Incoming) -> Result<(), End> {
        match parse(&incoming) {
            Some(FromRunner::Event { frame, event }) => {
                let report = reports::report(event);
                match &report {
                    RunnerReport::Text { delta, .. } => self.pending_bytes += delta.len(),
                    _ => self.urgent = true,
                }
                self.pending.push((frame, report));
                Ok(())
            }
            Some(FromRunner::Ack { command }) => {
                Ok(self.services.commands_taken(&self.id, self.generation, command).await?)
            }
            Some(FromRunner::Response { request_id, body }) => {
                if self.unanswered.settle(&request_id) {
                    self.services.runner_answered(&self.id, request_id, runner_requests::response(body));
                }
                Ok(())
            }
            Some(FromRunner::Ping {}) => Ok(send(socket, &ToRunner::Pong {}).await?),
            Some(FromRunner::Hello(_)) => Err(End::Protocol("hello came twice")),
            Some(FromRunner::Unknown) => Ok(()),
            None => Err(End::Protocol("a frame is not of the protocol")),
        }
    }

    async fn told(&mut self, socket: &mut dyn Socket, delivery: Option<Delivery>) -> Result<(), End> {
        match delivery {
            Some(Delivery::Hint(hint)) => {
                if let Hint::RunnerAsked(asked) = &**hint {
                    return self.asked(socket, asked).await;
                }
                let Hint::Session { notices, .. } = &**hint else {
                    return Ok(());
                };
                for notice in notices {
                    match notice {
                        Notice::Commands => self.send_commands(socket).await?,
                        Notice::RunnerReplaced { connection } if *connection == self.connection => {
                            return Err(End::Replaced);
                        }
                        Notice::RunnerStop { reason } => return Err(End::Stop(reason.clone())),
                        _ => {}
                    }
                }
                Ok(())
            }
            Some(Delivery::Missed) => {
                if !self.services.wants_sandbox(&self.id, self.generation).await? {
                    return Err(End::Stop("This runner is no longer wanted".to_owned()));
                }
                self.send_commands(socket).await
            }
            None => Err(End::Reconnect("The gateway goes down".to_owned())),
        }
    }

    /// Passes a request on, if the runner of this connection is meant.
    async fn asked(&mut self, socket: &mut dyn Socket, asked: &RunnerAsked) -> Result<(), End> {
        if asked.connection != self.connection {
            return Ok(());
        }
        if self.unanswered.note(asked) {
            return Ok(send(socket, &runner_requests::request(asked)).await?);
        }
        self.services.runner_answered(&self.id, asked.request_id.clone(), runner_requests::too_many());
        Ok(())
    }

    /// Sends every command that was not sent over this connection yet.
    async fn send_commands(&mut self, socket: &mut dyn Socket) -> Result<(), End> {
        loop {
            let page = self.services.pending_commands(&self.id, self.generation, self.sent_command).await?;
            if page.is_empty() {
                return Ok(());
            }
            for pending in page {
                self.sent_command = pending.number;
                let beside = self.beside(&pending).await?;
                send(socket, &reports::command(pending, beside)).await?;
            }
        }
    }

    async fn beside(&self, pending: &PendingCommand) -> Result<Beside, Error> {
        let attachments = attachments::of_command(&self.services, &self.id, pending).await?;
        let model_preferences = match pending.command {
            Command::Prompt { model: None, .. } => self.services.model_preferences(&self.id).await?,
            _ => Vec::new(),
        };
        Ok(Beside { attachments, model_preferences })
    }

    fn is_flush_due(&self, now: Timestamp) -> bool {
        let full = self.urgent || self.pending_bytes >= FLUSH_BYTES || self.pending.len() >= BATCH;
        !self.pending.is_empty() && (full || now.since(self.flushed_at) >= FLUSH)
    }

    fn next_wait(&self, now: Timestamp) -> Duration {
        let silence = SILENCE.saturating_sub(now.since(self.heard_at));
        if self.pending.is_empty() {
            return silence;
        }
        FLUSH.saturating_sub(now.since(self.flushed_at)).min(silence)
    }

    /// Makes what was reported durable, and tells the runner that it is.
    async fn flush(&mut self, socket: &mut dyn Socket) -> Result<(), End> {
        let frame = self.commit_pending().await?;
        self.flushed_at = self.services.clock().now();
        if let Some(frame) = frame {
            send(socket, &ToRunner::Ack { frame }).await?;
        }
        Ok(())
    }

    async fn commit_pending(&mut self) -> Result<Option<u64>, RunnerError> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        self.urgent = false;
        self.services.runner_reported(&self.id, self.generation, pending).await.map(Some)
    }
}
