//! The backend over HTTP: the contract of sandbox backends as a table of operations, served like those of a gateway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use garde::Validate;
use portway_adapters_system::{SystemClock, SystemEntropy, TokioSpawner};
use portway_api::{
    ApiOptions, BuildError, EndpointTable, NoInput, Operation, OperationTable, RateClass, Surfaces, router as routes,
};
use portway_domain::access::Permission;
use portway_domain::ids::{SessionId, UserId};
use portway_domain::tokens::{MAX_SECRET_BYTES, TokenSecret};
use portway_ports::sandboxes::{AgentCommand, SandboxOrder, SandboxRef};
use portway_services::{Context, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::backend::{Backend, Life, Wanted, WantedAgent};
use crate::process_metrics::ProcessMetrics;
use crate::web_socket::AxumUpgrade;

/// Longest texts, in bytes, where nothing else says so.
const MAX_TEXT: usize = 4_096;

/// The router of a backend.
pub(super) fn router(backend: &Arc<Backend>) -> Result<Router, BuildError> {
    let spawner = Arc::new(TokioSpawner::new(Handle::current()));
    let mut options = ApiOptions::new(Arc::new(SystemClock::new()), Arc::new(SystemEntropy), spawner);
    "Portway sandbox backend".clone_into(&mut options.title);
    options.metrics.sources = vec![Arc::new(ProcessMetrics::new())];
    let endpoints = EndpointTable::new([])?;
    routes(OperationTable::new(rows())?, endpoints, Arc::clone(backend), options, Arc::new(AxumUpgrade))
}

fn rows() -> [Operation<Backend>; 7] {
    let row = |name, path| {
        // The token is the guard here: a page of a stranger does not have it, under whatever name it asks.
        Operation::new(name, Method::POST, path, Permission::SignedIn)
            .surfaces(Surfaces::REST)
            .any_host()
            .takes_no_key()
    };
    [
        row("sandboxes.create", "/create-session")
            .summary("Start a sandbox")
            .describe("What is left of the session, of this generation or an older one, is stopped first.")
            .handler(create),
        row("sandboxes.restore", "/restore-session")
            .summary("Start a sandbox where one was put away")
            .describe("Files stay in place here, so it is the same as starting one.")
            .handler(create),
        row("sandboxes.terminate", "/terminate-session")
            .summary("End a sandbox")
            .describe("One that does not exist has ended already.")
            .handler(terminate),
        row("sandboxes.hibernate", "/hibernate-session")
            .summary("Put a sandbox away and keep its files")
            .describe("409 when it has ended already.")
            .handler(hibernate),
        row("sandboxes.status", "/session-status").summary("Whether a sandbox lives").handler(status),
        row("workspaces.delete", "/delete-workspace")
            .summary("Remove the files of a session")
            .describe("409 while something runs in them.")
            .handler(delete_workspace),
        Operation::new("health", Method::GET, "/health", Permission::Public)
            .summary("Whether the backend runs")
            .rate(RateClass::Unlimited)
            .surfaces(Surfaces::REST)
            .any_host()
            .quiet()
            .handler(health),
    ]
}

type State = Arc<Backend>;
type Answer<T> = Result<T, Error>;

/// A sandbox to start. Fields of the contract that are not named here are ignored.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateSession {
    /// The session.
    #[garde(length(bytes, max = MAX_TEXT))]
    session_id: String,
    /// Whose it is.
    #[garde(length(bytes, max = MAX_TEXT))]
    user_id: Option<String>,
    /// Where its socket is, for runners.
    #[garde(length(bytes, max = MAX_TEXT))]
    do_ws_url: String,
    /// What the runner presents there.
    #[garde(length(bytes, max = MAX_SECRET_BYTES))]
    runner_token: String,
    /// The agent's environment, where its command is the gateway's.
    #[garde(skip)]
    #[serde(default)]
    env_vars: BTreeMap<String, String>,
    /// Counts the sandboxes of a session; 0 from a gateway that does not count.
    #[garde(skip)]
    #[serde(default)]
    generation: u32,
    /// The agent; the backend's default one if absent.
    #[garde(dive)]
    agent: Option<Agent>,
    /// The agent's own name of the conversation to go on with.
    #[garde(length(bytes, max = MAX_TEXT))]
    agent_session: Option<String>,
    /// The folder to work in; the session's workspace if absent.
    #[garde(length(bytes, max = MAX_TEXT))]
    directory: Option<String>,
}

/// An agent.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct Agent {
    /// Its name, by which the backend knows how to start it.
    #[garde(length(bytes, max = 100))]
    name: String,
    /// Program and arguments. Only used where the backend lets gateways run anything.
    #[garde(skip)]
    #[serde(default)]
    command: Vec<String>,
    /// Which of its authentication methods to use.
    #[garde(length(bytes, max = MAX_TEXT))]
    auth_method: Option<String>,
    /// Which of its session modes to use.
    #[garde(length(bytes, max = MAX_TEXT))]
    mode: Option<String>,
}

