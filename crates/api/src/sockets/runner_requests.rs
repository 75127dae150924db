//! What runners are asked on behalf of clients, in the words of the protocol and of the domain.

use portway_domain::access::SessionRole;
use portway_domain::runner_requests::{
    Differences, FailureCode, FileDiff, InvalidCommand, RequestFailure, RunnerRequest, RunnerResponse,
};
use portway_domain::tunnels::Tunnels;
use portway_ports::pubsub::{Responded, RunnerAsked};
use portway_protocol::requests as wire;
use portway_protocol::requests::{DiffData, Review};
use portway_protocol::runner::ToRunner;
use portway_protocol::server::ServerFrame;
use portway_services::error::Error;
use serde_json::Value;

use super::client::Client;
use super::workspaces;
use crate::operations::{channel, prompt_id};

/// Most requests that a runner is given over one connection without having answered them.
const MAX_OPEN: usize = 32;

impl Client {
    /// Asks the session's runner something.
    pub(super) async fn ask(&self, request: RunnerRequest) -> Result<(), Error> {
        let context = self.frame_context(SessionRole::Collaborator);
        self.services.ask_runner(&context, &self.id, request).await
    }

    /// Takes a prompt back, and everything after it.
    pub(super) async fn revert(&self, prompt: String) -> Result<(), Error> {
        self.ask(RunnerRequest::Revert { prompt: prompt_id(prompt)? }).await
    }

    /// Passes a command on. The agent has one conversation for all channels, so it does not matter where it came from.
    pub(super) async fn command(
        &self,
        name: &str,
        arguments: Option<String>,
        channel_type: Option<String>,
        channel_id: Option<String>,
    ) -> Result<(), Error> {
        channel(channel_type, channel_id)?;
        let request = RunnerRequest::command(name, arguments).map_err(|invalid| {
            let field = match invalid {
                InvalidCommand::Name => "command",
                InvalidCommand::Arguments => "args",
            };
            Error::Invalid { field: field.to_owned(), message: invalid.to_string() }
        })?;
        self.ask(request).await
    }
}

/// The requests that a runner was given over its connection and has not answered.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Vec<RunnerAsked>);

impl Unanswered {
    /// Notes a request that is to be sent; `false` if the runner has too many already.
    pub(super) fn note(&mut self, asked: &RunnerAsked) -> bool {
        let has_room = self.0.len() < MAX_OPEN;
        if has_room {
            self.0.push(asked.clone());
        }
        has_room
    }

    /// The request to go back to before one of these prompts.
    pub(super) fn revert_to(&self, prompts: &[String]) -> Option<String> {
        let is_meant = |asked: &&RunnerAsked| match &asked.request {
            RunnerRequest::Revert { prompt } => prompts.iter().any(|named| named == prompt.as_str()),
            _ => false,
        };
        self.0.iter().find(is_meant).map(|asked| asked.request_id.clone())
    }

    /// The requests to close tunnels that are not among these.
    pub(super) fn closed_by(&self, tunnels: &Tunnels) -> Vec<String> {
        let is_closed = |asked: &&RunnerAsked| match &asked.request {
            RunnerRequest::CloseTunnel { name, .. } => !tunnels.contains(name),
            _ => false,
        };
        self.0.iter().filter(is_closed).map(|asked| asked.request_id.clone()).collect()
    }

    /// Whether a runner may answer that request: it was given it, and has not answered.
    pub(super) fn settle(&mut self, request_id: &str) -> bool {
        let place = self.0.iter().position(|asked| asked.request_id == request_id);
        place.map(|place| self.0.swap_remove(place)).is_some()
    }
}

/// What is told when a runner has too many requests.
pub(super) fn too_many() -> RunnerResponse {
    RunnerResponse::failed(FailureCode::Unavailable, "The runner has too many requests to answer")
}

