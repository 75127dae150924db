//! What is known of workspaces. Runners report it, see [`crate::runners`].

use portway_domain::ids::SessionId;
use portway_domain::workspaces::{GitState, KeptFile};

use crate::error::Error;
use crate::{Context, Services};

impl Services {
    /// What git said of the workspace of a session; absent before its runner's first report.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn git_state(&self, context: &Context, id: &SessionId) -> Result<Option<GitState>, Error> {
        let seen = self.ports.store.git_state(context.token()?, id).await?;
        context.admit_to(seen.caller, seen.value.as_ref().map(|(access, _)| access), id)?;
        Ok(seen.value.and_then(|(_, state)| state))
    }

    /// The files of the workspace that differ from where the session began, by path.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn changed_files(&self, context: &Context, id: &SessionId) -> Result<Vec<KeptFile>, Error> {
        let seen = self.ports.store.changed_files(context.token()?, id).await?;
        context.admit_to(seen.caller, seen.value.as_ref().map(|(access, _)| access), id)?;
        Ok(seen.value.map(|(_, files)| files).unwrap_or_default())
    }
}
