//! The tables over HTTP.

mod access_log;
mod body;
mod call;
mod caught;
mod credential;
mod detached;
mod draw;
mod guard;
mod headers;
mod idempotency;
mod keyed;
mod limits;
mod mcp;
mod metrics;
mod rates;
mod rpc;
mod serve;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{HeaderValue, Method, Request, StatusCode};
use portway_domain::access::Permission;

pub(crate) use self::mcp::McpVerb;

pub use self::body::read_body;
pub use self::guard::{OptionsError, check_allowed_host, check_allowed_origin, check_public_url};
pub use self::rates::RATE_HEADERS;

use self::serve::Api;
use crate::endpoint::{Endpoint, EndpointTable, Kind};
use crate::input::NoInput;
use crate::operation::{Operation, OperationTable};
use crate::options::ApiOptions;
use crate::rate::RateClass;
use crate::row::{Row, TableError, check};
use crate::socket::Upgrade;
use crate::surfaces::Surfaces;

/// Why no router can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The two tables do not fit together.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An option cannot be used.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

/// Makes the router of both tables, with `/openapi.json`, `/docs` and `/metrics`. Build it once, and clone it.
///
/// # Errors
/// [`BuildError`] when the tables do not fit together or an option cannot be used.
pub fn router<S: Send + Sync + 'static>(
    operations: OperationTable<S>,
    mut endpoints: EndpointTable<S>,
    state: Arc<S>,
    options: ApiOptions,
    upgrade: Arc<dyn Upgrade>,
) -> Result<Router, BuildError> {
    for endpoint in own_rows() {
        endpoints.push(endpoint);
    }
    let operation_rows = operations.iter().map(Operation::row);
    check(operation_rows.chain(endpoints.iter().map(Endpoint::row)))?;
    let paths = by_path(&operations, &endpoints);
    let api = Arc::new(Api::new(operations, endpoints, state, options, upgrade)?);
    let mut router = Router::new();
    for (path, entry) in paths {
        let (api, entry) = (Arc::clone(&api), Arc::new(entry));
        let serve = move |request: Request<Body>| {
            let (api, entry) = (Arc::clone(&api), Arc::clone(&entry));
            async move { api.serve(Some(&entry), request).await }
        };
        router = router.route(path, any(serve));
    }
    let elsewhere = move |request: Request<Body>| {
        let api = Arc::clone(&api);
        async move { api.serve(None, request).await }
    };
    Ok(router.fallback(elsewhere))
}

