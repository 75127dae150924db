//! The Model Context Protocol: what is said in it, and what is offered.
//!
//! Tools are the operations of the table, resources the transcripts of sessions and the reference of the API. Two lifecycles
//! are spoken: that of the revisions up to 2025-11-25, which begin a session with `initialize`, and that of 2026-07-28, where
//! each request stands by itself. How both come over HTTP is in `rest/mcp`.

mod client;
mod error;
mod features;
mod reply;
mod requests;
mod revision;
mod schemas;
mod sessions;
mod stateless;
mod tools;

pub use self::client::McpClient;
pub use self::error::McpError;
pub use self::features::{McpCapabilities, McpChange, McpFeatures, McpList, McpMethod, McpRequest};
pub use self::sessions::McpSessions;

pub(crate) use self::reply::{Cached, Reply, Server, notification};
pub(crate) use self::requests::Requests;
pub(crate) use self::revision::Revision;
pub(crate) use self::stateless::{Meta, VERSION_HEADER, check};
pub(crate) use self::tools::{Tool, tools};
