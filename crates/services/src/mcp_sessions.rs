//! Sessions of MCP clients, kept so that every node answers every request of one, and what ended is ended on all of them.

use portway_domain::access::{Principal, Role};
use portway_domain::mcp::{MAX_CAPABILITIES_BYTES, McpLogLevel, McpSession, McpSessionId};
use portway_ports::StoreError;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::mcp_sessions::KeptMcpSession;

use crate::error::Error;
use crate::steps::{MAX_ATTEMPTS, contended};
use crate::{Context, Services};

/// What an MCP client says when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMcpSession {
    /// The revision of the protocol that is spoken from then on.
    pub revision: String,
    /// What the client can do: the JSON object that it sent, at most [`MAX_CAPABILITIES_BYTES`].
    pub capabilities: String,
}

impl Services {
    /// The role of the caller, who needs no session for what is asked.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn admit_mcp(&self, context: &Context) -> Result<Role, Error> {
        Ok(self.principal(context).await?.role)
    }

    /// Begins a session of the caller's. Where there are
    /// [`MAX_MCP_SESSIONS`](portway_domain::mcp::MAX_MCP_SESSIONS) already, the one ends that expires first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for too long capabilities; [`Error::Unauthorized`] without a valid token.
    pub async fn begin_mcp_session(&self, context: &Context, new: NewMcpSession) -> Result<McpSession, Error> {
        check_capabilities(&new.capabilities)?;
        let NewMcpSession { revision, capabilities } = new;
        let session = McpSession { id: context.ids.clone().draw(), revision, capabilities, log_level: None };
        for _ in 0..MAX_ATTEMPTS {
            // The row of an attempt whose outcome is unknown has the same id.
            let seen = self.ports.store.mcp_session(context.token()?, &session.id, context.now).await?;
            let user = context.admit(seen.caller)?.user;
            if seen.value.is_some() {
                return Ok(session);
            }
            let expires_at = McpSession::expiry(context.now);
            let add = Write::AddMcpSession(KeptMcpSession { session: session.clone(), user, expires_at });
            match self.commit(ChangeSet::new().with(add)).await {
                Ok(Commit::Done) => return Ok(session),
                Ok(Commit::Conflict { .. }) | Err(StoreError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    /// The caller's session of that id with the caller's role, for a request in it: it expires six to seven days after the last one.
    /// `None` when the caller has no such session, or it has ended or expired.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn find_mcp_session(&self, context: &Context, id: &str) -> Result<Option<(McpSession, Role)>, Error> {
        let (principal, kept) = self.kept_mcp_session(context, id).await?;
        let Some(kept) = kept else {
            return Ok(None);
        };
        let is_there = self.renew_mcp_session(context, &kept).await;
        Ok(is_there.then_some((kept.session, principal.role)))
    }

    /// Sets how severe has to be what the client of the caller's session is told; false when there is no such session.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn set_mcp_log_level(&self, context: &Context, id: &str, level: McpLogLevel) -> Result<bool, Error> {
        let (_, kept) = self.kept_mcp_session(context, id).await?;
        let Some(KeptMcpSession { session, user, .. }) = kept else {
            return Ok(false);
        };
        if session.log_level == Some(level) {
            return Ok(true);
        }
        let set = Write::SetMcpLogLevel { id: session.id, user, level };
        Ok(self.commit(ChangeSet::new().with(set)).await? == Commit::Done)
    }

    /// Ends the caller's session, on every node; false when there is no such session.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn end_mcp_session(&self, context: &Context, id: &str) -> Result<bool, Error> {
        let (_, kept) = self.kept_mcp_session(context, id).await?;
        let Some(KeptMcpSession { session, user, .. }) = kept else {
            return Ok(false);
        };
        let remove = Write::RemoveMcpSession { id: session.id, user };
        Ok(self.commit(ChangeSet::new().with(remove)).await? == Commit::Done)
    }

    /// The caller, and the caller's session of that id, if there is one.
    async fn kept_mcp_session(
        &self,
        context: &Context,
        id: &str,
    ) -> Result<(Principal, Option<KeptMcpSession>), Error> {
        let Ok(id) = McpSessionId::parse(id) else {
            return Ok((self.principal(context).await?, None));
        };
        let seen = self.ports.store.mcp_session(context.token()?, &id, context.now).await?;
        Ok((context.admit(seen.caller)?, seen.value))
    }

    /// Notes that a session is used, unless that was noted not long ago. False when it has ended meanwhile.
    async fn renew_mcp_session(&self, context: &Context, kept: &KeptMcpSession) -> bool {
        let Some(expires_at) = McpSession::renewed_expiry(kept.expires_at, context.now) else {
            return true;
        };
        let renew = Write::RenewMcpSession { id: kept.session.id.clone(), user: kept.user.clone(), expires_at };
        match self.commit(ChangeSet::new().with(renew)).await {
            Ok(commit) => commit == Commit::Done,
            // The request can be answered all the same, and the next one renews the session.
            Err(error) => {
                tracing::warn!(%error, "the use of a session of an MCP client could not be noted");
                true
            }
        }
    }
}

fn check_capabilities(capabilities: &str) -> Result<(), Error> {
    if capabilities.len() <= MAX_CAPABILITIES_BYTES {
        return Ok(());
    }
    Err(Error::Invalid {
        field: "capabilities".to_owned(),
        message: format!("expected at most {MAX_CAPABILITIES_BYTES} bytes, got {}", capabilities.len()),
    })
}
