//! The side of a session that a runner of earlier gateways sees.
//!
//! Such a runner says no hello and waits for the gateway to begin; after it lost a connection, it first sends what it kept
//! meanwhile. So nothing is decided about the turn that it may be working on before it had a moment to do that.

mod conversations;
mod final_text;
mod prompts;
mod requests;
mod runner_requests;
mod sessions;
#[cfg(test)]
mod tests;
mod translation;
mod turn;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use portway_domain::engine::{Command, HIBERNATES, Notice, RunnerReport};
use portway_domain::ids::SessionId;
use portway_domain::runner_requests::RunnerResponse;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::pubsub::{Delivery, Hint, Subscription};
use portway_ports::sessions::PendingCommand;
use portway_protocol::legacy_runner::{
    OpencodeConfig, Received, RequestBody, RequestName, RequestResult, ToLegacyRunner, read,
};
use portway_protocol::runner::FromRunner;
use portway_services::Services;
use portway_services::legacy_runners::KnownTurn;
use portway_services::runners::RunnerError;

use self::translation::{Outcome, Translation};
use super::runner::{BATCH, Beginning, End, FLUSH, FLUSH_BYTES, SILENCE, parse};
use super::runner_requests::Unanswered;
use super::send;
use crate::socket::{Incoming, Socket};

/// How long a runner that does not declare its protocol has for a hello, and for what it kept while it was away.
const GRACE: Duration = Duration::from_secs(2);

/// Most requests of one runner that are answered at the same time.
const MAX_REQUESTS: usize = 8;

/// How often it is tried to keep what was reported, since the runner does not send it again.
const ATTEMPTS: u32 = 5;

/// Between two of them.
const RETRY: Duration = Duration::from_secs(1);

/// Begins with a runner that does not declare its protocol, and finds out what it speaks. One that says hello ignores the
/// frame of the other protocol.
pub(super) async fn greet(services: &Services, socket: &mut dyn Socket) -> Result<Beginning, End> {
    send(socket, &ToLegacyRunner::Init {}).await?;
    tokio::select! {
        incoming = socket.receive() => {
            let incoming = incoming.ok_or(End::Gone)?;
            match parse(&incoming) {
                Some(FromRunner::Hello(hello)) => Ok(Beginning::Hello(hello)),
                _ => Ok(Beginning::Other(Some(incoming))),
            }
        }
        () = services.clock().sleep(GRACE) => Ok(Beginning::Other(None)),
    }
}

/// Serves a runner of earlier gateways to the end of its connection. `first` is its first frame, if it has sent any.
pub(super) async fn serve(
    services: Arc<Services>,
    id: SessionId,
    token: TokenHash,
    connection: String,
    first: Option<Incoming>,
    socket: &mut dyn Socket,
) -> End {
    // Before the connection takes effect, so that no command which it sets free is missed.
    let subscription = services.watch_commands(&id).await;
    let engine = match services.legacy_runner_connected(&id, &token, &connection, KnownTurn::Kept).await {
        Ok(engine) => engine,
        Err(error) => return error.into(),
    };
    let now = services.clock().now();
    let mut link = Link {
        generation: engine.runner.generation,
        // A runner that has sent nothing by now kept nothing.
        decides_at: first.is_some().then(|| now.plus(GRACE)),
        translation: Translation::new(&engine),
        requests: FuturesUnordered::new(),
        unanswered: Unanswered::default(),
        has_commands: true,
        pending: Vec::new(),
        pending_bytes: 0,
        is_urgent: false,
        flushed_at: now.minus(FLUSH),
        heard_at: now,
        services,
        id,
        token,
        connection,
    };
    let end = match link.run(socket, subscription, first).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    // What came before the end is kept.
    let _ = link.commit_pending().await;
    link.services.runner_disconnected(&link.id, link.generation, link.connection.clone()).await;
    told(end)
}

/// The end in the words that such runners know.
fn told(end: End) -> End {
    match end {
        End::Stop(reason) if reason == HIBERNATES => End::Stop("Session hibernating".to_owned()),
        end => end,
    }
}

/// The connection of a runner that was let in.
struct Link {
    services: Arc<Services>,
    id: SessionId,
    token: TokenHash,
    generation: u32,
    connection: String,
    translation: Translation,
    requests: FuturesUnordered<BoxFuture<'static, RequestResult>>,
    unanswered: Unanswered,
    /// Whether there may be commands that were not sent.
    has_commands: bool,
    /// Until when a prompt of an earlier connection is not sent again, and no turn of one is given up.
    decides_at: Option<Timestamp>,
    /// Reports that are not durable yet.
    pending: Vec<RunnerReport>,
    /// Bytes of text among them.
    pending_bytes: usize,
    /// Whether one of them is more than text.
    is_urgent: bool,
    flushed_at: Timestamp,
    heard_at: Timestamp,
}

