//! Sessions: open, list, look at, rename, end.

use std::collections::BTreeMap;

use garde::Validate;
use http::{Method, StatusCode};
use portway_domain::access::{Permission, SessionRole};
use portway_domain::sessions::{Session, SessionStatus};
use portway_ports::pages::{Cursor, PageRequest};
use portway_ports::sessions::{Ownership, SessionFilter, SessionListItem};
use portway_services::error::Error;
use portway_services::sessions::{NewSession, SessionDetail};
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sharing::ListedParticipantView;
use super::tunnels::{TunnelView, gateway_url, some_tunnels, some_urls};
use super::{Answer, SUCCESS, State, Success, session_id};
use crate::operation::Operation;
use crate::rate::RateClass;

/// Rows of a page when the caller does not say.
const DEFAULT_PAGE: u32 = 20;

const SESSION: &str = "/api/sessions/{id}";

pub(super) fn rows() -> Vec<Operation<Services>> {
    let viewer = Permission::Session(SessionRole::Viewer);
    let owner = Permission::Session(SessionRole::Owner);
    vec![
        Operation::new("sessions.list", Method::GET, "/api/sessions", Permission::SignedIn)
            .summary("List one's sessions, and those that one takes part in")
            .describe("Newest first. `cursor` of one page asks for the next.")
            .handler(list),
        Operation::new("sessions.create", Method::POST, "/api/sessions", Permission::SignedIn)
            .summary("Open a session")
            .describe("The session exists at once; its agent is started beside it. Watch it over its socket.")
            .rate(RateClass::Agent)
            .status(StatusCode::CREATED)
            .keeps_result()
            .handler(create),
        Operation::new("sessions.get", Method::GET, SESSION, viewer)
            .summary("Look at a session")
            .describe("With what its agent and its sandbox do now.")
            .handler(get),
        Operation::new("sessions.update", Method::PATCH, SESSION, owner)
            .summary("Give a session another title")
            .describe("Everybody who has the session open is told.")
            .handler(update),
        Operation::new("sessions.terminate", Method::DELETE, SESSION, owner)
            .summary("End a session")
            .describe("Its agent is stopped. The transcript stays. Ending it twice does nothing.")
            .handler(terminate),
    ]
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionView {
    id: String,
    user_id: String,
    /// The session that opened it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_session_id: Option<String>,
    workspace: String,
    /// Where it is in its life.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Name of the agent that works in it.
    agent: String,
    /// The folder that the agent works in, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<SessionConfig>,
    /// Why the status is `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    /// Always `interactive`.
    purpose: &'static str,
    created_at: String,
    last_active_at: String,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.into(),
            user_id: session.owner.into(),
            parent_session_id: session.parent.map(Into::into),
            workspace: session.workspace,
            status: session.status.as_str(),
            title: session.title,
            agent: session.agent,
            directory: session.directory,
            metadata: session.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            error_message: session.error_message,
            purpose: "interactive",
            created_at: session.created_at.to_string(),
            last_active_at: session.last_active_at.to_string(),
        }
    }
}

/// What to list.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct ListSessions {
    /// Rows of the page, brought to between 1 and 100; 20 if left out.
    #[garde(skip)]
    limit: Option<i64>,
    /// Where the page begins: `cursor` of the page before.
    #[garde(skip)]
    cursor: Option<String>,
    /// Only sessions with this status.
    #[garde(skip)]
    status: Option<StatusName>,
    /// Whose.
    #[garde(skip)]
    ownership: Option<OwnershipName>,
}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StatusName {
    Initializing,
    Running,
    Hibernating,
    Hibernated,
    Restoring,
    Terminated,
    Archived,
    Error,
}

impl From<StatusName> for SessionStatus {
    fn from(name: StatusName) -> Self {
        match name {
            StatusName::Initializing => Self::Initializing,
            StatusName::Running => Self::Running,
            StatusName::Hibernating => Self::Hibernating,
            StatusName::Hibernated => Self::Hibernated,
            StatusName::Restoring => Self::Restoring,
            StatusName::Terminated => Self::Terminated,
            StatusName::Archived => Self::Archived,
            StatusName::Error => Self::Error,
        }
    }
}

/// Whose sessions.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OwnershipName {
    All,
    Mine,
    Shared,
}

