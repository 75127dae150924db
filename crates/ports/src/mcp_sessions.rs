//! Reading sessions of MCP clients.

use async_trait::async_trait;
use portway_domain::ids::UserId;
use portway_domain::mcp::{McpSession, McpSessionId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;

use crate::Seen;
use crate::error::StoreError;

/// A session of an MCP client, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMcpSession {
    /// The session. Its texts have no NUL character.
    pub session: McpSession,
    /// Whose it is.
    pub user: UserId,
    /// Until when it is kept.
    pub expires_at: Timestamp,
}

/// Reads of sessions of MCP clients.
#[async_trait]
pub trait McpSessionStore: Send + Sync {
    /// The caller's session of that id, unless it has expired at `now`.
    async fn mcp_session(
        &self,
        caller: &TokenHash,
        id: &McpSessionId,
        now: Timestamp,
    ) -> Result<Seen<Option<KeptMcpSession>>, StoreError>;

    /// Whether there are sessions that have expired at `now`.
    async fn has_expired_mcp_sessions(&self, now: Timestamp) -> Result<bool, StoreError>;
}