/// The frame that asks a runner of protocol 2.
pub(super) fn request(asked: &RunnerAsked) -> ToRunner {
    let body = match &asked.request {
        RunnerRequest::Diff => wire::RunnerRequest::Diff {},
        RunnerRequest::Review => wire::RunnerRequest::Review {},
        RunnerRequest::NewSession => wire::RunnerRequest::NewSession {},
        RunnerRequest::Command(command) => wire::RunnerRequest::Command {
            name: command.name().to_owned(),
            args: command.arguments().map(str::to_owned),
        },
        RunnerRequest::Revert { prompt } => wire::RunnerRequest::Revert { message_id: prompt.to_string() },
        RunnerRequest::CloseTunnel { name, .. } => wire::RunnerRequest::CloseTunnel { name: name.clone() },
    };
    ToRunner::Request { request_id: asked.request_id.clone(), body }
}

/// What a runner of protocol 2 answers.
pub(super) fn response(body: wire::RunnerResponse) -> RunnerResponse {
    use wire::RunnerResponse as R;
    match body {
        R::Diff { data } => RunnerResponse::Diff(differences(data)),
        R::Review { data, of } => review(&data, differences(of)),
        R::Done { result } => RunnerResponse::Done { result },
        R::Prompt { content } => RunnerResponse::Prompt { content },
        R::Failed { code, error, of } => RunnerResponse::Failed(RequestFailure {
            code: FailureCode::from_name(&code),
            error,
            of: of.map(differences),
        }),
        R::Unknown => RunnerResponse::failed(FailureCode::InternalError, "The runner's answer is not understood"),
    }
}

/// A review of these differences.
pub(super) fn review(data: &Review, of: Differences) -> RunnerResponse {
    match serde_json::to_value(data) {
        Ok(review) => RunnerResponse::Review { review, of },
        Err(error) => RunnerResponse::failed(FailureCode::InternalError, format!("The review is unreadable: {error}")),
    }
}

/// Changes as the domain has them.
pub(super) fn differences(data: DiffData) -> Differences {
    let file = |file: wire::FileDiff| FileDiff {
        path: file.path,
        status: workspaces::file_status(file.status),
        diff: file.diff,
        is_cut: file.truncated,
    };
    Differences { files: data.files.into_iter().map(file).collect(), omitted: data.omitted_files }
}

fn diff_data(differences: &Differences) -> DiffData {
    let file = |file: &FileDiff| wire::FileDiff {
        path: file.path.clone(),
        status: workspaces::status_word(file.status),
        diff: file.diff.clone(),
        truncated: file.is_cut,
    };
    DiffData { files: differences.files.iter().map(file).collect(), omitted_files: differences.omitted }
}

/// What clients are told of an answer. A new conversation, the end of a tunnel and that something was taken back show in
/// the transcript, so nothing else is told of them; who wants a tunnel closed waits for it.
pub(super) fn frame(responded: &Responded) -> Option<ServerFrame> {
    let Responded { request_id, request, response } = responded;
    let (request_id, failure) = (request_id.clone(), failure(response));
    let (error, code) = failure.map(|failure| (failure.error.clone(), failure.code.as_str().to_owned())).unzip();
    Some(match request {
        RunnerRequest::Diff => {
            let found = if let RunnerResponse::Diff(found) = response { Some(found) } else { None };
            ServerFrame::Diff { request_id, data: found.map(diff_data).unwrap_or_default(), error, code }
        }
        RunnerRequest::Review => {
            let (data, of) = match response {
                RunnerResponse::Review { review, of } => (serde_json::from_value(review.clone()).ok(), Some(of)),
                RunnerResponse::Failed(failure) => (None, failure.of.as_ref()),
                _ => (None, None),
            };
            let diff_files = of.map(|of| diff_data(of).files);
            ServerFrame::ReviewResult { request_id, data, diff_files, error, code }
        }
        RunnerRequest::CloseTunnel { .. } => return None,
        RunnerRequest::NewSession | RunnerRequest::Revert { .. } if failure.is_none() => return None,
        RunnerRequest::Revert { prompt } => {
            let error = error.unwrap_or_default();
            ServerFrame::Error { message_id: Some(prompt.to_string()), message: error.clone(), error, code }
        }
        RunnerRequest::NewSession | RunnerRequest::Command(_) => {
            let command = request.command_name().unwrap_or_default().to_owned();
            ServerFrame::CommandResult { request_id, command, result: result(response), error, code }
        }
    })
}

