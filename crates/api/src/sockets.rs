//! The sockets of sessions.

pub(crate) mod attachments;
mod client;
mod events;
pub(crate) mod frames;
mod legacy;
mod reports;
mod runner;

use std::sync::Arc;

use garde::Validate;
use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::ids::SessionId;
use portway_services::error::Error;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::endpoint::{Endpoint, EndpointTable};
use crate::error::ApiError;
use crate::rate::RateClass;
use crate::row::TableError;
use crate::socket::ServeSocket;

/// Close code of RFC 6455 for a peer that may not go on.
const CLOSE_POLICY: u16 = 1008;

/// The endpoint table.
///
/// # Errors
/// [`TableError`] when two rows contradict each other, which the tests of this crate rule out.
pub fn endpoints() -> Result<EndpointTable<Services>, TableError> {
    let viewer = Permission::Session(SessionRole::Viewer);
    EndpointTable::new([
        Endpoint::new("sessions.socket", Method::GET, "/api/sessions/{id}/ws", viewer)
            .summary("The socket of a session")
            .describe(
                "For clients (`role=client`) and for the session's runner (`role=runner`), which presents its own \
                 secret instead of a user's token. The frames are those of the session protocol.",
            )
            .rate(RateClass::Agent)
            .socket(session_socket),
        Endpoint::new("events.socket", Method::GET, "/api/events/ws", Permission::SignedIn)
            .summary("Everything that happens to one's sessions")
            .socket(events::open),
        crate::attachments::endpoint(),
    ])
}

/// Who opens the socket of a session.
#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct SessionSocket {
    /// The session.
    #[garde(skip)]
    id: String,
    /// On which side of the session the peer is.
    #[garde(skip)]
    role: SocketRole,
    /// The version of the session protocol that a runner speaks. One that does not say begins with `hello`, or is one of
    /// earlier gateways.
    #[garde(skip)]
    protocol: Option<u32>,
}

/// On which side of a session a peer is.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SocketRole {
    /// A person's program.
    Client,
    /// The runner beside the agent.
    Runner,
}

async fn session_socket(
    services: Arc<Services>,
    context: Context,
    input: SessionSocket,
) -> Result<ServeSocket, ApiError> {
    let id = SessionId::parse(input.id.as_str()).map_err(|_| Error::NotFound { resource: "Session", id: input.id })?;
    match input.role {
        SocketRole::Client => client::open(services, context, id).await,
        SocketRole::Runner => runner::open(services, context, id, input.protocol.is_some()).await,
    }
}