impl From<OwnershipName> for Ownership {
    fn from(name: OwnershipName) -> Self {
        match name {
            OwnershipName::All => Self::All,
            OwnershipName::Mine => Self::Mine,
            OwnershipName::Shared => Self::Shared,
        }
    }
}

/// One page of sessions.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionPage {
    sessions: Vec<SessionRow>,
    /// Asks for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    has_more: bool,
}

/// A session in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionRow {
    #[serde(flatten)]
    session: SessionView,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_name: Option<String>,
    owner_email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_avatar_url: Option<String>,
    /// How many others take part.
    participant_count: usize,
    /// Who else takes part.
    participants: Vec<ListedParticipantView>,
    /// Whether it is the caller's own.
    is_owner: bool,
}

async fn list(services: State, context: Context, input: ListSessions) -> Answer<SessionPage> {
    let after = input.cursor.as_deref().filter(|text| !text.is_empty()).map(Cursor::parse).transpose();
    let after = after.map_err(|invalid| Error::Invalid { field: "cursor".to_owned(), message: invalid.to_string() })?;
    let limit = input.limit.map_or(DEFAULT_PAGE, |limit| u32::try_from(limit.max(0)).unwrap_or(u32::MAX));
    let filter = SessionFilter {
        status: input.status.map(Into::into),
        ownership: input.ownership.map(Into::into).unwrap_or_default(),
    };
    let (principal, page) = services.list_sessions(&context, filter, PageRequest::new(limit, after)).await?;
    let row = |item: SessionListItem| SessionRow {
        is_owner: item.session.owner == principal.user,
        session: item.session.into(),
        owner_name: item.owner_name,
        owner_email: item.owner_email,
        owner_avatar_url: item.owner_avatar_url,
        participant_count: item.participants.len(),
        participants: item.participants.into_iter().map(Into::into).collect(),
    };
    let cursor = page.next.map(|next| next.to_string());
    Ok(SessionPage { has_more: cursor.is_some(), sessions: page.items.into_iter().map(row).collect(), cursor })
}

/// A session to open.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct CreateSession {
    /// A name for what is worked on.
    #[garde(length(chars, min = 1, max = 100))]
    workspace: String,
    #[garde(length(chars, max = 200))]
    title: Option<String>,
    /// Name of a configured agent; the default one if left out.
    #[garde(length(chars, min = 1, max = 100))]
    agent: Option<String>,
    /// A folder to work in, of the machine that sandboxes run on. Only for administrators; where that is the gateway's own
    /// machine, only for requests from it.
    #[garde(length(min = 1, max = 4096))]
    directory: Option<String>,
    /// What the agent is told first.
    #[garde(length(chars, min = 1, max = 100_000))]
    initial_prompt: Option<String>,
    #[garde(length(chars, max = 255))]
    initial_model: Option<String>,
    #[garde(dive)]
    config: Option<SessionConfig>,
    /// Not served yet: refused rather than ignored.
    #[garde(custom(not_served))]
    #[schemars(with = "Option<()>")]
    repo_url: Option<String>,
    /// A session that opens it: it has the same owner, ends with it, and what is left out is as it is there. Whoever says
    /// so takes part in that session, at least as a collaborator.
    #[garde(skip)]
    parent_session_id: Option<String>,
    /// Not served yet: refused rather than ignored.
    #[garde(custom(not_served))]
    #[schemars(with = "Option<()>")]
    persona_id: Option<String>,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature that garde calls")]
fn not_served(value: &Option<String>, (): &()) -> garde::Result {
    if value.is_some() { Err(garde::Error::new("is not served by this gateway: leave it out")) } else { Ok(()) }
}

/// What a client wants kept with a session.
#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
struct SessionConfig {
    #[garde(length(chars, max = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<String>,
    #[garde(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u32>,
}

/// The session was opened.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Opened {
    /// Always `true`.
    ok: bool,
    session: SessionView,
    /// Where its socket is. The token goes with it as a header, or as the query parameter `token`.
    websocket_url: String,
}

