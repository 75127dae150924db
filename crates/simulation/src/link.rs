//! The gateway's end of a runner's connection: what the `api` crate does with a socket, without the socket.

use std::sync::Arc;
use std::time::Duration;

use portway_domain::engine::{Command, Notice, RunnerHello, RunnerReport};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::runner_requests::RunnerResponse;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::pubsub::{Delivery, Hint, RunnerAsked, Subscription};
use portway_ports::sessions::PendingCommand;
use portway_services::Services;
use portway_services::error::Error;
use portway_services::runners::RunnerError;

use crate::pipe::{Receiver, Sender};
use crate::simulation::Simulation;

/// How long a runner may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Text is made durable at most this often.
const FLUSH: Duration = Duration::from_millis(250);

/// What a runner says.
#[derive(Debug)]
pub(crate) enum FromRunner {
    Hello(RunnerHello),
    Report(u64, RunnerReport),
    Taken(u64),
    Answer { request_id: String, response: RunnerResponse },
    Ping,
}

/// What a runner is told.
#[derive(Debug)]
pub(crate) enum ToRunner {
    Welcome(u64),
    Kept(u64),
    Command(PendingCommand),
    Asked(RunnerAsked),
    Refused,
    Stop,
    Replaced,
}

/// How a connection ends.
enum End {
    Gone,
    Stop,
    Replaced,
}

impl From<RunnerError> for End {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Stale(_) | RunnerError::Replaced => Self::Stop,
            RunnerError::Reconnect(_) | RunnerError::Failed(_) => Self::Gone,
        }
    }
}

impl From<Error> for End {
    fn from(_: Error) -> Self {
        Self::Gone
    }
}

/// A runner that presented a secret.
pub(crate) struct Caller {
    pub(crate) session: SessionId,
    pub(crate) token: TokenHash,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    simulation: Arc<Simulation>,
    services: Arc<Services>,
    caller: Caller,
    frames: Receiver<FromRunner>,
    mut to_runner: Sender<ToRunner>,
) {
    match services.admit_runner(&caller.session, &caller.token).await {
        Ok(()) => {}
        Err(Error::Unauthorized) => {
            to_runner.send(ToRunner::Refused);
            return;
        }
        Err(_) => return,
    }
    let mut link = Link {
        simulation: simulation.clone(),
        connection: services.moment().ids.draw_text(),
        services,
        caller,
        generation: 0,
        sent_command: 0,
        pending: Vec::new(),
        is_urgent: false,
        flushed_at: Timestamp::default(),
        heard_at: Timestamp::default(),
        frames,
        to_runner,
    };
    let end = match link.run().await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    if link.generation > 0 {
        let _ = link.commit_pending().await;
    }
    match end {
        End::Gone => {}
        End::Stop => link.to_runner.send(ToRunner::Stop),
        End::Replaced => link.to_runner.send(ToRunner::Replaced),
    }
    simulation.note(format_args!("a connection of {}/{} ends", link.caller.session, link.generation));
    if link.generation > 0 {
        let Link { services, caller, generation, connection, .. } = link;
        services.runner_disconnected(&caller.session, generation, connection).await;
    }
}

struct Link {
    simulation: Arc<Simulation>,
    services: Arc<Services>,
    caller: Caller,
    generation: u32,
    connection: String,
    sent_command: u64,
    pending: Vec<(u64, RunnerReport)>,
    is_urgent: bool,
    flushed_at: Timestamp,
    heard_at: Timestamp,
    frames: Receiver<FromRunner>,
    to_runner: Sender<ToRunner>,
}

