//! The connection to the gateway: reconnecting, numbering, acknowledging.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use portway_protocol::runner::{FromRunner, Hello, RunnerCommand, RunnerEvent, ToRunner};
use portway_protocol::{REPLACED_REASON, RUNNER_PROTOCOL};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::Message;

use crate::Exit;
use crate::config::Config;
use crate::inbox::{Inbox, Turnout};
use crate::outbox::Outbox;
use crate::pacing::Backoff;
use crate::progress::Progress;
use crate::requests::{Desk, Open, Wanted};
use crate::socket::{ConnectError, Socket};

/// So many refusals in a row are an answer.
const MAX_REFUSALS: u32 = 5;

/// Owns the socket and everything that outlives one.
pub(crate) struct Connection {
    config: Arc<Config>,
    outbox: Outbox,
    inbox: Inbox,
    progress: Progress,
    events: mpsc::Receiver<RunnerEvent>,
    commands: mpsc::Sender<RunnerCommand>,
    desk: Desk,
    /// When the gateway was last heard.
    heard: Instant,
}

/// State of one socket.
struct Live {
    /// Frames that go before the events.
    urgent: VecDeque<FromRunner>,
    requests: Open,
    welcomed: bool,
    next_ping: Instant,
}

impl Live {
    /// One acknowledgement stands for all before it.
    fn acknowledge(&mut self, command: u64) {
        self.urgent.retain(|frame| !matches!(frame, FromRunner::Ack { .. }));
        self.urgent.push_back(FromRunner::Ack { command });
    }

    fn ping(&mut self) {
        if !self.urgent.contains(&FromRunner::Ping {}) {
            self.urgent.push_back(FromRunner::Ping {});
        }
    }
}

/// How a socket ended.
enum Ended {
    /// Connect again.
    Lost,
    /// The runner is done.
    Exit(Exit),
}

impl Connection {
    pub(crate) fn new(
        config: Arc<Config>,
        events: mpsc::Receiver<RunnerEvent>,
        commands: mpsc::Sender<RunnerCommand>,
        agent: mpsc::Sender<Wanted>,
    ) -> Self {
        Self {
            desk: Desk { config: Arc::clone(&config), agent },
            outbox: Outbox::new(config.timing.keep_bytes),
            config,
            inbox: Inbox::default(),
            progress: Progress::default(),
            events,
            commands,
            heard: Instant::now(),
        }
    }

    /// Stays connected until there is a reason to end.
    pub(crate) async fn run(mut self, shutdown: impl Future<Output = ()>) -> Exit {
        let mut shutdown = pin!(shutdown);
        let timing = self.config.timing.clone();
        let mut backoff = Backoff::new(timing.first_retry, timing.last_retry);
        let mut refusals = 0;
        loop {
            let config = Arc::clone(&self.config);
            let attempt = self.meanwhile(Socket::open(&config), shutdown.as_mut());
            match attempt.await {
                Err(exit) => return exit,
                Ok(Ok(socket)) => {
                    refusals = 0;
                    match self.serve(socket, shutdown.as_mut(), &mut backoff).await {
                        Ended::Exit(exit) => return exit,
                        Ended::Lost => tracing::warn!("lost the gateway, connecting again"),
                    }
                }
                Ok(Err(error @ ConnectError::Refused(_))) => {
                    refusals += 1;
                    tracing::warn!(%error, refusals, "cannot connect");
                    if refusals >= MAX_REFUSALS {
                        return Exit::Refused;
                    }
                }
                Ok(Err(error @ ConnectError::Unreachable(_))) => {
                    refusals = 0;
                    tracing::debug!(%error, "cannot connect");
                }
            }
            let pause = tokio::time::sleep(backoff.wait());
            if let Err(exit) = self.meanwhile(pause, shutdown.as_mut()).await {
                return exit;
            }
        }
    }

