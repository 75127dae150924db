//! Reading sessions of MCP clients.

use async_trait::async_trait;
use portway_domain::mcp::McpSessionId;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::mcp_sessions::{KeptMcpSession, McpSessionStore};
use portway_ports::{Seen, StoreError};

use super::{SqlStore, seen};
use crate::driver::Read;
use crate::{mcp_sessions, tokens};

#[async_trait]
impl McpSessionStore for SqlStore {
    async fn mcp_session(
        &self,
        caller: &TokenHash,
        id: &McpSessionId,
        now: Timestamp,
    ) -> Result<Seen<Option<KeptMcpSession>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![tokens::principal(dialect, caller), mcp_sessions::of_caller(dialect, caller, id, now)];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = mcp_sessions::decode(answers.next()?)?;
        Ok(seen(principal, |_| session))
    }

    async fn has_expired_mcp_sessions(&self, now: Timestamp) -> Result<bool, StoreError> {
        let statements = vec![mcp_sessions::expired(self.driver.dialect(), now)];
        Ok(!self.read(Read::bounded(statements)).await?.next()?.is_empty())
    }
}