fn failure(response: &RunnerResponse) -> Option<&RequestFailure> {
    if let RunnerResponse::Failed(failure) = response { Some(failure) } else { None }
}

fn result(response: &RunnerResponse) -> Option<Value> {
    if let RunnerResponse::Done { result } = response { result.clone() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portway_domain::ids::MessageId;
    use serde_json::json;

    fn asked(id: &str, request: RunnerRequest) -> RunnerAsked {
        RunnerAsked { request_id: id.to_owned(), connection: "c".to_owned(), request }
    }

    fn told(request: RunnerRequest, response: RunnerResponse) -> Option<Value> {
        let responded = Responded { request_id: "r".to_owned(), request, response };
        frame(&responded).map(|frame| serde_json::to_value(frame).unwrap())
    }

    #[test]
    fn a_failure_ends_every_wait() {
        let failed = || RunnerResponse::failed(FailureCode::Unavailable, "nobody");
        let why = json!({"requestId": "r", "error": "nobody", "code": "UNAVAILABLE"});
        let with = |more: Value| {
            let mut all = why.clone();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Some(all)
        };
        assert_eq!(told(RunnerRequest::Diff, failed()), with(json!({"type": "diff", "data": {"files": []}})));
        assert_eq!(told(RunnerRequest::Review, failed()), with(json!({"type": "review-result"})));
        let reset = json!({"type": "command-result", "command": "new-session"});
        assert_eq!(told(RunnerRequest::NewSession, failed()), with(reset));
    }

    #[test]
    fn a_revert_that_fails_is_an_error_of_its_prompt() {
        let revert = || RunnerRequest::Revert { prompt: MessageId::parse("p").unwrap() };
        let error = json!({"type": "error", "messageId": "p", "error": "busy", "message": "busy", "code": "CONFLICT"});
        assert_eq!(told(revert(), RunnerResponse::failed(FailureCode::Conflict, "busy")), Some(error));
        assert_eq!(told(revert(), RunnerResponse::Done { result: None }), None);
    }

    #[test]
    fn a_new_conversation_shows_in_the_transcript_alone() {
        assert_eq!(told(RunnerRequest::NewSession, RunnerResponse::Done { result: None }), None);
    }

    #[test]
    fn a_request_is_answered_once() {
        let mut unanswered = Unanswered::default();
        assert!(!unanswered.settle("a"));
        assert!((0..MAX_OPEN).all(|n| unanswered.note(&asked(&n.to_string(), RunnerRequest::Diff))));
        let one_more = asked("one more", RunnerRequest::Diff);
        assert!(!unanswered.note(&one_more));
        assert!(unanswered.settle("3") && !unanswered.settle("3") && unanswered.note(&one_more));
    }

    #[test]
    fn a_revert_is_known_by_its_prompt() {
        let revert = |prompt: &str| RunnerRequest::Revert { prompt: MessageId::parse(prompt).unwrap() };
        let mut unanswered = Unanswered::default();
        for (id, request) in [("a", RunnerRequest::Diff), ("b", revert("p")), ("c", revert("q"))] {
            assert!(unanswered.note(&asked(id, request)));
        }
        let to = |unanswered: &Unanswered, prompts: &[&str]| {
            unanswered.revert_to(&prompts.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(to(&unanswered, &["other", "q"]).as_deref(), Some("c"));
        assert_eq!(to(&unanswered, &["a"]), None);
        assert!(unanswered.settle("c"));
        assert_eq!(to(&unanswered, &["q"]), None);
    }
}
