//! Reading who takes part in sessions, and the links that let people in.

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_domain::sharing::{ShareLink, ShareToken};
use portway_domain::tokens::TokenHash;
use portway_ports::sessions::SessionAccess;
use portway_ports::sharing::{Participants, SharingStore};
use portway_ports::{Seen, StoreError};

use super::{SqlStore, seen};
use crate::driver::Read;
use crate::sessions::{self, Scope};
use crate::{participants, share_links, tokens, users};

#[async_trait]
impl SharingStore for SqlStore {
    async fn participants(&self, caller: &TokenHash, id: &SessionId) -> Result<Seen<Option<Participants>>, StoreError> {
        let dialect = self.driver.dialect();
        let scope = Scope { id, caller: Some(caller) };
        let statements = vec![
            tokens::principal(dialect, caller),
            sessions::by_id(dialect, caller, id),
            users::owner_of(dialect, scope),
            participants::of_session(dialect, scope),
        ];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        let owner = users::decode_profile(answers.next()?)?;
        let others = participants::decode(answers.next()?)?;
        Ok(seen(principal, |caller| {
            session.map(|(session, role)| Participants {
                access: sessions::access(session, role, caller),
                owner,
                others,
            })
        }))
    }

    async fn share_links(
        &self,
        caller: &TokenHash,
        id: &SessionId,
    ) -> Result<Seen<Option<(SessionAccess, Vec<ShareLink>)>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![
            tokens::principal(dialect, caller),
            sessions::by_id(dialect, caller, id),
            share_links::of_session(dialect, Scope { id, caller: Some(caller) }),
        ];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        let links = share_links::decode(answers.next()?)?;
        Ok(seen(principal, |caller| session.map(|(session, role)| (sessions::access(session, role, caller), links))))
    }

    async fn share_link(&self, caller: &TokenHash, token: &ShareToken) -> Result<Seen<Option<ShareLink>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![tokens::principal(dialect, caller), share_links::by_token(dialect, token)];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let link = share_links::decode(answers.next()?)?.into_iter().next();
        Ok(seen(principal, |_| link))
    }
}
