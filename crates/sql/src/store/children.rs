//! Reading children of sessions, and what agents see of other sessions.

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_domain::messages::Message;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::children::{ChildFilter, ChildPage, ChildStore, Family};
use portway_ports::pages::{Page, PageRequest};
use portway_ports::sessions::{MessageRange, SessionAccess};
use portway_ports::{Seen, StoreError};

use super::sessions::{DecodeMessages, decode_open};
use super::{Answers, SqlStore, seen};
use crate::dialect::Dialect;
use crate::driver::{Read, SqlError, Statement};
use crate::open_message::Open;
use crate::sessions::{self, Scope};
use crate::{children, idempotency, messages, open_message, tokens, users};

#[async_trait]
impl ChildStore for SqlStore {
    async fn children(
        &self,
        caller: &TokenHash,
        parent: &SessionId,
        filter: ChildFilter,
        page: PageRequest,
    ) -> Result<Seen<Option<(SessionAccess, ChildPage)>>, StoreError> {
        let dialect = self.driver.dialect();
        let mut statements = vec![tokens::principal(dialect, caller), sessions::by_id(dialect, caller, parent)];
        statements.extend(listing(dialect, Scope { id: parent, caller: Some(caller) }, filter, &page));
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let session = sessions::decode(answers.next()?)?;
        let listed = decode_listing(&mut answers, &page)?;
        Ok(seen(principal, |caller| session.map(|(session, role)| (sessions::access(session, role, caller), listed))))
    }

    async fn children_of(
        &self,
        parent: &SessionId,
        filter: ChildFilter,
        page: PageRequest,
    ) -> Result<ChildPage, StoreError> {
        let statements = listing(self.driver.dialect(), Scope { id: parent, caller: None }, filter, &page);
        let mut answers = self.read(Read::bounded(statements.into())).await?;
        Ok(decode_listing(&mut answers, &page)?)
    }

    async fn family(
        &self,
        parent: &SessionId,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Family>, StoreError> {
        let dialect = self.driver.dialect();
        let scope = Scope { id: parent, caller: None };
        let mut statements = vec![users::owning(dialect, parent), children::count(dialect, scope, ChildFilter::Live)];
        statements.extend(key.map(|key| idempotency::of_owner(dialect, parent, key, now)));
        let mut answers = self.read(Read::bounded(statements)).await?;
        let owner = users::decode(answers.next()?)?;
        let live = children::decode_count(&answers.next()?)?;
        let remembered = key.map(|_| idempotency::decode(answers.next()?)).transpose()?.flatten();
        Ok(owner.map(|owner| Family { owner, live, remembered }))
    }

    async fn messages_of(&self, id: &SessionId, range: MessageRange) -> Result<Vec<Message>, StoreError> {
        let statement = messages::range(self.driver.dialect(), Scope { id, caller: None }, range)?;
        self.messages_in(id, statement, messages::decode_all).await
    }

    async fn newest_messages(&self, id: &SessionId, limit: u32) -> Result<Vec<Message>, StoreError> {
        let newest = messages::newest(self.driver.dialect(), Scope { id, caller: None }, limit);
        self.messages_in(id, newest, messages::decode_newest).await
    }
}

impl SqlStore {
    /// The messages that a statement answers, with the open one as it stands.
    async fn messages_in(
        &self,
        id: &SessionId,
        statement: Statement,
        decode: DecodeMessages,
    ) -> Result<Vec<Message>, StoreError> {
        let mut statements = Vec::from(open_message::load(self.driver.dialect(), Scope { id, caller: None }));
        statements.push(statement);
        let mut answers = self.read(Read::bounded(statements)).await?;
        let open = decode_open(&mut answers)?;
        Ok(decode(answers.next()?, open.as_ref().map(Open::snapshot))?)
    }
}

/// What a page of children is put together from.
fn listing(dialect: Dialect, parent: Scope<'_>, filter: ChildFilter, page: &PageRequest) -> [Statement; 2] {
    [children::page(dialect, parent, filter, page), children::count(dialect, parent, filter)]
}

/// The page in the answers to [`listing`].
fn decode_listing(answers: &mut Answers, page: &PageRequest) -> Result<ChildPage, SqlError> {
    let items = children::decode(answers.next()?)?;
    let total = children::decode_count(&answers.next()?)?;
    Ok(ChildPage { page: Page::cut(items, page.limit(), children::cursor), total })
}
