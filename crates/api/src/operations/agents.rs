//! The agents that sessions can be opened with.

use http::Method;
use portway_domain::access::Permission;
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, State};
use crate::input::NoInput;
use crate::operation::Operation;

pub(super) fn rows() -> Vec<Operation<Services>> {
    vec![
        Operation::new("agents.list", Method::GET, "/api/agents", Permission::SignedIn)
            .summary("List the configured agents")
            .describe("One of them is the default, for sessions that name none.")
            .handler(list),
    ]
}

/// The configured agents.
#[derive(Debug, Serialize, JsonSchema)]
struct AgentList {
    /// By name.
    agents: Vec<Agent>,
}

/// An agent that sessions can be opened with.
#[derive(Debug, Serialize, JsonSchema)]
struct Agent {
    /// Its name, for the field `agent` of a new session.
    name: String,
    /// Whether sessions that name none get it.
    default: bool,
}

async fn list(services: State, context: Context, _: NoInput) -> Answer<AgentList> {
    services.me(&context).await?;
    let default = services.default_agent();
    let agents = services.agent_names().map(|name| Agent { name: name.to_owned(), default: name == default });
    Ok(AgentList { agents: agents.collect() })
}
