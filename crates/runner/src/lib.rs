//! Sits beside an agent in a sandbox: ACP to the agent, the session protocol to the gateway.
//!
//! [`run`] starts the agent (any program that speaks the [Agent Client Protocol](https://agentclientprotocol.com),
//! version 1, on stdin and stdout) and keeps a connection to the gateway. Nothing that the agent did is lost
//! while the gateway is away: events are numbered and kept until they are acknowledged, up to a bound beyond which
//! the agent is no longer read. [`demo`] is an agent without a model, to try all this out.
//!
//! Two tasks share the work. The driver owns the agent: it starts it, turns its messages into events and commands
//! into requests. The connection owns the socket: it numbers and resends events, and takes commands over. They talk
//! through two bounded channels, so a slow gateway slows the agent down and nothing grows without limit.

mod acp;
mod agent;
mod attachments;
mod config;
mod connection;
pub mod demo;
mod descendants;
mod diff;
mod differences;
mod driver;
mod files;
mod fs_requests;
mod git;
mod handshake;
mod inbox;
mod inspections;
mod jsonrpc;
mod line_counts;
mod lines;
mod models;
mod outbox;
mod pacing;
mod peer;
mod phase;
mod progress;
mod repository;
mod requests;
mod review;
mod reviewing;
mod socket;
mod tools;
mod turn;
mod workspace;

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub use config::{AgentCommand, Config, ConfigError, Secret, Timing};

use connection::Connection;
use driver::Driver;

/// Events and commands that may wait between the two tasks.
const CHANNEL: usize = 16;

/// Why a runner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The gateway said stop, or the process was asked to end.
    Stopped,
    /// A newer runner took its place.
    Replaced,
    /// The gateway refused this runner again and again.
    Refused,
    /// No gateway was there for too long.
    Abandoned,
    /// Something in the runner itself broke; the log says what.
    Broken,
}

impl Exit {
    /// The exit code of the process: 0 when the end was wanted, else 1.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Stopped | Self::Replaced => 0,
            Self::Refused | Self::Abandoned | Self::Broken => 1,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Runs until the gateway says stop, SIGTERM or SIGINT arrives, or no gateway is there for
/// [`Timing::give_up`]. The agent and its process group are gone when it returns, and on Linux all that they started.
///
/// It takes this process for its own: on Linux every child of the process is ended at the end, whoever started it.
pub async fn run(config: Config) -> Exit {
    if config.waits_for_start && !was_let_start().await {
        return Exit::Stopped;
    }
    descendants::adopt();
    let exit = tokio::select! {
        exit = run_until(config, terminated()) => exit,
        () = descendants::collect() => Exit::Broken,
    };
    descendants::end_all().await;
    exit
}

/// Waits until whoever started this process lets it begin; `false` if that will not happen.
async fn was_let_start() -> bool {
    let mut input = tokio::io::stdin();
    tokio::select! {
        read = input.read_u8() => read.is_ok(),
        () = terminated() => false,
    }
}

/// As [`run`], with `shutdown` in the place of the signals. It leaves alone what the agent started outside of its process
/// group, so several may run in one process.
pub async fn run_until(config: Config, shutdown: impl Future<Output = ()>) -> Exit {
    // Fails only if the process has a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Arc::new(config);
    let (event_sender, event_receiver) = mpsc::channel(CHANNEL);
    let (command_sender, command_receiver) = mpsc::channel(CHANNEL);
    let (wanted_sender, wanted_receiver) = mpsc::channel(CHANNEL);
    let driver = Driver::new(Arc::clone(&config), command_receiver, wanted_receiver, event_sender);
    let connection = Connection::new(config, event_receiver, command_sender, wanted_sender);

    let mut driver = tokio::spawn(driver.run());
    let exit = tokio::select! {
        exit = connection.run(shutdown) => exit,
        outcome = &mut driver => {
            tracing::error!(?outcome, "the driver ended before its time");
            return Exit::Broken;
        }
    };
    tracing::info!(?exit, "ending the agent");
    if let Err(error) = driver.await {
        tracing::error!(%error, "the driver broke while it ended the agent");
        return Exit::Broken;
    }
    exit
}

/// Ready when the process is asked to end.
async fn terminated() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("cannot listen for signals: SIGTERM will not end the agent gracefully");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