impl Link {
    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        let Some(FromRunner::Hello(hello)) = self.frames.next().await else {
            return Err(End::Gone);
        };
        let mut subscription = self.greet(hello).await?;
        loop {
            let clock = self.services.clock().clone();
            let wait = self.next_wait(clock.now());
            tokio::select! {
                biased;
                frame = self.frames.next() => {
                    self.heard_at = clock.now();
                    self.received(frame.ok_or(End::Gone)?).await?;
                    while let Some(frame) = self.frames.waiting() {
                        self.received(frame).await?;
                    }
                }
                delivery = subscription.next() => self.told(delivery).await?,
                () = clock.sleep(wait) => {}
            }
            let now = clock.now();
            if now.since(self.heard_at) >= SILENCE {
                return Err(End::Gone);
            }
            let is_due = !self.pending.is_empty() && (self.is_urgent || now.since(self.flushed_at) >= FLUSH);
            if is_due {
                self.flush().await?;
            }
        }
    }

    async fn greet(&mut self, mut hello: RunnerHello) -> Result<Box<dyn Subscription>, End> {
        hello.connection.clone_from(&self.connection);
        let (generation, last_command) = (hello.generation, hello.last_command);
        let subscription = self.services.watch_commands(&self.caller.session).await;
        let last_frame = self.services.runner_connected(&self.caller.session, &self.caller.token, hello).await?;
        self.generation = generation;
        self.sent_command = last_command;
        self.heard_at = self.services.clock().now();
        self.flushed_at = self.heard_at.minus(FLUSH);
        self.to_runner.send(ToRunner::Welcome(last_frame));
        self.send_commands().await?;
        Ok(subscription)
    }

    async fn received(&mut self, frame: FromRunner) -> Result<(), End> {
        match frame {
            FromRunner::Report(number, report) => {
                self.is_urgent |= !matches!(report, RunnerReport::Text { .. });
                self.pending.push((number, report));
                Ok(())
            }
            FromRunner::Taken(command) => {
                Ok(self.services.commands_taken(&self.caller.session, self.generation, command).await?)
            }
            FromRunner::Answer { request_id, response } => {
                self.flush().await?;
                self.services.runner_answered(&self.caller.session, request_id, response);
                Ok(())
            }
            FromRunner::Ping => Ok(()),
            FromRunner::Hello(_) => Err(End::Gone),
        }
    }

    async fn told(&mut self, delivery: Option<Delivery>) -> Result<(), End> {
        match delivery {
            Some(Delivery::Hint(hint)) => {
                if let Hint::RunnerAsked(asked) = &**hint
                    && asked.connection == self.connection
                {
                    self.to_runner.send(ToRunner::Asked(asked.clone()));
                }
                let Hint::Session { notices, .. } = &**hint else {
                    return Ok(());
                };
                for notice in notices {
                    match notice {
                        Notice::Commands => self.send_commands().await?,
                        Notice::RunnerReplaced { connection } if *connection == self.connection => {
                            return Err(End::Replaced);
                        }
                        Notice::RunnerStop { .. } => return Err(End::Stop),
                        _ => {}
                    }
                }
                Ok(())
            }
            Some(Delivery::Missed) => {
                if !self.services.wants_sandbox(&self.caller.session, self.generation).await? {
                    return Err(End::Stop);
                }
                self.send_commands().await
            }
            None => Err(End::Gone),
        }
    }

    async fn send_commands(&mut self) -> Result<(), End> {
        loop {
            let page = self.services.pending_commands(&self.caller.session, self.generation, self.sent_command).await?;
            if page.is_empty() {
                return Ok(());
            }
            for pending in page {
                self.fetch_attachments(&pending).await?;
                self.sent_command = pending.number;
                self.to_runner.send(ToRunner::Command(pending));
            }
        }
    }

    /// Reads what goes with a prompt, as it would be sent.
    async fn fetch_attachments(&self, pending: &PendingCommand) -> Result<(), End> {
        let Command::Prompt { prompt, earlier, .. } = &pending.command else {
            return Ok(());
        };
        let said: Vec<MessageId> = earlier.iter().chain([prompt]).cloned().collect();
        let attached = self.services.prompt_attachments(&self.caller.session, &said).await?;
        let lost = attached.iter().find(|one| one.content.is_none());
        let session = &self.caller.session;
        let goes_away =
            || self.simulation.ledger(|ledger| self.simulation.oracle(|oracle| oracle.goes_away(session, ledger)));
        if let Some(lost) = lost.filter(|_| !goes_away()) {
            self.simulation.violated(format_args!("an agent does not get {:?} of {prompt}", lost.attachment));
        }
        Ok(())
    }

    fn next_wait(&self, now: Timestamp) -> Duration {
        let silence = SILENCE.saturating_sub(now.since(self.heard_at));
        if self.pending.is_empty() {
            return silence;
        }
        FLUSH.saturating_sub(now.since(self.flushed_at)).min(silence)
    }

    async fn flush(&mut self) -> Result<(), End> {
        let kept = self.commit_pending().await?;
        self.flushed_at = self.services.clock().now();
        if let Some(kept) = kept {
            self.to_runner.send(ToRunner::Kept(kept));
        }
        Ok(())
    }

    async fn commit_pending(&mut self) -> Result<Option<u64>, RunnerError> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        let pending = std::mem::take(&mut self.pending);
        self.is_urgent = false;
        self.services.runner_reported(&self.caller.session, self.generation, pending).await.map(Some)
    }
}
