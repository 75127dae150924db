//! Where the sessions of clients are kept.

use async_trait::async_trait;
use portway_domain::access::Role;
use portway_domain::mcp::{McpLogLevel, McpSession};
use portway_services::Services;
use portway_services::context::Context;
use portway_services::error::Error;
use portway_services::mcp_sessions::NewMcpSession;

/// Keeps the sessions of clients that begin one, and knows who callers are.
#[async_trait]
pub trait McpSessions: Send + Sync {
    /// Lets a caller in who has no session.
    ///
    /// # Errors
    /// As [`Services::admit_mcp`].
    async fn admit(&self, context: &Context) -> Result<Role, Error>;

    /// Begins a session of the caller's.
    ///
    /// # Errors
    /// As [`Services::begin_mcp_session`].
    async fn begin(&self, context: &Context, new: NewMcpSession) -> Result<McpSession, Error>;

    /// A session of the caller's.
    ///
    /// # Errors
    /// As [`Services::find_mcp_session`].
    async fn find(&self, context: &Context, id: &str) -> Result<Option<(McpSession, Role)>, Error>;

    /// Sets which messages for its log the client gets; false without such a session.
    ///
    /// # Errors
    /// As [`Services::set_mcp_log_level`].
    async fn set_log_level(&self, context: &Context, id: &str, level: McpLogLevel) -> Result<bool, Error>;

    /// Ends a session of the caller's; false without such a session.
    ///
    /// # Errors
    /// As [`Services::end_mcp_session`].
    async fn end(&self, context: &Context, id: &str) -> Result<bool, Error>;
}

#[async_trait]
impl McpSessions for Services {
    async fn admit(&self, context: &Context) -> Result<Role, Error> {
        self.admit_mcp(context).await
    }

    async fn begin(&self, context: &Context, new: NewMcpSession) -> Result<McpSession, Error> {
        self.begin_mcp_session(context, new).await
    }

    async fn find(&self, context: &Context, id: &str) -> Result<Option<(McpSession, Role)>, Error> {
        self.find_mcp_session(context, id).await
    }

    async fn set_log_level(&self, context: &Context, id: &str, level: McpLogLevel) -> Result<bool, Error> {
        self.set_mcp_log_level(context, id, level).await
    }

    async fn end(&self, context: &Context, id: &str) -> Result<bool, Error> {
        self.end_mcp_session(context, id).await
    }
}
