//! Letting people into sandboxes.

use std::collections::BTreeMap;

use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::Serialize;

use super::sessions::SessionPath;
use super::{Answer, State, session_id};
use crate::operation::Operation;
use crate::surfaces::Surfaces;

pub(super) fn rows() -> Vec<Operation<Services>> {
    let viewer = Permission::Session(SessionRole::Viewer);
    vec![
        Operation::new("sessions.sandbox_token", Method::GET, "/api/sessions/{id}/sandbox-token", viewer)
            .summary("Get a token for the sandbox of a session")
            .describe(
                "For the front door that the sandbox has of its own, at `tunnelUrls.gateway`. 503 while there is none; \
                 `status` beside the error says that the session rests or is on its way back.",
            )
            // It is a secret, and no model needs it.
            .surfaces(Surfaces::ALL.without(Surfaces::MCP))
            .handler(get),
    ]
}

/// What lets the caller into a sandbox.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SandboxTokenView {
    /// A JSON Web Token.
    token: String,
    /// Where the sandbox is reached, by name.
    tunnel_urls: BTreeMap<String, String>,
    /// When the token stops being valid.
    expires_at: String,
}

async fn get(services: State, context: Context, input: SessionPath) -> Answer<SandboxTokenView> {
    let pass = services.sandbox_pass(&context, &session_id(&input.id)?).await?;
    let (token, expires_at) = (pass.token.reveal().to_owned(), pass.expires_at.to_string());
    Ok(SandboxTokenView { token, tunnel_urls: pass.urls, expires_at })
}
