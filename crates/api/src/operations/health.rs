//! Whether the gateway runs, and whether it can do its work.

use http::Method;
use portway_domain::access::Permission;
use portway_services::Services;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, State};
use crate::input::NoInput;
use crate::operation::Operation;
use crate::rate::RateClass;
use crate::surfaces::Surfaces;
use portway_services::Context;

pub(super) fn rows() -> Vec<Operation<Services>> {
    vec![
        Operation::new("health", Method::GET, "/health", Permission::Public)
            .summary("Whether the gateway runs")
            .describe("It answers as soon as it listens, and asks nothing of the database.")
            .rate(RateClass::Unlimited)
            .surfaces(Surfaces::REST)
            .any_host()
            .quiet()
            .handler(health),
        Operation::new("ready", Method::GET, "/ready", Permission::Public)
            .tag("health")
            .summary("Whether the gateway can do its work")
            .describe("The database can be written and its schema is the one that this version was built for.")
            .rate(RateClass::Unlimited)
            .surfaces(Surfaces::REST)
            .any_host()
            .quiet()
            .handler(ready),
    ]
}

/// The gateway runs.
#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
    /// The gateway's time, RFC 3339.
    timestamp: String,
}

async fn health(_: State, context: Context, _: NoInput) -> Answer<Health> {
    Ok(Health { status: "ok", timestamp: context.now.to_string() })
}

/// The gateway can do its work.
#[derive(Debug, Serialize, JsonSchema)]
struct Readiness {
    /// Always `ready`.
    status: &'static str,
    /// Always `ok`.
    database: &'static str,
}

async fn ready(services: State, _: Context, _: NoInput) -> Answer<Readiness> {
    services.ready().await?;
    Ok(Readiness { status: "ready", database: "ok" })
}