    /// Does `work` without a gateway: events are kept, and patience has its end.
    async fn meanwhile<T>(
        &mut self,
        work: impl Future<Output = T>,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<T, Exit> {
        let mut work = pin!(work);
        let give_up = self.heard + self.config.timing.give_up;
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => return Err(Exit::Stopped),
                done = &mut work => return Ok(done),
                Some(event) = self.events.recv(), if self.outbox.has_room() => self.keep(event),
                () = sleep_until(give_up.into()) => {
                    tracing::error!("no gateway for too long, giving up");
                    return Err(Exit::Abandoned);
                }
            }
        }
    }

    /// Speaks over one socket until it ends.
    async fn serve(
        &mut self,
        mut socket: Socket,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
        backoff: &mut Backoff,
    ) -> Ended {
        let timing = self.config.timing.clone();
        let opened = Instant::now();
        let mut live = Live {
            urgent: VecDeque::from([FromRunner::Hello(self.hello())]),
            requests: Open::default(),
            welcomed: false,
            next_ping: opened + timing.ping,
        };
        let mut heard = opened;
        let ended = loop {
            let sending = !live.urgent.is_empty() || live.welcomed && self.outbox.has_unsent();
            let resend = self.outbox.resend_at(timing.acknowledge);
            let wake = [Some(live.next_ping), Some(heard + timing.silence), resend]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(live.next_ping);
            tokio::select! {
                biased;
                () = &mut shutdown => break Ended::Exit(Exit::Stopped),
                frame = socket.frames.next() => {
                    heard = Instant::now();
                    match self.heard(frame, &mut live).await {
                        None if live.welcomed => {
                            self.heard = heard;
                            backoff.reset();
                        }
                        None => {}
                        Some(ended) => break ended,
                    }
                }
                permit = socket.sender.reserve(), if sending => match permit {
                    Ok(permit) => {
                        if let Some(frame) = self.next_frame(&mut live) {
                            permit.send(frame);
                        }
                    }
                    Err(_) => break Ended::Lost,
                },
                Some(event) = self.events.recv(), if self.outbox.has_room() => self.keep(event),
                answer = live.requests.next() => live.urgent.push_back(answer),
                () = sleep_until(wake.into()) => {
                    let now = Instant::now();
                    if now >= heard + timing.silence {
                        break Ended::Lost;
                    }
                    if now >= live.next_ping {
                        live.next_ping = now + timing.ping;
                        live.ping();
                    }
                    if resend.is_some_and(|at| now >= at) {
                        tracing::debug!("no acknowledgement, sending again");
                        self.outbox.rewind();
                    }
                }
            }
        };
        match ended {
            Ended::Lost => socket.abandon(),
            Ended::Exit(_) => socket.close().await,
        }
        ended
    }

    fn hello(&self) -> Hello {
        Hello {
            protocol: RUNNER_PROTOCOL,
            generation: self.config.generation,
            last_command: self.inbox.last(),
            last_frame: self.outbox.last(),
            turn: self.progress.turn().map(str::to_owned),
            open_questions: self.progress.open_questions().to_vec(),
        }
    }

    fn keep(&mut self, event: RunnerEvent) {
        self.progress.made(&event);
        self.outbox.put(event);
    }

    fn next_frame(&mut self, live: &mut Live) -> Option<Message> {
        let frame = match live.urgent.pop_front() {
            Some(urgent) => urgent,
            None => self.outbox.next_unsent(Instant::now())?,
        };
        match serde_json::to_string(&frame) {
            Ok(text) => Some(Message::text(text)),
            Err(error) => {
                tracing::error!(%error, "a frame cannot be written as JSON");
                None
            }
        }
    }

    /// Takes what came over the socket; tells when it is the end.
    async fn heard(
        &mut self,
        frame: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
        live: &mut Live,
    ) -> Option<Ended> {
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(close))) => {
                let replaced = close.is_some_and(|close| close.reason.as_str().contains(REPLACED_REASON));
                return Some(if replaced { Ended::Exit(Exit::Replaced) } else { Ended::Lost });
            }
            Some(Ok(_)) => return None,
            Some(Err(error)) => {
                tracing::debug!(%error, "the socket broke");
                return Some(Ended::Lost);
            }
            None => return Some(Ended::Lost),
        };
        match serde_json::from_str(&text) {
            Ok(frame) => self.obey(frame, live).await,
            Err(error) => {
                // The words of the error could quote a prompt.
                tracing::warn!(column = error.column(), "ignoring a frame that cannot be read");
                None
            }
        }
    }

    async fn obey(&mut self, frame: ToRunner, live: &mut Live) -> Option<Ended> {
        match frame {
            ToRunner::Welcome { protocol, last_frame } => {
                tracing::info!(protocol, last_frame, "connected");
                if let Err(error) = self.outbox.welcome(last_frame, Instant::now()) {
                    tracing::error!(%error, "cannot go on");
                    return Some(Ended::Exit(Exit::Broken));
                }
                live.welcomed = true;
            }
            ToRunner::Ack { frame } => self.outbox.acknowledge(frame, Instant::now()),
            ToRunner::Command { command, body } => return self.command(command, body, live).await,
            ToRunner::Request { request_id, body } => {
                live.urgent.extend(live.requests.begin(&self.desk, request_id, body));
            }
            ToRunner::Stop {} => return Some(Ended::Exit(Exit::Stopped)),
            ToRunner::Pong {} | ToRunner::Unknown => {}
        }
        None
    }

    async fn command(&mut self, number: u64, body: RunnerCommand, live: &mut Live) -> Option<Ended> {
        match self.inbox.judge(number) {
            Turnout::Next => {
                self.progress.took(&body);
                // The driver always takes commands; it ends only with this connection.
                if self.commands.send(body).await.is_err() {
                    return Some(Ended::Exit(Exit::Broken));
                }
            }
            Turnout::Seen => {}
            Turnout::Early => return None,
        }
        live.acknowledge(self.inbox.last());
        None
    }
}
