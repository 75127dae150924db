//! Reading what is known of workspaces.

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_domain::tokens::TokenHash;
use portway_domain::workspaces::{GitState, KeptFile};
use portway_ports::sessions::SessionAccess;
use portway_ports::workspaces::WorkspaceStore;
use portway_ports::{Seen, StoreError};

use super::{SqlStore, seen};
use crate::driver::Read;
use crate::sessions::{self, Scope};
use crate::{changed_files, tokens, workspaces};

#[async_trait]
impl WorkspaceStore for SqlStore {
    async fn git_state(
        &self,
        caller: &TokenHash,
        session: &SessionId,
    ) -> Result<Seen<Option<(SessionAccess, Option<GitState>)>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![
            tokens::principal(dialect, caller),
            sessions::by_id(dialect, caller, session),
            workspaces::of_session(dialect, Scope { id: session, caller: Some(caller) }),
        ];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        let known = workspaces::decode(answers.next()?)?;
        Ok(seen(principal, |caller| {
            session.map(|(session, role)| (sessions::access(session, role, caller), known.git))
        }))
    }

    async fn changed_files(
        &self,
        caller: &TokenHash,
        session: &SessionId,
    ) -> Result<Seen<Option<(SessionAccess, Vec<KeptFile>)>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![
            tokens::principal(dialect, caller),
            sessions::by_id(dialect, caller, session),
            changed_files::since(dialect, Scope { id: session, caller: Some(caller) }, 0)?,
        ];
        let mut answers = self.read(Read::unbounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        let files = changed_files::decode(answers.next()?)?;
        Ok(seen(principal, |caller| session.map(|(session, role)| (sessions::access(session, role, caller), files))))
    }
}