impl Link {
    async fn run(
        &mut self,
        socket: &mut dyn Socket,
        mut subscription: Box<dyn Subscription>,
        first: Option<Incoming>,
    ) -> Result<Infallible, End> {
        if self.translation.wants_config() {
            send(socket, &ToLegacyRunner::OpencodeConfig { config: OpencodeConfig::default() }).await?;
        }
        if let Some(first) = first {
            self.received(socket, &first).await?;
        }
        loop {
            self.take_what_is_there(socket).await?;
            self.proceed(socket).await?;
            let clock = self.services.clock().clone();
            let wait = self.next_wait(clock.now());
            tokio::select! {
                incoming = socket.receive() => {
                    let incoming = incoming.ok_or(End::Gone)?;
                    self.heard_at = clock.now();
                    self.received(socket, &incoming).await?;
                }
                delivery = subscription.next() => self.told(socket, delivery).await?,
                Some(result) = self.requests.next() => send(socket, &result).await?,
                () = clock.sleep(wait) => {}
            }
        }
    }

    /// Frames that have arrived already are committed together.
    async fn take_what_is_there(&mut self, socket: &mut dyn Socket) -> Result<(), End> {
        while self.pending.len() < BATCH && self.pending_bytes < FLUSH_BYTES {
            match socket.receive().now_or_never() {
                Some(Some(incoming)) => self.received(socket, &incoming).await?,
                // The end of the socket is met again by the next wait for a frame.
                Some(None) | None => break,
            }
        }
        Ok(())
    }

    /// Does what is due.
    async fn proceed(&mut self, socket: &mut dyn Socket) -> Result<(), End> {
        let now = self.services.clock().now();
        if now.since(self.heard_at) >= SILENCE {
            return Err(End::Reconnect("Nothing was heard for too long".to_owned()));
        }
        if self.is_flush_due(now) {
            self.commit_pending().await?;
        }
        if self.translation.seems_new() && self.decides_at.is_none() {
            self.decides_at = Some(now.plus(GRACE));
        }
        if self.decides_at.is_some_and(|at| at <= now) {
            self.decides_at = None;
            if self.translation.seems_new() {
                self.give_turn_up().await?;
            }
        }
        let waits = self.decides_at.is_some() && self.translation.has_doubtful_prompt();
        if self.has_commands && !waits { self.send_commands(socket).await } else { Ok(()) }
    }

    /// The runner does not know the turn that an earlier connection left.
    async fn give_turn_up(&mut self) -> Result<(), End> {
        self.commit_pending().await?;
        self.announce(KnownTurn::Lost).await?;
        self.translation.forget_turn();
        Ok(())
    }

    async fn announce(&mut self, turn: KnownTurn) -> Result<(), RunnerError> {
        self.services.legacy_runner_connected(&self.id, &self.token, &self.connection, turn).await.map(drop)
    }

    async fn received(&mut self, socket: &mut dyn Socket, incoming: &Incoming) -> Result<(), End> {
        match read(incoming.text().unwrap_or_default()) {
            Ok(Received::Frame(frame)) => {
                for outcome in self.translation.frame(frame) {
                    self.follow(socket, outcome).await?;
                }
                Ok(())
            }
            Ok(Received::Request { name, id, body }) => self.requested(socket, name, id, body).await,
            Err(error) => {
                let words = if error.is_data() { format!("Invalid frame: {error}") } else { "Invalid JSON".to_owned() };
                Ok(send(socket, &ToLegacyRunner::Error { error: words.clone(), message: words }).await?)
            }
        }
    }

    async fn follow(&mut self, socket: &mut dyn Socket, outcome: Outcome) -> Result<(), End> {
        match outcome {
            Outcome::Report(report) => {
                match &report {
                    RunnerReport::Text { delta, .. } => {
                        self.pending_bytes = self.pending_bytes.saturating_add(delta.len())
                    }
                    _ => self.is_urgent = true,
                }
                let closed = match &report {
                    RunnerReport::Tunnels(tunnels) => self.unanswered.closed_by(tunnels),
                    _ => Vec::new(),
                };
                self.pending.push(report);
                for request_id in closed {
                    self.answered(request_id, RunnerResponse::Done { result: None }).await?;
                }
            }
            Outcome::Send(frame) => send(socket, &frame).await?,
            // Whoever has the answer to a ping knows that what came before it is kept.
            Outcome::Pinged => {
                self.commit_pending().await?;
                send(socket, &ToLegacyRunner::Pong {}).await?;
            }
            Outcome::Reconnect => return Err(End::Reconnect("Say hello first".to_owned())),
            Outcome::Title(title) => {
                self.commit_pending().await?;
                self.services.runner_titled(&self.id, &self.connection, title).await?;
            }
            Outcome::Answered { request_id, response } => self.answered(request_id, response).await?,
            Outcome::Reverted { prompts } => self.reverted(&prompts).await?,
            Outcome::Picture { content, description } => {
                self.commit_pending().await?;
                self.services.runner_showed(&self.id, &self.connection, content, &description).await?;
            }
            Outcome::Transcribed { prompt, transcript } => {
                self.commit_pending().await?;
                self.services.runner_transcribed(&self.id, &self.connection, &prompt, &transcript).await?;
            }
            Outcome::Finished => {
                self.commit_pending().await?;
                self.services.runner_finished(&self.id, &self.connection).await?;
            }
        }
        Ok(())
    }

