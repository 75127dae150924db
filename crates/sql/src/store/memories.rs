//! Reading memories.

use async_trait::async_trait;
use portway_domain::ids::{MemoryId, UserId};
use portway_domain::memories::Memory;
use portway_domain::search::Query;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::memories::{MemoryFilter, MemoryStore, Remembering};
use portway_ports::pages::MAX_PAGE;
use portway_ports::{Seen, StoreError};

use super::{SqlStore, seen};
use crate::driver::{Cost, Read};
use crate::tokens::Whose;
use crate::{idempotency, memories, tokens, users};

#[async_trait]
impl MemoryStore for SqlStore {
    async fn memories(&self, caller: &TokenHash, filter: &MemoryFilter) -> Result<Seen<Vec<Memory>>, StoreError> {
        let dialect = self.driver.dialect();
        let mut statements = vec![tokens::principal(dialect, caller)];
        let finds_something = !filter.query.as_ref().is_some_and(Query::is_empty);
        if finds_something {
            statements.push(memories::list(dialect, Whose::Caller(caller), filter));
        }
        let mut answers = self.read(Read { statements, cost: cost(filter) }).await?;
        let caller = tokens::decode_principal(answers.next()?)?;
        let value = match caller {
            Some(_) if finds_something => memories::decode(answers.next()?)?,
            _ => Vec::new(),
        };
        Ok(Seen { caller, value })
    }

    async fn remembering(
        &self,
        caller: &TokenHash,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<Seen<Option<Remembering>>, StoreError> {
        let dialect = self.driver.dialect();
        let mut statements = vec![
            tokens::principal(dialect, caller),
            users::of_caller(dialect, caller),
            memories::count(dialect, Whose::Caller(caller)),
            memories::least_relevant(dialect, Whose::Caller(caller)),
        ];
        statements.extend(key.map(|key| idempotency::of_caller(dialect, caller, key, now)));
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let user = users::decode(answers.next()?)?;
        let count = answers.next()?.first().map(|row| row.get("memories")).transpose()?.unwrap_or(0);
        let least_relevant: Vec<MemoryId> =
            answers.next()?.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?;
        let remembered = key.map(|_| idempotency::decode(answers.next()?)).transpose()?.flatten();
        Ok(seen(principal, |_| user.map(|user| Remembering { user, count, least_relevant, remembered })))
    }

    async fn memories_of(&self, user: &UserId, filter: &MemoryFilter) -> Result<Vec<Memory>, StoreError> {
        if filter.query.as_ref().is_some_and(Query::is_empty) {
            return Ok(Vec::new());
        }
        let statements = vec![memories::list(self.driver.dialect(), Whose::User(user), filter)];
        let mut answers = self.read(Read { statements, cost: cost(filter) }).await?;
        Ok(memories::decode(answers.next()?)?)
    }

    async fn remembering_of(&self, user: &UserId) -> Result<Option<Remembering>, StoreError> {
        let dialect = self.driver.dialect();
        let whose = Whose::User(user);
        let statements = vec![
            users::by_id(dialect, user),
            memories::count(dialect, whose),
            memories::least_relevant(dialect, whose),
        ];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let user = users::decode(answers.next()?)?;
        let count = answers.next()?.first().map(|row| row.get("memories")).transpose()?.unwrap_or(0);
        let least_relevant: Vec<MemoryId> =
            answers.next()?.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?;
        Ok(user.map(|user| Remembering { user, count, least_relevant, remembered: None }))
    }
}

fn cost(filter: &MemoryFilter) -> Cost {
    let is_bounded = filter.query.is_none() && filter.limit() <= MAX_PAGE;
    if is_bounded { Cost::Bounded } else { Cost::Unbounded }
}
