//! The calls of a backend on the wire. What only `portway sandbox serve` understands is marked; other backends ignore it.

use std::collections::BTreeMap;

use portway_domain::sandbox_tokens::SandboxKey;
use portway_domain::tunnels::SandboxUrls;
use portway_ports::sandboxes::{AgentCommand, SandboxOrder, SandboxRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::url::RunnerUrl;

/// After this long without anything to do a backend may end a sandbox that the gateway forgot. Long, because the gateway
/// itself puts idle ones away.
const IDLE_SECONDS: u64 = 86_400;

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Create,
    Restore,
    Terminate,
    Hibernate,
    Status,
    DeleteWorkspace,
}

impl Label {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create-session",
            Self::Restore => "restore-session",
            Self::Terminate => "terminate-session",
            Self::Hibernate => "hibernate-session",
            Self::Status => "session-status",
            Self::DeleteWorkspace => "delete-workspace",
        }
    }
}

/// Of `create-session`, and of `restore-session` with a snapshot.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Create<'a> {
    session_id: &'a str,
    user_id: &'a str,
    workspace: &'a str,
    image_type: &'static str,
    do_ws_url: String,
    runner_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_secret: Option<&'a str>,
    idle_timeout_seconds: u64,
    env_vars: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_image_id: Option<&'a str>,
    /// Ours.
    generation: u32,
    /// Ours.
    agent: Agent<'a>,
    /// Ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_session: Option<&'a str>,
    /// Ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Agent<'a> {
    name: &'a str,
    command: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'a str>,
}

impl<'a> Create<'a> {
    pub(crate) fn new(order: &'a SandboxOrder, gateway: &RunnerUrl) -> Self {
        let AgentCommand { command, env, auth_method, mode } = &order.agent;
        Self {
            session_id: order.session.as_str(),
            user_id: order.owner.as_str(),
            workspace: order.session.as_str(),
            image_type: "base",
            do_ws_url: gateway.socket(order.session.as_str()),
            runner_token: order.token.reveal(),
            jwt_secret: order.key.as_ref().map(SandboxKey::reveal),
            idle_timeout_seconds: IDLE_SECONDS,
            env_vars: env,
            snapshot_image_id: order.snapshot.as_ref().map(|snapshot| snapshot.as_str()),
            generation: order.generation,
            agent: Agent {
                name: &order.agent_name,
                command,
                auth_method: auth_method.as_deref(),
                mode: mode.as_deref(),
            },
            agent_session: order.agent_session.as_deref(),
            directory: order.directory.as_deref(),
        }
    }
}

/// Of the calls about a sandbox that was started.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Named<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox_id: Option<&'a str>,
    /// Ours: names the sandbox where the answer with its id was lost.
    session_id: &'a str,
    /// Ours.
    generation: u32,
    /// Ours: how long the answer may be held back while the sandbox lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_seconds: Option<u64>,
}

impl<'a> Named<'a> {
    pub(crate) fn new(sandbox: &'a SandboxRef) -> Self {
        Self {
            sandbox_id: sandbox.id.as_ref().map(|id| id.as_str()),
            session_id: sandbox.session.as_str(),
            generation: sandbox.generation,
            wait_seconds: None,
        }
    }

    pub(crate) fn waiting(self, seconds: u64) -> Self {
        Self { wait_seconds: Some(seconds), ..self }
    }
}

/// Of `delete-workspace`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Workspace<'a> {
    pub(crate) session_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Created {
    pub(crate) sandbox_id: String,
    #[serde(default)]
    tunnel_urls: Value,
}

impl Created {
    /// Where the sandbox is reached. What is no address is left out: backends say `null` for what they do not serve.
    pub(crate) fn urls(self) -> SandboxUrls {
        let named = match self.tunnel_urls {
            Value::Object(named) => named,
            _ => Map::new(),
        };
        let text = |(name, url)| if let Value::String(url) = url { Some((name, url)) } else { None };
        named.into_iter().filter_map(text).collect::<BTreeMap<String, String>>().into()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hibernated {
    pub(crate) snapshot_image_id: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Status {
    pub(crate) status: String,
    /// Ours: how it ended.
    pub(crate) detail: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Deleted {
    #[serde(default)]
    pub(crate) deleted: bool,
}
