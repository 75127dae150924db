//! What a runner of earlier gateways asks the gateway for, and the answers.

use portway_tagged::tagged;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Declares [`RequestName`].
macro_rules! names {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// The requests, by name. The answer to each has the type of the request with `-result` behind it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RequestName {
            $(#[doc = concat!("`", $name, "`.")] $variant),+
        }

        impl RequestName {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The `type` of the frame.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }
    };
}

names! {
    SpawnChild = "spawn-child",
    TerminateChild = "terminate-child",
    ListChildSessions = "list-child-sessions",
    ForwardMessages = "forward-messages",
    SessionMessage = "session-message",
    SessionMessages = "session-messages",
    GetSessionStatus = "get-session-status",
    CreatePr = "create-pr",
    UpdatePr = "update-pr",
    ListPullRequests = "list-pull-requests",
    InspectPullRequest = "inspect-pull-request",
    ReadRepoFile = "read-repo-file",
    ListRepos = "list-repos",
    ListPersonas = "list-personas",
    ListChannels = "list-channels",
    MemoryRead = "memory-read",
    MemoryWrite = "memory-write",
    MemoryDelete = "memory-delete",
    MailboxSend = "mailbox-send",
    MailboxCheck = "mailbox-check",
    TaskCreate = "task-create",
    TaskList = "task-list",
    TaskMy = "task-my",
    TaskUpdate = "task-update",
    ChannelReply = "channel-reply",
    WorkflowList = "workflow-list",
    WorkflowSync = "workflow-sync",
    WorkflowRun = "workflow-run",
    WorkflowExecutions = "workflow-executions",
    WorkflowApi = "workflow-api",
    TriggerApi = "trigger-api",
    ExecutionApi = "execution-api",
}

impl RequestName {
    /// The request whose frames have that `type`.
    #[must_use]
    pub fn from_type(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|request| request.as_str() == name)
    }
}

/// The fields of the requests that are answered; a request without a variant here is told that it is not available.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum RequestBody {
    /// Reads what the owner of the session wants agents to know.
    MemoryRead {
        /// Only memories of this category.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        category: Option<String>,
        /// Only those that have any of these words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<i64>,
    },
    /// Remembers something for the owner of the session.
    MemoryWrite {
        /// What is to be remembered.
        content: String,
        /// What it is about.
        category: String,
    },
    /// Forgets a memory of the owner of the session.
    MemoryDelete {
        /// Which one.
        memory_id: String,
    },
    /// Says something to the agent of another session of the same owner.
    SessionMessage {
        /// Which session.
        target_session_id: String,
        /// The text.
        content: String,
        /// Whether the turn there is to end for it.
        #[serde(default)]
        interrupt: bool,
    },
    /// Opens a child of the session. What it says of repositories is not served.
    SpawnChild {
        /// What the child is told first.
        task: String,
        /// A name for what is worked on; that of the parent if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workspace: Option<String>,
        /// Its title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Which model to use for the task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// The repository to work in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repo_url: Option<String>,
    },
    /// Ends a child of the session.
    TerminateChild {
        /// Which one.
        child_session_id: String,
    },
    /// Names the newest children of the session.
    ListChildSessions {},
    /// Reads messages of another session of the same owner.
    SessionMessages {
        /// Which session.
        target_session_id: String,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<i64>,
        /// Those after this message from there on; the newest ones if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Copies messages of another session of the same owner into the own transcript.
    ForwardMessages {
        /// Which session.
        target_session_id: String,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<i64>,
        /// Those after this message from there on; the newest ones if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Asks how another session of the same owner fares.
    GetSessionStatus {
        /// Which session.
        target_session_id: String,
    },
    /// A request that is not available in this gateway.
    #[serde(other)]
    NotAvailable,
}

tagged!(RequestBody, "type");

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestResult {
    r#type: String,
    request_id: String,
    #[serde(flatten)]
    outcome: RequestOutcome,
}

impl RequestResult {
    /// The answer to the request of that name and id.
    #[must_use]
    pub fn new(name: RequestName, request_id: String, outcome: RequestOutcome) -> Self {
        Self { r#type: format!("{}-result", name.as_str()), request_id, outcome }
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RequestOutcome {
    /// It was carried out.
    Done(Map<String, Value>),
    /// It was not.
    Failed {
        /// Why, in words for the agent.
        error: String,
        /// The same for programs; the codes are those of HTTP errors.
        code: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_request_is_found_by_its_type() {
        for name in RequestName::ALL {
            assert_eq!(RequestName::from_type(name.as_str()), Some(*name));
        }
        assert_eq!(RequestName::from_type("memory-read-result"), None);
    }

    #[test]
    fn answers_name_their_request() {
        let done = RequestOutcome::Done(Map::from_iter([("success".to_owned(), true.into())]));
        let answer = RequestResult::new(RequestName::MemoryDelete, "r1".to_owned(), done);
        assert_eq!(
            serde_json::to_value(answer).unwrap(),
            json!({"type": "memory-delete-result", "requestId": "r1", "success": true})
        );
        let failed = RequestOutcome::Failed { error: "no".to_owned(), code: "CONFLICT".to_owned() };
        let answer = RequestResult::new(RequestName::CreatePr, "r2".to_owned(), failed);
        assert_eq!(
            serde_json::to_value(answer).unwrap(),
            json!({"type": "create-pr-result", "requestId": "r2", "error": "no", "code": "CONFLICT"})
        );
    }
}