impl CreateSession {
    fn wanted(self) -> Answer<Wanted> {
        let owner = self.user_id.unwrap_or_else(|| "unknown".to_owned());
        let env = self.env_vars;
        let agent = self.agent.map(|agent| WantedAgent {
            name: agent.name,
            command: AgentCommand { command: agent.command, env, auth_method: agent.auth_method, mode: agent.mode },
        });
        let order = SandboxOrder {
            session: SessionId::parse(self.session_id).map_err(|error| invalid("sessionId", &error))?,
            owner: UserId::parse(owner).map_err(|error| invalid("userId", &error))?,
            generation: self.generation,
            agent_name: String::new(),
            agent: AgentCommand::new([""; 0]),
            directory: self.directory,
            token: TokenSecret::opaque(&self.runner_token).map_err(|error| invalid("runnerToken", &error))?,
            key: None,
            agent_session: self.agent_session,
            snapshot: None,
        };
        Ok(Wanted { order, agent, socket: self.do_ws_url })
    }
}

/// A sandbox that was started.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Created {
    sandbox_id: String,
    /// None are offered.
    tunnel_urls: BTreeMap<String, String>,
}

async fn create(backend: State, context: Context, input: CreateSession) -> Answer<Created> {
    backend.admit(&context)?;
    let wanted = input.wanted()?;
    let sandbox = SandboxRef::new(wanted.order.session.clone(), wanted.order.generation);
    backend.create(wanted).await?;
    Ok(Created { sandbox_id: name(&sandbox), tunnel_urls: BTreeMap::new() })
}

/// Names a sandbox: by its id, or by session and generation.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct Named {
    /// What starting it answered.
    #[garde(length(bytes, max = MAX_TEXT))]
    sandbox_id: Option<String>,
    /// The session.
    #[garde(length(bytes, max = MAX_TEXT))]
    session_id: Option<String>,
    /// The generation.
    #[garde(skip)]
    generation: Option<u32>,
    /// For how many seconds, up to 30, the status may be held back while the sandbox lives.
    #[garde(skip)]
    wait_seconds: Option<u32>,
}

impl Named {
    fn sandbox(&self) -> Answer<SandboxRef> {
        let of_id = || {
            let (session, generation) = self.sandbox_id.as_deref()?.rsplit_once('.')?;
            Some((session.to_owned(), generation.parse().ok()?))
        };
        let named = self.session_id.clone().zip(self.generation).or_else(of_id);
        let (session, generation) = named.ok_or_else(|| Error::Invalid {
            field: "sandboxId".to_owned(),
            message: "expected what starting the sandbox answered".to_owned(),
        })?;
        let session = SessionId::parse(session).map_err(|error| invalid("sessionId", &error))?;
        Ok(SandboxRef::new(session, generation))
    }
}

/// It was done.
#[derive(Serialize, JsonSchema)]
struct Success {
    /// Always `true`.
    success: bool,
}

async fn terminate(backend: State, context: Context, input: Named) -> Answer<Success> {
    backend.admit(&context)?;
    backend.terminate(&input.sandbox()?).await?;
    Ok(Success { success: true })
}

/// What a later sandbox is made from.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Hibernated {
    snapshot_image_id: String,
}

async fn hibernate(backend: State, context: Context, input: Named) -> Answer<Hibernated> {
    backend.admit(&context)?;
    let sandbox = input.sandbox()?;
    backend.hibernate(&sandbox).await?;
    Ok(Hibernated { snapshot_image_id: name(&sandbox) })
}

/// Whether a sandbox lives.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Status {
    sandbox_id: String,
    /// `running` or `gone`.
    status: &'static str,
    /// How it ended, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

async fn status(backend: State, context: Context, input: Named) -> Answer<Status> {
    backend.admit(&context)?;
    let sandbox = input.sandbox()?;
    let patience = Duration::from_secs(input.wait_seconds.unwrap_or(0).into());
    let (status, detail) = match backend.life(&sandbox, patience).await? {
        Life::Running => ("running", None),
        Life::Gone(how) => ("gone", Some(how)),
    };
    Ok(Status { sandbox_id: name(&sandbox), status, detail })
}

/// The session whose files are to go.
#[derive(Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct DeleteWorkspace {
    /// The session.
    #[garde(length(bytes, max = MAX_TEXT))]
    session_id: String,
}

/// The files are gone.
#[derive(Serialize, JsonSchema)]
struct Deleted {
    /// Always `true`.
    success: bool,
    /// Whether there were any.
    deleted: bool,
}

async fn delete_workspace(backend: State, context: Context, input: DeleteWorkspace) -> Answer<Deleted> {
    backend.admit(&context)?;
    let session = SessionId::parse(input.session_id).map_err(|error| invalid("sessionId", &error))?;
    Ok(Deleted { success: true, deleted: backend.delete_workspace(&session).await? })
}

/// The backend runs.
#[derive(Serialize, JsonSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

async fn health(_: State, _: Context, _: NoInput) -> Answer<Health> {
    Ok(Health { status: "ok" })
}

/// Session and generation, from which the sandbox is found again.
fn name(sandbox: &SandboxRef) -> String {
    format!("{}.{}", sandbox.session, sandbox.generation)
}

fn invalid(field: &str, error: &dyn std::error::Error) -> Error {
    Error::Invalid { field: field.to_owned(), message: error.to_string() }
}
