//! Sends prompts, one after the other, each exactly once.

use std::time::{Duration, Instant};

use portway_adapters_system::{SystemClock, SystemEntropy};
use portway_domain::ids::SessionId;
use portway_ports::system::{Clock as _, Entropy as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::api::Api;
use super::backoff::Backoff;
use crate::client::error::ApiError;

/// Most prompts that wait to be sent.
const MAX_WAITING: usize = 64;

/// What became of a prompt.
#[derive(Debug)]
pub(super) struct Posted {
    /// Its text.
    pub(super) content: String,
    /// The id of the message, or why there is none.
    pub(super) result: Result<String, ApiError>,
}

/// Prompts on their way. Sending stops when this is dropped.
#[derive(Debug)]
pub(super) struct Outbox {
    prompts: mpsc::Sender<String>,
    posted: mpsc::Receiver<Posted>,
    task: JoinHandle<()>,
}

impl Outbox {
    /// Prompts for a session. A gateway that is away is tried again for as long as `patience` says, or for ever.
    pub(super) fn new(api: Api, session: SessionId, patience: Option<Duration>) -> Self {
        let (prompts, waiting) = mpsc::channel(MAX_WAITING);
        let (done, posted) = mpsc::channel(MAX_WAITING);
        let task = tokio::spawn(post_all(api, session, patience, waiting, done));
        Self { prompts, posted, task }
    }

    /// Sends a prompt. `false` when too many wait.
    pub(super) fn send(&self, content: &str) -> bool {
        self.prompts.try_send(content.to_owned()).is_ok()
    }

    /// The next result. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Posted> {
        self.posted.recv().await
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn post_all(
    api: Api,
    session: SessionId,
    patience: Option<Duration>,
    mut waiting: mpsc::Receiver<String>,
    done: mpsc::Sender<Posted>,
) {
    while let Some(content) = waiting.recv().await {
        let result = post(&api, &session, patience, &content).await;
        if done.send(Posted { content, result }).await.is_err() {
            return;
        }
    }
}

async fn post(api: &Api, session: &SessionId, patience: Option<Duration>, content: &str) -> Result<String, ApiError> {
    // One key for all attempts: the gateway takes the prompt once, however often it is sent.
    let key = SystemEntropy.ids(SystemClock::default().now()).draw_text();
    let begun = Instant::now();
    let mut backoff = Backoff::new();
    loop {
        let result = api.prompt(session, &key, content).await;
        let patient = patience.is_none_or(|patience| begun.elapsed() < patience);
        match result {
            Err(error) if error.is_passing() && patient => tokio::time::sleep(backoff.next()).await,
            other => return other,
        }
    }
}
