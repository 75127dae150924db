//! Letting people into sandboxes, at the front door that a sandbox has of its own.

use std::collections::BTreeMap;

use portway_domain::ids::SessionId;
use portway_domain::sandbox_tokens::SandboxToken;
use portway_domain::sessions::SessionStatus;
use portway_domain::time::Timestamp;

use crate::error::Error;
use crate::sessions::SessionDetail;
use crate::steps::session_not_found;
use crate::{Context, Services};

/// Seconds after which a sandbox that is on its way may be there.
const STARTS_WITHIN: u32 = 3;

/// What opens a sandbox, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxPass {
    /// The token.
    pub token: SandboxToken,
    /// Where the sandbox is reached, by name.
    pub urls: BTreeMap<String, String>,
    /// When the token stops being valid.
    pub expires_at: Timestamp,
}

impl Services {
    /// What lets the caller into the sandbox of a session for a quarter of an hour.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read; [`Error::NotAvailable`] without a root key;
    /// [`Error::SandboxAway`] when the session rests or is on its way back; [`Error::Unavailable`] when it has ended, or
    /// has no sandbox that is reached from outside.
    pub async fn sandbox_pass(&self, context: &Context, id: &SessionId) -> Result<SandboxPass, Error> {
        let seen = self.ports.store.session_overview(context.token()?, id).await?;
        let principal = context.admit_to(seen.caller, seen.value.as_ref().map(|overview| &overview.access), id)?;
        let detail = seen.value.map(SessionDetail::from).ok_or_else(|| session_not_found(id.as_str()))?;
        let Some(root) = &self.sandbox_root_key else {
            let text = "This gateway has no key for sandboxes: its operator has to set one";
            return Err(Error::NotAvailable(text.to_owned()));
        };
        check_reachable(&detail)?;
        let (token, expires_at) = root.of_session(id).token(&principal.user, id, context.now);
        Ok(SandboxPass { token, urls: detail.exposure.urls.into(), expires_at })
    }
}

fn check_reachable(detail: &SessionDetail) -> Result<(), Error> {
    let status = detail.facts.status;
    match status {
        SessionStatus::Hibernating | SessionStatus::Hibernated | SessionStatus::Restoring => {
            Err(Error::SandboxAway { status: status.as_str() })
        }
        status if status.is_ended() => {
            let message = format!("The session is {}: start a new one", status.as_str());
            Err(Error::Unavailable { message, retry_after: STARTS_WITHIN })
        }
        _ if detail.exposure.urls.gateway().is_none() => {
            let message = "The session has no sandbox that is reached from outside, or not yet".to_owned();
            Err(Error::Unavailable { message, retry_after: STARTS_WITHIN })
        }
        _ => Ok(()),
    }
}
