//! What runners of earlier gateways are asked on behalf of clients.

use portway_domain::channels;
use portway_domain::runner_requests::{
    AgentCommand, Differences, FailureCode, RequestFailure, RunnerRequest, RunnerResponse,
};
use portway_ports::pubsub::RunnerAsked;
use portway_protocol::legacy_runner::{FromLegacyRunner, ToLegacyRunner};
use portway_protocol::requests::{DiffData, FileDiff};
use serde_json::Value;

use super::Link;
use crate::socket::Socket;
use crate::sockets::runner::End;
use crate::sockets::runner_requests::{differences, review, too_many};
use crate::sockets::send;

/// The commands that such runners know.
const COMMANDS: [&str; 3] = ["undo", "redo", "compact"];

impl Link {
    /// Passes a request on, if the runner of this connection is meant.
    pub(super) async fn asked(&mut self, socket: &mut dyn Socket, asked: &RunnerAsked) -> Result<(), End> {
        if asked.connection != self.connection {
            return Ok(());
        }
        let frame = match request(asked) {
            Some(frame) if self.unanswered.note(asked) => return Ok(send(socket, &frame).await?),
            Some(_) => too_many(),
            None => RunnerResponse::failed(FailureCode::NotAvailable, "This agent has no such command"),
        };
        self.services.runner_answered(&self.id, asked.request_id.clone(), frame);
        Ok(())
    }

    /// The agent was taken back to before these prompts; the frame does not say which request it answers.
    pub(super) async fn reverted(&mut self, prompts: &[String]) -> Result<(), End> {
        match self.unanswered.revert_to(prompts) {
            Some(request_id) => self.answered(request_id, RunnerResponse::Done { result: None }).await,
            None => Ok(()),
        }
    }

    /// The runner answered a request. What is not durable yet is part of the answer.
    pub(super) async fn answered(&mut self, request_id: String, response: RunnerResponse) -> Result<(), End> {
        if self.unanswered.settle(&request_id) {
            self.commit_pending().await?;
            self.services.runner_answered(&self.id, request_id, response);
        }
        Ok(())
    }
}

/// The frame that asks such a runner, if it can be asked that.
fn request(asked: &RunnerAsked) -> Option<ToLegacyRunner> {
    let request_id = asked.request_id.clone();
    Some(match &asked.request {
        RunnerRequest::Diff => ToLegacyRunner::Diff { request_id },
        RunnerRequest::Review => ToLegacyRunner::Review { request_id },
        RunnerRequest::NewSession => ToLegacyRunner::NewSession {
            channel_type: channels::WEB.0.to_owned(),
            channel_id: channels::WEB.1.to_owned(),
            request_id,
        },
        RunnerRequest::Command(command) => command_frame(command, request_id)?,
        RunnerRequest::Revert { prompt } => ToLegacyRunner::Revert { message_id: prompt.to_string() },
        RunnerRequest::CloseTunnel { name, by } => ToLegacyRunner::TunnelDelete {
            name: name.clone(),
            actor_id: Some(by.id.to_string()),
            actor_name: by.name.clone(),
            actor_email: Some(by.email.clone()),
        },
    })
}

fn command_frame(command: &AgentCommand, request_id: String) -> Option<ToLegacyRunner> {
    let args = command.arguments().map(str::to_owned);
    let command = COMMANDS.contains(&command.name()).then(|| command.name().to_owned())?;
    Some(ToLegacyRunner::OpencodeCommand { command, args, request_id })
}

/// What a frame answers, and which request; `None` for a frame that answers none.
pub(super) fn response(frame: FromLegacyRunner) -> Option<(String, RunnerResponse)> {
    use FromLegacyRunner as F;
    Some(match frame {
        F::Diff { request_id, data } => (request_id, RunnerResponse::Diff(differences(data.unwrap_or_default()))),
        F::ReviewResult { request_id, data: Some(data), diff_files, error: None } => {
            let of = differences(of(diff_files.unwrap_or_default()));
            (request_id, read_review(data, of))
        }
        F::ReviewResult { request_id, error, diff_files, .. } => (
            request_id,
            RunnerResponse::Failed(RequestFailure {
                code: FailureCode::InternalError,
                error: error.unwrap_or_else(|| "The runner sent no review".to_owned()),
                of: diff_files.map(|files| differences(of(files))),
            }),
        ),
        F::CommandResult { request_id, result, error } => (request_id, done(result, error)),
        F::SessionReset { request_id } => (request_id?, RunnerResponse::Done { result: None }),
        _ => return None,
    })
}

fn read_review(data: Value, of: Differences) -> RunnerResponse {
    match serde_json::from_value(data) {
        Ok(data) => review(&data, of),
        Err(error) => RunnerResponse::Failed(RequestFailure {
            code: FailureCode::InternalError,
            error: format!("The runner's review cannot be read: {error}"),
            of: Some(of),
        }),
    }
}

fn of(files: Vec<FileDiff>) -> DiffData {
    DiffData { files, omitted_files: 0 }
}

fn done(result: Option<Value>, error: Option<String>) -> RunnerResponse {
    match error.filter(|error| !error.is_empty()) {
        Some(error) => RunnerResponse::failed(FailureCode::InternalError, error),
        None => RunnerResponse::Done { result },
    }
}
