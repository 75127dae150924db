//! Places for agents to work in.

use std::collections::BTreeMap;

use async_trait::async_trait;
use portway_domain::ids::{SessionId, SnapshotId};
use portway_domain::tokens::TokenSecret;
use serde::{Deserialize, Serialize};

/// A sandbox to start.
#[derive(Debug, Clone)]
pub struct SandboxOrder {
    /// The session.
    pub session: SessionId,
    /// The generation of its runner.
    pub generation: u32,
    /// The agent to start in it.
    pub agent: AgentCommand,
    /// The folder to work in; a folder of the session's own if absent.
    pub directory: Option<String>,
    /// The secret that the runner presents.
    pub token: TokenSecret,
    /// The agent's own name of the conversation that an earlier sandbox of the session had with it, to go on with.
    pub agent_session: Option<String>,
    /// What an earlier sandbox of the session left, to be made from; see [`Sandboxes::hibernate`].
    pub snapshot: Option<SnapshotId>,
}

/// How to start an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentCommand {
    /// Program and arguments; the program comes first.
    pub command: Vec<String>,
    /// Environment variables of its own.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Which of the agent's authentication methods to use when it demands one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_method: Option<String>,
    /// Which of the agent's session modes to put every conversation into; its own choice if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

impl AgentCommand {
    /// A program and its arguments, with nothing else set.
    ///
    /// ```
    /// # use portway_ports::sandboxes::AgentCommand;
    /// assert_eq!(AgentCommand::new(["gemini", "--acp"]).command, ["gemini", "--acp"]);
    /// ```
    #[must_use]
    pub fn new<T: Into<String>>(command: impl IntoIterator<Item = T>) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        Self { command, env: BTreeMap::new(), auth_method: None, mode: None }
    }
}

/// Why a sandbox could not be started or stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SandboxError {
    /// It will never work as it is: the text says what to change.
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
}

/// Starts and stops sandboxes. A sandbox is named by session and generation.
#[async_trait]
pub trait Sandboxes: Send + Sync {
    /// Starts a sandbox with a runner in it. One that is left over from an earlier attempt for the same session, of this
    /// generation or an older one, is stopped first, so two runners of a session never run side by side.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for example when the folder does not exist; [`SandboxError::Unavailable`] when the
    /// backend cannot be reached.
    async fn start(&self, order: SandboxOrder) -> Result<(), SandboxError>;

    /// Stops a sandbox and everything in it. One that does not exist is stopped already.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`] when the backend cannot be reached.
    async fn stop(&self, session: &SessionId, generation: u32) -> Result<(), SandboxError>;

    /// Ends everything in a sandbox and keeps its files, for the next one of the session to go on with. Answers what
    /// that one is to be made from; nothing where the files stay in place. A sandbox that does not exist is put away
    /// already.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] when it cannot be kept; [`SandboxError::Unavailable`] when the backend cannot be
    /// reached.
    async fn hibernate(&self, session: &SessionId, generation: u32) -> Result<Option<SnapshotId>, SandboxError> {
        self.stop(session, generation).await.map(|()| None)
    }

    /// Whether the sandbox exists and lives.
    async fn is_alive(&self, session: &SessionId, generation: u32) -> bool;

    /// Whether the sandbox was started on this node, as far as that can be known. Only asked about one that does not live,
    /// where several nodes share a store: one that was here has ended, any other may live elsewhere.
    async fn was_here(&self, session: &SessionId, generation: u32) -> bool {
        self.is_alive(session, generation).await
    }

    /// Returns when the sandbox is no more, with how it ended in words; at once if it does not exist. May be dropped
    /// early.
    async fn ended(&self, session: &SessionId, generation: u32) -> String;
}