    async fn requested(
        &mut self,
        socket: &mut dyn Socket,
        name: RequestName,
        id: String,
        body: Result<RequestBody, serde_json::Error>,
    ) -> Result<(), End> {
        if self.requests.len() >= MAX_REQUESTS {
            return Ok(send(socket, &requests::too_many(name, id)).await?);
        }
        let asked = requests::Asked { name, id, session: self.id.clone() };
        self.requests.push(Box::pin(requests::answer(Arc::clone(&self.services), asked, body)));
        Ok(())
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
                        Notice::RunnerReplaced { connection } if *connection == self.connection => {
                            return Err(End::Replaced);
                        }
                        Notice::RunnerStop { reason } => return Err(End::Stop(reason.clone())),
                        Notice::Commands => self.has_commands = true,
                        _ => {}
                    }
                }
                Ok(())
            }
            Some(Delivery::Missed) if !self.services.wants_sandbox(&self.id, self.generation).await? => {
                Err(End::Stop("This runner is no longer wanted".to_owned()))
            }
            Some(Delivery::Missed) => {
                self.has_commands = true;
                Ok(())
            }
            None => Err(End::Reconnect("The gateway goes down".to_owned())),
        }
    }

    /// Sends every command that was not sent over this connection yet.
    async fn send_commands(&mut self, socket: &mut dyn Socket) -> Result<(), End> {
        loop {
            let sent = self.translation.sent();
            let page = self.services.pending_commands(&self.id, self.generation, sent).await?;
            if page.is_empty() {
                self.has_commands = false;
                return Ok(());
            }
            for pending in page {
                self.translation.sends(pending.number, &pending.command);
                if let Some(frame) = self.command(pending).await? {
                    send(socket, &frame).await?;
                }
            }
        }
    }

    /// A command as it is sent; `None` for an answer that nobody waits for any more.
    async fn command(&mut self, pending: PendingCommand) -> Result<Option<ToLegacyRunner>, End> {
        Ok(match pending.command {
            Command::Answer { question, resolution } => self.translation.answer(&question, resolution),
            Command::Abort { .. } => Some(prompts::abort(self.translation.channel())),
            Command::Prompt { .. } => {
                let (services, translation) = (&self.services, &mut self.translation);
                prompts::prompt(services, &self.id, translation, pending).await?
            }
        })
    }

    fn is_flush_due(&self, now: Timestamp) -> bool {
        let full = self.is_urgent || self.pending_bytes >= FLUSH_BYTES || self.pending.len() >= BATCH;
        !self.pending.is_empty() && (full || now.since(self.flushed_at) >= FLUSH)
    }

    fn next_wait(&self, now: Timestamp) -> Duration {
        let mut wait = SILENCE.saturating_sub(now.since(self.heard_at));
        if !self.pending.is_empty() {
            wait = wait.min(FLUSH.saturating_sub(now.since(self.flushed_at)));
        }
        if let Some(at) = self.decides_at {
            wait = wait.min(at.since(now));
        }
        wait
    }

    /// Makes what was reported durable. The runner would not send it again, so this is not given up at once.
    async fn commit_pending(&mut self) -> Result<(), RunnerError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let taken = self.translation.taken();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let kept = self.services.legacy_runner_reported(&self.id, &self.connection, taken, &self.pending).await;
            match kept {
                Err(RunnerError::Reconnect(_)) if attempts < ATTEMPTS => self.announce(KnownTurn::Kept).await?,
                Err(RunnerError::Failed(error)) if attempts < ATTEMPTS => {
                    tracing::warn!(session = %self.id, %error, "what a runner reported cannot be kept, trying again");
                    self.services.clock().sleep(RETRY).await;
                }
                kept => {
                    self.pending.clear();
                    self.pending_bytes = 0;
                    self.is_urgent = false;
                    self.flushed_at = self.services.clock().now();
                    return kept;
                }
            }
        }
    }
}
