//! The sockets of sessions.

pub(crate) mod attachments;
mod client;
mod event_streams;
mod events;
pub(crate) mod frames;
mod legacy;
mod listening;
mod models;
mod replay;
mod reports;
mod resuming;
mod runner;
mod runner_requests;
mod shared;
mod stream;
mod tunnels;
mod window;
mod workspaces;

use std::sync::Arc;

use garde::Validate;
use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::ids::SessionId;
use portway_services::error::Error;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{Endpoint, EndpointTable};
use crate::error::ApiError;
use crate::rate::RateClass;
use crate::row::TableError;
use crate::socket::{ServeSocket, Socket, SocketClosed};

/// Close code of RFC 6455 for a peer that may not go on.
const CLOSE_POLICY: u16 = 1008;

/// The endpoint table.
///
/// # Errors
/// [`TableError`] when two rows contradict each other, which the tests of this crate rule out.
pub fn endpoints() -> Result<EndpointTable<Services>, TableError> {
    let viewer = Permission::Session(SessionRole::Viewer);
    let [session_events, user_events] = event_streams::rows();
    EndpointTable::new([
        Endpoint::new("sessions.socket", Method::GET, "/api/sessions/{id}/ws", viewer)
            .summary("The socket of a session")
            .describe(
                "For clients (`role=client`) and for the session's runner (`role=runner`), which presents its own \
                 secret instead of a user's token. The frames are those of the session protocol. With `protocol=2` a \
                 client is told how far each change goes, and gets on there with `resumeFrom`.",
            )
            .rate(RateClass::Agent)
            // All runners of a machine may come back at once from one address, beside agents that nobody vouches for.
            .unlimited_for("role", "runner")
            .socket(session_socket),
        Endpoint::new("events.socket", Method::GET, "/api/events/ws", Permission::SignedIn)
            .summary("Everything that happens to one's sessions")
            .describe("A socket with a frame for each. What happens while it is closed is not told later.")
            .socket(events::open),
        session_events,
        user_events,
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
    /// Which protocol the peer speaks. A client that does not say speaks the first; a runner that does not say begins with
    /// `hello`, or is one of earlier gateways.
    #[garde(skip)]
    protocol: Option<SocketProtocol>,
    /// The last `seq` that a client of protocol 2 has.
    #[garde(range(max = MAX_SEQ))]
    #[serde(rename = "resumeFrom")]
    resume_from: Option<u64>,
}

/// Largest `seq` there can be: every client keeps it exactly.
const MAX_SEQ: u64 = (1 << 53) - 1;

/// Versions of the session protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum SocketProtocol {
    /// Clients get the whole state at every opening.
    #[serde(rename = "1")]
    First,
    /// Clients get on where they left off; runners begin with `hello`.
    #[serde(rename = "2")]
    Second,
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

/// Sends a frame. One that cannot be written is left out: the peer could do nothing about it.
async fn send(socket: &mut dyn Socket, frame: &impl Serialize) -> Result<(), SocketClosed> {
    match serde_json::to_string(frame) {
        Ok(text) => socket.send(text.into()).await,
        Err(error) => {
            tracing::error!(%error, "a frame cannot be written");
            Ok(())
        }
    }
}

async fn session_socket(
    services: Arc<Services>,
    context: Context,
    input: SessionSocket,
) -> Result<ServeSocket, ApiError> {
    let id = SessionId::parse(input.id.as_str()).map_err(|_| Error::NotFound { resource: "Session", id: input.id })?;
    match input.role {
        SocketRole::Client => match (input.protocol.unwrap_or(SocketProtocol::First), input.resume_from) {
            (SocketProtocol::Second, seq) => resuming::open(services, context, id, seq).await,
            (SocketProtocol::First, None) => client::open(services, context, id).await,
            (SocketProtocol::First, Some(_)) => Err(ApiError::field("resumeFrom", "is for protocol=2")),
        },
        SocketRole::Runner => {
            let says_hello = input.protocol == Some(SocketProtocol::Second);
            runner::open(services, context, id, says_hello).await
        }
    }
}
