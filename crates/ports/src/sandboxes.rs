//! Places for agents to work in.

use std::collections::BTreeMap;

use async_trait::async_trait;
use portway_domain::ids::{SandboxId, SessionId, SnapshotId, UserId};
use portway_domain::sandbox_tokens::SandboxKey;
use portway_domain::tokens::TokenSecret;
use portway_domain::tunnels::SandboxUrls;
use serde::{Deserialize, Serialize};

/// A sandbox to start.
#[derive(Debug, Clone)]
pub struct SandboxOrder {
    /// The session.
    pub session: SessionId,
    /// Whose session it is.
    pub owner: UserId,
    /// The generation of its runner.
    pub generation: u32,
    /// Name of the agent, by which another machine knows how to start it there.
    pub agent_name: String,
    /// The agent to start in it.
    pub agent: AgentCommand,
    /// The folder to work in; a folder of the session's own if absent.
    pub directory: Option<String>,
    /// The secret that the runner presents.
    pub token: TokenSecret,
    /// What the sandbox lets people in by at its own front door, if it has one; absent where the gateway has no root
    /// key.
    pub key: Option<SandboxKey>,
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

/// A sandbox that was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartedSandbox {
    /// The name that the backend has for it, where session and generation are none.
    pub id: Option<SandboxId>,
    /// Where it is reached from outside, as far as the backend says.
    pub urls: SandboxUrls,
}

/// Names a sandbox that was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SandboxRef {
    /// The session.
    pub session: SessionId,
    /// The generation of its runner.
    pub generation: u32,
    /// What [`Sandboxes::start`] answered as its id. Absent too when that answer was lost: session and generation then
    /// have to do.
    pub id: Option<SandboxId>,
}

impl SandboxRef {
    /// The sandbox of a generation, without a name of the backend's own.
    #[must_use]
    pub fn new(session: SessionId, generation: u32) -> Self {
        Self { session, generation, id: None }
    }
}

/// Starts and stops sandboxes. A sandbox is named by session and generation, and by the id that its backend gave it, if
/// it did.
#[async_trait]
pub trait Sandboxes: Send + Sync {
    /// Starts a sandbox with a runner in it. One that is left over from an earlier attempt for the same session, of this
    /// generation or an older one, is stopped first, so two runners of a session never run side by side.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for example when the folder does not exist; [`SandboxError::Unavailable`] when the
    /// backend cannot be reached.
    async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError>;

    /// Stops a sandbox and everything in it. One that does not exist is stopped already.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`] when the backend cannot be reached.
    async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError>;

    /// Ends everything in a sandbox and keeps its files, for the next one of the session to go on with. Answers what
    /// that one is to be made from; nothing where the files stay in place. A sandbox that does not exist is put away
    /// already.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] when it cannot be kept; [`SandboxError::Unavailable`] when the backend cannot be
    /// reached.
    async fn hibernate(&self, sandbox: &SandboxRef) -> Result<Option<SnapshotId>, SandboxError> {
        self.stop(sandbox).await.map(|()| None)
    }

    /// Removes the files that the sandboxes of a session left, but for those in a folder that was named for it. Answers
    /// whether there were any that could be removed; never, where nothing is kept.
    ///
    /// # Errors
    /// [`SandboxError`] for example while a sandbox of the session lives.
    async fn delete_workspace(&self, _: &SessionId) -> Result<bool, SandboxError> {
        Ok(false)
    }

    /// Whether the sandbox exists and lives.
    ///
    /// # Errors
    /// [`SandboxError`] when that cannot be found out now: it may live.
    async fn is_alive(&self, sandbox: &SandboxRef) -> Result<bool, SandboxError>;

    /// Whether a sandbox stays with the node that started it, as processes of its machine do. Where several nodes share a
    /// store, a sandbox that does not is known to all of them, and is looked after by the one that started it.
    fn stay_with_node(&self) -> bool {
        true
    }

    /// The sandboxes that were started on this node and are not known to have ended, also by an earlier process of it.
    /// None where they do not stay with it.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`] when that cannot be found out now.
    async fn on_this_node(&self) -> Result<Vec<SandboxRef>, SandboxError> {
        Ok(Vec::new())
    }

    /// Whether the sandbox was started on this node, as far as that can be known. Only asked about one that does not live,
    /// where several nodes share a store: one that was here has ended, any other may live elsewhere.
    async fn was_here(&self, sandbox: &SandboxRef) -> bool {
        self.is_alive(sandbox).await.unwrap_or(false)
    }

    /// Whether somebody waits for the end of each sandbox for as long as it lives. Where that costs too much, one is asked
    /// about while its runner is away.
    fn are_watched(&self) -> bool {
        true
    }

    /// Returns when the sandbox is no more, with how it ended in words; at once if it does not exist. May be dropped
    /// early.
    async fn ended(&self, sandbox: &SandboxRef) -> String;
}
