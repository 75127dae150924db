//! Reading what is known of workspaces.

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_domain::tokens::TokenHash;
use portway_domain::workspaces::{GitState, KeptFile};

use crate::Seen;
use crate::error::StoreError;
use crate::sessions::SessionAccess;

/// Reads of what runners reported of workspaces. It is written with the report, and goes with the session.
///
/// Where the caller's role in a session is absent, so is what is known of its workspace.
#[async_trait]
pub trait WorkspaceStore: Send + Sync {
    /// What git said so far, and the caller's role in the session; absent before the first report.
    async fn git_state(
        &self,
        caller: &TokenHash,
        session: &SessionId,
    ) -> Result<Seen<Option<(SessionAccess, Option<GitState>)>>, StoreError>;

    /// The files of the last report by path, and the caller's role in the session. A file that was in the report before
    /// keeps the time at which it was first reported.
    async fn changed_files(
        &self,
        caller: &TokenHash,
        session: &SessionId,
    ) -> Result<Seen<Option<(SessionAccess, Vec<KeptFile>)>>, StoreError>;
}
