//! How the sandbox of a session is reached from outside.

use std::collections::BTreeMap;

use garde::Validate;
use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::tunnels::{Exposure, SandboxUrls, Tunnel};
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sessions::SessionPath;
use super::{Answer, SUCCESS, State, Success, session_id};
use crate::operation::Operation;

pub(super) fn rows() -> Vec<Operation<Services>> {
    let viewer = Permission::Session(SessionRole::Viewer);
    let collaborator = Permission::Session(SessionRole::Collaborator);
    vec![
        Operation::new("sessions.tunnels", Method::GET, "/api/sessions/{id}/tunnels", viewer)
            .summary("List the ports of a sandbox that can be reached from outside")
            .describe("As its runner told them last; none without a sandbox.")
            .handler(list),
        Operation::new("sessions.close_tunnel", Method::DELETE, "/api/sessions/{id}/tunnels/{name}", collaborator)
            .summary("Close a port of a sandbox")
            .describe("The session's runner does it: this answers once it did.")
            .handler(close),
    ]
}

/// A port of a sandbox that can be reached from outside.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TunnelView {
    name: String,
    port: u16,
    /// What is spoken there, if its runner said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    /// Where it is behind the gateway of the sandbox.
    path: String,
    /// All of its address, if the gateway of the sandbox has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// The tunnels of a sandbox.
pub(crate) fn tunnel_views(exposure: &Exposure) -> Vec<TunnelView> {
    let view = |tunnel: &Tunnel| TunnelView {
        name: tunnel.name.clone(),
        port: tunnel.port,
        protocol: tunnel.protocol.clone(),
        path: tunnel.path.clone(),
        url: exposure.url_of(tunnel),
    };
    exposure.tunnels.as_slice().iter().map(view).collect()
}

/// The tunnels of a sandbox, if there are any.
pub(crate) fn some_tunnels(exposure: &Exposure) -> Option<Vec<TunnelView>> {
    Some(tunnel_views(exposure)).filter(|tunnels| !tunnels.is_empty())
}

/// Where a sandbox is reached, by name, if its backend said anything.
pub(crate) fn some_urls(urls: &SandboxUrls) -> Option<BTreeMap<String, String>> {
    Some(urls.as_map().clone()).filter(|urls| !urls.is_empty())
}

/// Where the gateway in a sandbox is, if it has one.
pub(crate) fn gateway_url(exposure: &Exposure) -> Option<String> {
    exposure.urls.gateway().map(str::to_owned)
}

/// The ports of a sandbox that can be reached from outside.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TunnelList {
    /// Where the gateway of the sandbox is.
    gateway_url: Option<String>,
    tunnels: Vec<TunnelView>,
}

async fn list(services: State, context: Context, input: SessionPath) -> Answer<TunnelList> {
    let exposure = services.exposure(&context, &session_id(&input.id)?).await?;
    Ok(TunnelList { gateway_url: gateway_url(&exposure), tunnels: tunnel_views(&exposure) })
}

/// A tunnel of a session.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct TunnelPath {
    /// The session.
    #[garde(skip)]
    id: String,
    /// The tunnel.
    #[garde(skip)]
    name: String,
}

async fn close(services: State, context: Context, input: TunnelPath) -> Answer<Success> {
    services.close_tunnel(&context, &session_id(&input.id)?, &input.name).await?;
    Ok(SUCCESS)
}
