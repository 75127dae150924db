//! Reading users and their tokens.

use async_trait::async_trait;
use portway_domain::access::Principal;
use portway_domain::ids::{TokenId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_domain::users::User;
use portway_ports::users::{TokenListItem, UserStore};
use portway_ports::{Seen, StoreError};

use super::{SqlStore, seen};
use crate::driver::Read;
use crate::{tokens, users};

#[async_trait]
impl UserStore for SqlStore {
    async fn principal(&self, caller: &TokenHash) -> Result<Option<Principal>, StoreError> {
        let statement = tokens::principal(self.driver.dialect(), caller);
        Ok(tokens::decode_principal(self.read(Read::bounded(vec![statement])).await?.next()?)?)
    }

    async fn caller(&self, caller: &TokenHash) -> Result<Seen<Option<User>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![tokens::principal(dialect, caller), users::of_caller(dialect, caller)];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let user = users::decode(answers.next()?)?;
        Ok(seen(principal, |_| user))
    }

    async fn tokens(&self, caller: &TokenHash, limit: u32) -> Result<Seen<Vec<TokenListItem>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![tokens::principal(dialect, caller), tokens::list(dialect, caller, limit)];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let list = tokens::decode_list(answers.next()?)?;
        let Seen { caller, value } = seen(principal, |_| Some(list));
        Ok(Seen { caller, value: value.unwrap_or_default() })
    }

    async fn valid_tokens(&self, tokens: &[TokenId], now: Timestamp) -> Result<Vec<TokenId>, StoreError> {
        let statement = tokens::valid(self.driver.dialect(), tokens, now);
        Ok(tokens::decode_valid(self.read(Read::bounded(vec![statement])).await?.next()?)?)
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let statement = users::by_id(self.driver.dialect(), id);
        Ok(users::decode(self.read(Read::bounded(vec![statement])).await?.next()?)?)
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let statement = users::by_email(self.driver.dialect(), email);
        Ok(users::decode(self.read(Read::bounded(vec![statement])).await?.next()?)?)
    }

    async fn has_users(&self) -> Result<bool, StoreError> {
        let statement = users::any(self.driver.dialect());
        Ok(!self.read(Read::bounded(vec![statement])).await?.next()?.is_empty())
    }
}
