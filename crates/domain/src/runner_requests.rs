//! What a runner is asked on behalf of somebody who waits: answered at most once, and worth nothing later. So nothing of
//! it is kept.

use portway_tagged::tagged;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::MessageId;
use crate::messages::Author;
use crate::workspaces::FileStatus;

/// Most texts of an answer that are passed on, in bytes.
pub const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// Most files of an answer that are passed on.
pub const MAX_FILES: usize = 2_000;

/// Longest name of a command, in characters.
pub const MAX_COMMAND_CHARS: usize = 100;

/// Longest arguments of a command, in characters.
pub const MAX_ARGUMENT_CHARS: usize = 10_000;

/// Longest explanation of a failure, in characters.
const MAX_ERROR_CHARS: usize = 4_000;

/// Longest path of a file, in bytes.
const MAX_PATH: usize = 4_096;

/// The name of the command that begins a new conversation.
const NEW_SESSION: &str = "new-session";

/// What a runner is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub enum RunnerRequest {
    /// Which files of the workspace differ from where the session began.
    Diff,
    /// What a reviewer would say about that.
    Review,
    /// To begin a new conversation with the agent.
    NewSession,
    /// To carry out a command of the agent.
    Command(AgentCommand),
    /// To go back to before a prompt.
    Revert {
        /// The prompt; it and all that came after it is taken back.
        prompt: MessageId,
    },
    /// To close a tunnel.
    CloseTunnel {
        /// Its name.
        name: String,
        /// Who wants that.
        by: Author,
    },
}

tagged!(RunnerRequest, "type");

/// A command of an agent, such as `compact`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCommand {
    name: String,
    arguments: Option<String>,
}

/// What is wrong with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// Its name.
    #[error("expected 1 to 100 characters, none of them a space, a slash or a control character")]
    Name,
    /// Its arguments.
    #[error("expected at most 10000 characters")]
    Arguments,
}

impl AgentCommand {
    /// How people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What goes with it.
    #[must_use]
    pub fn arguments(&self) -> Option<&str> {
        self.arguments.as_deref()
    }
}

impl RunnerRequest {
    /// The command of that name.
    ///
    /// # Errors
    /// [`InvalidCommand`] when it cannot be one of any agent.
    pub fn command(name: &str, arguments: Option<String>) -> Result<Self, InvalidCommand> {
        let is_apart = |c: char| c.is_whitespace() || c.is_control() || c == '/';
        if !(1..=MAX_COMMAND_CHARS).contains(&name.chars().count()) || name.contains(is_apart) {
            return Err(InvalidCommand::Name);
        }
        if arguments.as_ref().is_some_and(|text| text.chars().count() > MAX_ARGUMENT_CHARS) {
            return Err(InvalidCommand::Arguments);
        }
        if name == NEW_SESSION {
            return Ok(Self::NewSession);
        }
        Ok(Self::Command(AgentCommand { name: name.to_owned(), arguments }))
    }

    /// The name of the command that it is.
    #[must_use]
    pub fn command_name(&self) -> Option<&str> {
        match self {
            Self::NewSession => Some(NEW_SESSION),
            Self::Command(command) => Some(command.name()),
            Self::Diff | Self::Review | Self::Revert { .. } | Self::CloseTunnel { .. } => None,
        }
    }

    /// Whether the agent is wanted for it, and not only the workspace.
    #[must_use]
    pub fn needs_agent(&self) -> bool {
        !matches!(self, Self::Diff | Self::CloseTunnel { .. })
    }

    /// Whether the agent must have nothing to do and nothing to come.
    #[must_use]
    pub fn needs_rest(&self) -> bool {
        matches!(self, Self::NewSession | Self::Revert { .. })
    }

    /// How long the answer may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self {
            Self::Diff | Self::Revert { .. } | Self::CloseTunnel { .. } => Duration::from_secs(20),
            Self::Review => Duration::from_secs(120),
            Self::NewSession | Self::Command(_) => Duration::from_secs(60),
        }
    }
}

