//! Searching.

use async_trait::async_trait;
use portway_domain::tokens::TokenHash;
use portway_ports::search::{FoundMessage, Hit, MessageSearch, SearchStore, UnindexedMessage};
use portway_ports::{Seen, StoreError};

use super::SqlStore;
use crate::driver::Read;
use crate::search::messages;
use crate::tokens;

#[async_trait]
impl SearchStore for SqlStore {
    async fn search_messages(
        &self,
        caller: &TokenHash,
        search: &MessageSearch,
    ) -> Result<Seen<Vec<Hit<FoundMessage>>>, StoreError> {
        let dialect = self.driver.dialect();
        let principal = tokens::principal(dialect, caller);
        if search.query.is_empty() {
            let caller = tokens::decode_principal(self.read(Read::bounded(vec![principal])).await?.next()?)?;
            return Ok(Seen { caller, value: Vec::new() });
        }
        let statements = vec![principal, messages::search(dialect, caller, search)];
        let mut answers = self.read(Read::unbounded(statements)).await?;
        let caller = tokens::decode_principal(answers.next()?)?;
        let value = if caller.is_some() { messages::decode(dialect, answers.next()?)? } else { Vec::new() };
        Ok(Seen { caller, value })
    }

    async fn unindexed_messages(&self, limit: u32) -> Result<Vec<UnindexedMessage>, StoreError> {
        let statement = messages::unindexed(self.driver.dialect(), limit);
        Ok(messages::decode_unindexed(self.read(Read::unbounded(vec![statement])).await?.next()?)?)
    }
}