/// The rows of the api itself.
pub(crate) fn own_rows<S: Send + Sync + 'static>() -> [Endpoint<S>; 9] {
    let endpoint = |name, method, path, permission| {
        Endpoint::<S>::new(name, method, path, permission).rate(RateClass::Unlimited).tag("system")
    };
    let row = |name, method, path| endpoint(name, method, path, Permission::Public);
    // What each message counts as, the api finds out by itself.
    let mcp = |name, method| endpoint(name, method, "/mcp", Permission::SignedIn).tag("mcp");
    [
        row("system.openapi", Method::GET, "/openapi.json")
            .summary("This description, as OpenAPI 3.1")
            .describe("For programs: clients are made from it.")
            .produces("application/json")
            .complete::<NoInput>(Kind::OpenApi),
        row("system.docs", Method::GET, "/docs")
            .summary("This description, as a page")
            .describe("For people.")
            .produces("text/html")
            .complete::<NoInput>(Kind::Docs),
        row("system.metrics", Method::GET, "/metrics")
            .summary("Metrics for Prometheus")
            .describe(
                "In the OpenMetrics text format. Only for callers on the gateway's own machine unless it is \
                       configured otherwise; for others there is no such path.",
            )
            .produces("application/openmetrics-text")
            .any_host()
            .quiet()
            .complete::<NoInput>(Kind::Metrics),
        row("system.rpc", Method::POST, "/rpc")
            .summary("Every operation, by JSON-RPC 2.0")
            .describe(
                "One call, or a batch of up to 50, which are carried out one after the other. A method is the name of an \
                 operation, and its parameters, by name, are all that the operation takes from path, query and body. The \
                 method `rpc.discover` describes them all. Calls of what changes something have an id. `Idempotency-Key` \
                 goes with a single call; `idempotencyKey` beside `method` with any.",
            )
            .consumes("application/json")
            .produces("application/json")
            .complete::<NoInput>(Kind::Rpc),
        mcp("mcp.post", Method::POST)
            .summary("Every operation as a tool, over the Model Context Protocol")
            .describe(
                "Streamable HTTP, in the revisions 2025-06-18, 2025-11-25 and 2026-07-28. Callers are signed in; their token \
                 comes in the header.",
            )
            .consumes("application/json")
            .produces("application/json")
            .complete::<NoInput>(Kind::Mcp(McpVerb::Post)),
        mcp("mcp.stream", Method::GET)
            .summary("What a session of MCP is told by itself, as server-sent events")
            .describe("405 where there is nothing to tell.")
            .produces("text/event-stream")
            .complete::<NoInput>(Kind::Mcp(McpVerb::Get)),
        mcp("mcp.end", Method::DELETE)
            .summary("End a session of MCP")
            .describe("Its `Mcp-Session-Id` is not known any more afterwards.")
            .status(StatusCode::NO_CONTENT)
            .complete::<NoInput>(Kind::Mcp(McpVerb::Delete)),
        row("mcp.metadata", Method::GET, "/.well-known/oauth-protected-resource/mcp")
            .summary("How clients of MCP get in")
            .describe("The metadata of a protected resource after RFC 9728.")
            .tag("mcp")
            .produces("application/json")
            .complete::<NoInput>(Kind::McpMetadata),
        row("mcp.metadata_of_root", Method::GET, "/.well-known/oauth-protected-resource")
            .summary("How clients of MCP get in, for those who ask at the root")
            .describe("The same as for `/mcp`, which is the only such resource.")
            .tag("mcp")
            .produces("application/json")
            .complete::<NoInput>(Kind::McpMetadata),
    ]
}

fn by_path<S: Send + Sync + 'static>(
    operations: &OperationTable<S>,
    endpoints: &EndpointTable<S>,
) -> BTreeMap<&'static str, PathEntry<S>> {
    let operations = operations.shared().filter(|operation| operation.surfaces().contains(Surfaces::REST));
    let operations = operations.cloned().map(Target::Operation);
    let endpoints = endpoints.shared().cloned().map(Target::Endpoint);
    let mut paths: BTreeMap<&'static str, PathEntry<S>> = BTreeMap::new();
    for target in operations.chain(endpoints) {
        paths.entry(target.row().path).or_default().targets.push(target);
    }
    paths
}

/// What answers one method of one path.
enum Target<S> {
    Operation(Arc<Operation<S>>),
    Endpoint(Arc<Endpoint<S>>),
}

impl<S: Send + Sync + 'static> Target<S> {
    fn row(&self) -> &Row {
        match self {
            Self::Operation(operation) => operation.row(),
            Self::Endpoint(endpoint) => endpoint.row(),
        }
    }

    fn is_mcp(&self) -> bool {
        matches!(self, Self::Endpoint(endpoint) if matches!(endpoint.kind, Kind::Mcp(_)))
    }

    /// Whether pages of other origins may not ask for it, even where they could not read the answer.
    fn is_for_pages_of_ours(&self) -> bool {
        let is_socket = matches!(self, Self::Endpoint(endpoint) if endpoint.is_socket());
        !self.row().is_bodyless() || is_socket || self.is_mcp()
    }
}

/// What answers under one path.
struct PathEntry<S> {
    targets: Vec<Target<S>>,
}

impl<S> Default for PathEntry<S> {
    fn default() -> Self {
        Self { targets: Vec::new() }
    }
}

impl<S: Send + Sync + 'static> PathEntry<S> {
    fn find(&self, method: &Method) -> Option<&Target<S>> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.targets.iter().find(|target| target.row().method == *method)
    }

    fn is_metrics(&self) -> bool {
        self.targets.iter().any(|target| matches!(target, Target::Endpoint(row) if matches!(row.kind, Kind::Metrics)))
    }

    fn allow(&self) -> Option<HeaderValue> {
        let mut names: Vec<&str> = self.targets.iter().map(|target| target.row().method.as_str()).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.push("OPTIONS");
        HeaderValue::try_from(names.join(", ")).ok()
    }
}