/// What a runner answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case")]
pub enum RunnerResponse {
    /// These files differ.
    Diff(Differences),
    /// This is the review, in the form of the session protocol.
    Review {
        /// The review.
        review: Value,
        /// What was reviewed.
        of: Differences,
    },
    /// It was carried out.
    Done {
        /// What came of it.
        result: Option<Value>,
    },
    /// It is to be said to the agent as a prompt of who asked.
    Prompt {
        /// The text.
        content: String,
    },
    /// It could not be done.
    Failed(RequestFailure),
}

tagged!(RunnerResponse, "type");

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFailure {
    /// For programs.
    pub code: FailureCode,
    /// What is wrong and what to do about it.
    pub error: String,
    /// What was to be reviewed, as far as it was found.
    pub of: Option<Differences>,
}

impl RequestFailure {
    /// A failure of which nothing but this is known.
    #[must_use]
    pub fn new(code: FailureCode, error: impl Into<String>) -> Self {
        Self { code, error: error.into(), of: None }
    }
}

/// Why a request was not carried out, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureCode {
    /// Nobody here can do that.
    NotAvailable,
    /// Not while things are as they are.
    Conflict,
    /// Not at the moment: no answer came, or nobody was there to give one.
    Unavailable,
    /// Something else.
    InternalError,
}

impl FailureCode {
    /// The code on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAvailable => "NOT_AVAILABLE",
            Self::Conflict => "CONFLICT",
            Self::Unavailable => "UNAVAILABLE",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// The failure of that code; [`FailureCode::InternalError`] for one that is not known.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let known = [Self::NotAvailable, Self::Conflict, Self::Unavailable];
        known.into_iter().find(|code| code.as_str() == name).unwrap_or(Self::InternalError)
    }
}

/// The files that differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differences {
    /// The files.
    pub files: Vec<FileDiff>,
    /// How many more there are.
    pub omitted: u64,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDiff {
    /// Where it is in the workspace.
    pub path: String,
    /// How it differs.
    pub status: FileStatus,
    /// As unified text; absent where there is none, or where it was left out.
    pub diff: Option<String>,
    /// Whether some or all of that text was left out since it is too much.
    pub is_cut: bool,
}

impl Differences {
    /// The first files, and of their texts those that fit together.
    #[must_use]
    fn bounded(mut self) -> Self {
        let before = self.files.len();
        self.files.truncate(MAX_FILES);
        self.files.retain(|file| file.path.len() <= MAX_PATH);
        self.omitted = self.omitted.saturating_add(u64::try_from(before - self.files.len()).unwrap_or(u64::MAX));
        let mut room = MAX_RESPONSE_BYTES;
        for file in &mut self.files {
            let size = file.diff.as_ref().map_or(0, String::len);
            match room.checked_sub(size) {
                Some(rest) => room = rest,
                None => {
                    file.diff = None;
                    file.is_cut = true;
                }
            }
        }
        self
    }
}

impl RunnerResponse {
    /// A failure of which nothing but this is known.
    #[must_use]
    pub fn failed(code: FailureCode, error: impl Into<String>) -> Self {
        Self::Failed(RequestFailure::new(code, error))
    }

    /// The same within bounds: a runner may say anything.
    #[must_use]
    pub fn bounded(self) -> Self {
        let too_large = || Self::failed(FailureCode::InternalError, "The runner's answer is too large to be passed on");
        match self {
            Self::Diff(differences) => Self::Diff(differences.bounded()),
            Self::Review { review, .. } if is_large(&review) => too_large(),
            Self::Done { result: Some(result) } if is_large(&result) => too_large(),
            Self::Prompt { content } if content.len() > MAX_RESPONSE_BYTES => too_large(),
            Self::Review { review, of } => Self::Review { review, of: of.bounded() },
            Self::Failed(failure) => Self::Failed(RequestFailure {
                error: failure.error.chars().take(MAX_ERROR_CHARS).collect(),
                of: failure.of.map(Differences::bounded),
                ..failure
            }),
            other => other,
        }
    }

