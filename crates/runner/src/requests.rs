//! What the gateway asks on behalf of somebody who waits: answered over the connection that it came over, or not at all.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use portway_protocol::requests::{DiffData, RunnerRequest, RunnerResponse};
use portway_protocol::runner::FromRunner;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::config::Config;
use crate::diff;

/// Most requests that are worked on at once.
const MAX_OPEN: usize = 8;

/// How long the agent may take; the gateway waits a little longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(110);

/// Something that the agent is wanted for.
pub(crate) struct Wanted {
    pub(crate) what: Want,
    pub(crate) reply: Reply,
}

/// Takes the answer; dropped without one when the agent went away.
pub(crate) type Reply = oneshot::Sender<RunnerResponse>;

/// What the agent is wanted for.
pub(crate) enum Want {
    /// A new conversation.
    NewSession,
    /// A command of its own.
    Command { name: String, arguments: Option<String> },
    /// A review of these changes.
    Review { of: DiffData },
}

/// Where requests go for an answer.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) config: Arc<Config>,
    pub(crate) agent: mpsc::Sender<Wanted>,
}

/// The requests of one connection that are worked on.
#[derive(Default)]
pub(crate) struct Open(FuturesUnordered<BoxFuture<'static, FromRunner>>);

impl Open {
    /// Begins with a request, or answers at once that there are too many.
    pub(crate) fn begin(&mut self, desk: &Desk, request_id: String, body: RunnerRequest) -> Option<FromRunner> {
        if self.0.len() >= MAX_OPEN {
            let body = failed("UNAVAILABLE", "The runner has too many requests to answer");
            return Some(FromRunner::Response { request_id, body });
        }
        let desk = desk.clone();
        self.0.push(Box::pin(async move { FromRunner::Response { request_id, body: desk.answer(body).await } }));
        None
    }

    /// The next answer; never ready without a request.
    pub(crate) async fn next(&mut self) -> FromRunner {
        match self.0.next().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

impl Desk {
    async fn differences(&self) -> Result<DiffData, String> {
        diff::differences(&self.config.workspace, &self.config.url).await
    }

    async fn answer(&self, body: RunnerRequest) -> RunnerResponse {
        match body {
            RunnerRequest::Diff {} => match self.differences().await {
                Ok(data) => RunnerResponse::Diff { data },
                Err(error) => failed("NOT_AVAILABLE", error),
            },
            RunnerRequest::Review {} => match self.differences().await {
                Ok(of) if of.files.is_empty() => {
                    let error = "There are no changes to review".to_owned();
                    RunnerResponse::Failed { code: "CONFLICT".to_owned(), error, of: Some(of) }
                }
                Ok(of) => self.ask(Want::Review { of }).await,
                Err(error) => failed("NOT_AVAILABLE", error),
            },
            RunnerRequest::NewSession {} => self.ask(Want::NewSession).await,
            RunnerRequest::Command { name, args } => self.ask(Want::Command { name, arguments: args }).await,
            RunnerRequest::Revert { .. } => {
                failed("NOT_AVAILABLE", "This agent cannot forget a part of its conversation: begin a new one instead")
            }
            RunnerRequest::CloseTunnel { .. } => failed("NOT_AVAILABLE", "This runner opens no tunnels"),
            RunnerRequest::Unknown => failed("NOT_AVAILABLE", "This runner does not know what it was asked"),
        }
    }

    async fn ask(&self, what: Want) -> RunnerResponse {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.agent.send(Wanted { what, reply }).await.ok()?;
            answer.await.ok()
        };
        match timeout(PATIENCE, asked).await {
            Ok(Some(response)) => response,
            Ok(None) => failed("UNAVAILABLE", "The agent went away before it answered"),
            Err(_) => failed("UNAVAILABLE", "The agent did not answer in time"),
        }
    }
}

/// That something could not be done.
pub(crate) fn failed(code: &str, error: impl Into<String>) -> RunnerResponse {
    RunnerResponse::Failed { code: code.to_owned(), error: error.into(), of: None }
}
