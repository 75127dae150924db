//! The operation table and its projections.
//!
//! Every use case is one row of the [`OperationTable`]: name, method, path, permission, rate class, surfaces, input
//! and output types and a handler. What is no plain call (sockets, event streams, raw bodies) is a row of the
//! [`EndpointTable`]. [`router`] serves both over HTTP and publishes them as OpenAPI 3.1 under `/openapi.json`, with a
//! page to read it under `/docs`, and metrics for Prometheus under `/metrics`; the operations are also called by JSON-RPC 2.0
//! under `/rpc`. The crate is generic over the application
//! state `S` that handlers work on, depends on no runtime and compiles to WebAssembly.
//!
//! The feature `schemas`, which is on by default, makes that description from the tables. Without it a program brings one
//! that was made beforehand, in [`ApiOptions::description`]. The feature `metrics`, which is on by default too, counts requests;
//! without it nothing is told under `/metrics`.
//!
//! # Adding an operation
//!
//! ```
//! use std::sync::Arc;
//!
//! use garde::Validate;
//! use http::{Method, StatusCode};
//! use portway_api::{Operation, OperationTable, RateClass, TableError};
//! use portway_domain::access::Permission;
//! use portway_services::{context::Context, error::Error};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! struct State;
//!
//! #[derive(Deserialize, JsonSchema, Validate)]
//! #[serde(rename_all = "camelCase")]
//! struct RenameSession {
//!     /// The session, from the path.
//!     #[garde(skip)]
//!     id: String,
//!     /// Its new title, from the body.
//!     #[garde(length(chars, min = 1, max = 200))]
//!     title: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Renamed {
//!     ok: bool,
//! }
//!
//! async fn rename(_: Arc<State>, _: Context, input: RenameSession) -> Result<Renamed, Error> {
//!     Ok(Renamed { ok: !input.id.is_empty() })
//! }
//!
//! fn table() -> Result<OperationTable<State>, TableError> {
//!     OperationTable::new([Operation::new(
//!         "sessions.rename",
//!         Method::PATCH,
//!         "/api/sessions/{id}",
//!         Permission::SignedIn,
//!     )
//!     .summary("Rename a session")
//!     .rate(RateClass::Standard)
//!     .status(StatusCode::OK)
//!     .handler(rename)])
//! }
//! # assert!(table().is_ok());
//! ```

mod attachments;
mod described;
mod description;
mod docs;
mod endpoint;
mod error;
mod input;
mod kept_answers;
#[cfg(test)]
mod matrix;
mod mcp;
mod metrics;
mod openapi;
mod operation;
mod operations;
mod options;
mod path;
mod rate;
mod refused;
mod rest;
mod row;
mod rpc;
mod socket;
mod sockets;
mod surfaces;

pub use described::SchemaFn;
pub use endpoint::{Endpoint, EndpointBuilder, EndpointTable};
pub use error::{ApiError, Details, ErrorBody, ErrorCode, FieldError, Quota};
pub use input::{NoInput, Pair, decode};
pub use kept_answers::KeptAnswers;
pub use mcp::{
    McpCapabilities, McpChange, McpClient, McpError, McpFeatures, McpList, McpMethod, McpRequest, McpSessions,
};
pub use metrics::{Metric, MetricKind, MetricsOptions, MetricsSource};
pub use openapi::{document, problems};
pub use operation::{Operation, OperationBuilder, OperationTable};
pub use operations::operations;
pub use options::{ApiOptions, Ask, DEFAULT_BODY_BYTES, Elsewhere, Fallback, McpOptions, Peer, Uncounted};
pub use rate::{RateClass, RateLimiting};
pub use refused::Refused;
pub use rest::{
    BuildError, OptionsError, RATE_HEADERS, check_allowed_host, check_allowed_origin, check_public_url, read_body,
    router,
};
pub use row::{Row, TableError};
pub use socket::{Incoming, ServeSocket, Socket, SocketClosed, Upgrade, serve_socket};
pub use sockets::endpoints;
pub use surfaces::Surfaces;