    /// Whether it can be the answer to `request`.
    #[must_use]
    pub fn answers(&self, request: &RunnerRequest) -> bool {
        match self {
            Self::Diff(_) => *request == RunnerRequest::Diff,
            Self::Review { .. } => *request == RunnerRequest::Review,
            Self::Done { .. } => {
                request.command_name().is_some()
                    || matches!(request, RunnerRequest::Revert { .. } | RunnerRequest::CloseTunnel { .. })
            }
            Self::Prompt { .. } => matches!(request, RunnerRequest::Command(_)),
            Self::Failed(_) => true,
        }
    }
}

fn is_large(value: &Value) -> bool {
    value.to_string().len() > MAX_RESPONSE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    fn file(path: &str, size: usize) -> FileDiff {
        FileDiff { path: path.to_owned(), status: FileStatus::Added, diff: Some("x".repeat(size)), is_cut: false }
    }

    #[test]
    fn a_large_diff_is_cut_file_by_file() {
        let files = vec![file("a", MAX_RESPONSE_BYTES - 10), file("b", 11), file("c", 10)];
        let RunnerResponse::Diff(cut) = RunnerResponse::Diff(Differences { files, omitted: 0 }).bounded() else {
            panic!("it is another answer");
        };
        let cuts: Vec<_> = cut.files.iter().map(|file| (file.diff.is_some(), file.is_cut)).collect();
        assert_eq!(cuts, [(true, false), (false, true), (true, false)]);
    }

    #[test]
    fn files_beyond_the_bound_are_counted() {
        let files = (0..MAX_FILES + 3).map(|n| file(&n.to_string(), 1)).collect();
        let cut = Differences { files, omitted: 4 }.bounded();
        assert_eq!((cut.files.len(), cut.omitted), (MAX_FILES, 7));
        let cut = Differences { files: vec![file(&"x".repeat(MAX_PATH + 1), 1)], omitted: 0 }.bounded();
        assert_eq!((cut.files.len(), cut.omitted), (0, 1));
    }

    #[test]
    fn what_is_too_large_fails() {
        let large = Value::String("x".repeat(MAX_RESPONSE_BYTES));
        for answer in [
            RunnerResponse::Done { result: Some(large.clone()) },
            RunnerResponse::Review { review: large, of: Differences::default() },
            RunnerResponse::Prompt { content: "x".repeat(MAX_RESPONSE_BYTES + 1) },
        ] {
            assert!(matches!(answer.bounded(), RunnerResponse::Failed(_)));
        }
    }

    #[test]
    fn commands_have_names_that_agents_know_them_by() {
        assert_eq!(RunnerRequest::command("new-session", None), Ok(RunnerRequest::NewSession));
        let compact = RunnerRequest::command("compact", Some("hard".to_owned())).unwrap();
        assert_eq!(compact.command_name(), Some("compact"));
        for bad in ["", "a b", "/compact", "a\n", &"x".repeat(MAX_COMMAND_CHARS + 1)] {
            assert_eq!(RunnerRequest::command(bad, None), Err(InvalidCommand::Name), "{bad}");
        }
        let long = Some("x".repeat(MAX_ARGUMENT_CHARS + 1));
        assert_eq!(RunnerRequest::command("a", long), Err(InvalidCommand::Arguments));
    }

    #[test]
    fn an_answer_is_of_its_request() {
        let compact = RunnerRequest::command("compact", None).unwrap();
        let done = RunnerResponse::Done { result: None };
        assert!(
            done.answers(&compact) && done.answers(&RunnerRequest::NewSession) && !done.answers(&RunnerRequest::Diff)
        );
        let prompt = RunnerResponse::Prompt { content: "/compact".to_owned() };
        assert!(prompt.answers(&compact) && !prompt.answers(&RunnerRequest::NewSession));
        let revert = RunnerRequest::Revert { prompt: MessageId::parse("p").unwrap() };
        assert!(done.answers(&revert) && !prompt.answers(&revert));
        assert!(RunnerResponse::failed(FailureCode::Conflict, "no").answers(&RunnerRequest::Review));
        let by = Author { id: UserId::parse("u").unwrap(), email: "u@e".to_owned(), name: None, avatar_url: None };
        let close = RunnerRequest::CloseTunnel { name: "web".to_owned(), by };
        assert!(done.answers(&close) && !prompt.answers(&close) && !close.needs_agent());
    }
}