async fn create(services: State, context: Context, input: CreateSession) -> Answer<Opened> {
    let metadata = input.config.as_ref().map(serde_json::to_string).transpose();
    let parent = input.parent_session_id.as_deref().map(session_id).transpose()?;
    let new = NewSession {
        workspace: input.workspace,
        title: input.title,
        agent: input.agent,
        directory: input.directory,
        initial_prompt: input.initial_prompt,
        initial_model: input.initial_model,
        metadata: metadata.map_err(|error| Error::Internal(error.to_string()))?,
        parent,
    };
    let session = services.open_session(&context, new).await?;
    let base = context.base_url.replacen("http", "ws", 1);
    let websocket_url = format!("{base}/api/sessions/{}/ws?role=client&userId={}", session.id, session.owner);
    Ok(Opened { ok: true, session: session.into(), websocket_url })
}

/// A session.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
pub(crate) struct SessionPath {
    /// The session.
    #[garde(skip)]
    pub(crate) id: String,
}

/// A session and what goes on in it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Detail {
    session: DetailView,
    do_status: LiveStatus,
}

/// A session, alone.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DetailView {
    #[serde(flatten)]
    session: SessionView,
    /// Where the gateway of the sandbox is, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_url: Option<String>,
    /// Ports of the sandbox that can be reached from outside, if there are any.
    tunnels: Option<Vec<TunnelView>>,
}

/// What goes on in a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LiveStatus {
    session_id: String,
    user_id: String,
    workspace: String,
    status: &'static str,
    lifecycle_status: &'static str,
    sandbox_id: Option<String>,
    /// Where the sandbox is reached from outside, by name.
    tunnel_urls: Option<BTreeMap<String, String>>,
    /// Ports of the sandbox that can be reached from outside, if there are any.
    tunnels: Option<Vec<TunnelView>>,
    runner_connected: bool,
    runner_busy: bool,
    /// What the agent does, in one word.
    agent_state: &'static str,
    /// What the sandbox does, in one word.
    sandbox_state: &'static str,
    /// Both, in one word.
    joint_state: &'static str,
    message_count: u64,
    queued_prompts: usize,
    connected_clients: usize,
    /// Ids of the users who have it open.
    connected_users: Vec<String>,
    /// Milliseconds since the epoch.
    running_started_at: Option<i64>,
}

async fn get(services: State, context: Context, input: SessionPath) -> Answer<Detail> {
    let id = session_id(&input.id)?;
    let detail = services.session(&context, &id).await?;
    let (users, sockets) = services.present(&id).await;
    let connected_users = users.into_iter().map(|user| user.id.into()).collect();
    let do_status = live_status(&detail, connected_users, sockets);
    let (gateway_url, tunnels) = (gateway_url(&detail.exposure), some_tunnels(&detail.exposure));
    Ok(Detail { session: DetailView { session: detail.session.into(), gateway_url, tunnels }, do_status })
}

fn live_status(detail: &SessionDetail, connected_users: Vec<String>, connected_clients: usize) -> LiveStatus {
    let facts = detail.facts;
    let status = facts.status.as_str();
    LiveStatus {
        session_id: detail.session.id.to_string(),
        user_id: detail.session.owner.to_string(),
        workspace: detail.session.workspace.clone(),
        status,
        lifecycle_status: status,
        sandbox_id: facts.sandbox.then(|| format!("{}.{}", detail.session.id, facts.generation)),
        tunnel_urls: some_urls(&detail.exposure.urls),
        tunnels: some_tunnels(&detail.exposure),
        runner_connected: facts.connected,
        runner_busy: facts.busy,
        agent_state: facts.agent_state(),
        sandbox_state: facts.sandbox_state(),
        joint_state: facts.joint_state(),
        message_count: detail.message_count,
        queued_prompts: facts.queued,
        connected_clients,
        connected_users,
        running_started_at: None,
    }
}

/// Another title.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct UpdateSession {
    /// The session.
    #[garde(skip)]
    id: String,
    #[garde(length(chars, min = 1, max = 200))]
    title: String,
}

async fn update(services: State, context: Context, input: UpdateSession) -> Answer<Success> {
    services.rename_session(&context, &session_id(&input.id)?, input.title).await?;
    Ok(SUCCESS)
}

async fn terminate(services: State, context: Context, input: SessionPath) -> Answer<Success> {
    services.terminate_session(&context, &session_id(&input.id)?).await?;
    Ok(SUCCESS)
}
