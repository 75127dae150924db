//! What a runner of earlier gateways asks of other sessions of the same owner.

use std::collections::BTreeMap;

use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::Message;
use portway_ports::children::ChildFilter;
use portway_ports::pages::PageRequest;
use portway_protocol::message as wire;
use portway_services::Services;
use portway_services::agent_requests::Excerpt;
use portway_services::error::Error;
use serde::Serialize;

use super::requests::{Asked, session_id};
use crate::operations::children::ChildView;
use crate::operations::tunnels::{TunnelView, some_tunnels, some_urls};
use crate::sockets::frames;

/// How many children are named.
const CHILDREN: u32 = 20;

/// How many messages are read when the request does not say.
const MESSAGES: u32 = 20;

/// A message in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadMessage {
    role: wire::MessageRole,
    content: String,
    created_at: i64,
}

/// How a session fares.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusView {
    id: String,
    status: &'static str,
    workspace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    created_at: String,
    last_active_at: String,
    runner_connected: bool,
    runner_busy: bool,
    queued_prompts: usize,
    agent_status: &'static str,
    recent_messages: Vec<wire::Message>,
    tunnel_urls: Option<BTreeMap<String, String>>,
    tunnels: Option<Vec<TunnelView>>,
}

/// Says something to the agent of another session.
pub(super) async fn message(
    services: &Services,
    asked: &Asked,
    target: String,
    content: &str,
    interrupt: bool,
) -> Result<(), Error> {
    services.send_to_session(&asked.request(), &session_id(target)?, content, interrupt).await.map(drop)
}

/// The newest children of a session.
pub(super) async fn children(services: &Services, session: &SessionId) -> Result<Vec<ChildView>, Error> {
    let found = services.child_sessions(session, ChildFilter::All, PageRequest::new(CHILDREN, None)).await?;
    Ok(found.page.items.into_iter().map(Into::into).collect())
}

/// Which messages a request wants.
pub(super) fn excerpt(target: String, limit: Option<i64>, after: Option<String>) -> Result<Excerpt, Error> {
    let limit = limit.map_or(MESSAGES, |limit| u32::try_from(limit.max(1)).unwrap_or(u32::MAX));
    let unknown = || Error::Invalid {
        field: "after".to_owned(),
        message: "expected the id of a message of that session".to_owned(),
    };
    let after = after.map(|text| MessageId::parse(text).map_err(|_| unknown())).transpose()?;
    Ok(Excerpt { session: session_id(target)?, after, limit })
}

/// Messages of another session.
pub(super) async fn messages(services: &Services, asked: &Asked, wanted: &Excerpt) -> Result<Vec<ReadMessage>, Error> {
    let read = |message: Message| {
        let wire::Message { role, content, created_at, .. } = frames::message(message);
        ReadMessage { role, content, created_at }
    };
    Ok(services.read_session(&asked.session, wanted).await?.into_iter().map(read).collect())
}

/// How another session fares.
pub(super) async fn status(services: &Services, asked: &Asked, target: &SessionId) -> Result<StatusView, Error> {
    let report = services.session_status(&asked.session, target).await?;
    let (session, facts) = (report.session, report.facts);
    Ok(StatusView {
        id: session.id.into(),
        status: facts.status.as_str(),
        workspace: session.workspace,
        title: session.title,
        created_at: session.created_at.to_string(),
        last_active_at: session.last_active_at.to_string(),
        runner_connected: facts.connected,
        runner_busy: facts.busy,
        queued_prompts: facts.queued,
        agent_status: if facts.busy { "working" } else { "idle" },
        recent_messages: report.recent.into_iter().map(frames::message).collect(),
        tunnel_urls: some_urls(&report.exposure.urls),
        tunnels: some_tunnels(&report.exposure),
    })
}
