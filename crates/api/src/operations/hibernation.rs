//! Rest: putting the sandbox of a session away, and bringing it back.

use http::Method;
use portway_domain::access::{Permission, SessionRole};
use portway_services::sessions::Rest;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::Serialize;

use super::sessions::SessionPath;
use super::{Answer, State, session_id};
use crate::operation::Operation;

pub(super) fn rows() -> Vec<Operation<Services>> {
    let collaborator = Permission::Session(SessionRole::Collaborator);
    vec![
        Operation::new("sessions.hibernate", Method::POST, "/api/sessions/{id}/hibernate", collaborator)
            .summary("Put the sandbox of a session away")
            .describe("Its files and the agent's conversation are kept. The next prompt brings it back.")
            .handler(hibernate),
        Operation::new("sessions.wake", Method::POST, "/api/sessions/{id}/wake", collaborator)
            .summary("Bring back a session that hibernates")
            .describe("A prompt does so too.")
            .handler(wake),
        Operation::new("sessions.stop", Method::POST, "/api/sessions/{id}/stop", collaborator)
            .summary("Put the sandbox of a session away, to start it anew")
            .describe(
                "The same as `hibernate`, for the command `/refresh` of clients, which stops and starts a session. A \
                 session that has something to do stays as it is; to end one is `DELETE`.",
            )
            .handler(hibernate),
        Operation::new("sessions.start", Method::POST, "/api/sessions/{id}/start", collaborator)
            .summary("Bring back a session that was stopped")
            .describe("The same as `wake`. One that is just being put away comes back as soon as it is.")
            .handler(wake),
    ]
}

/// Where it led. A session that cannot do it stays as it is.
#[derive(Debug, Serialize, JsonSchema)]
struct RestView {
    /// The session's status now.
    status: &'static str,
    /// What happened, in words for people.
    message: &'static str,
}

impl From<Rest> for RestView {
    fn from(rest: Rest) -> Self {
        Self { status: rest.status.as_str(), message: rest.message }
    }
}

async fn hibernate(services: State, context: Context, input: SessionPath) -> Answer<RestView> {
    Ok(services.hibernate_session(&context, &session_id(&input.id)?).await?.into())
}

async fn wake(services: State, context: Context, input: SessionPath) -> Answer<RestView> {
    Ok(services.wake_session(&context, &session_id(&input.id)?).await?.into())
}
