//! Reading what idempotency keys led to.

use async_trait::async_trait;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::commit::Remembered;
use portway_ports::idempotency::IdempotencyStore;
use portway_ports::{Seen, StoreError};

use super::{SqlStore, seen};
use crate::driver::Read;
use crate::{idempotency, tokens};

#[async_trait]
impl IdempotencyStore for SqlStore {
    async fn remembered(
        &self,
        caller: &TokenHash,
        key: &str,
        now: Timestamp,
    ) -> Result<Seen<Option<Remembered>>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![tokens::principal(dialect, caller), idempotency::of_caller(dialect, caller, key, now)];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let remembered = idempotency::decode(answers.next()?)?;
        Ok(seen(principal, |_| remembered))
    }

    async fn has_expired_keys(&self, now: Timestamp) -> Result<bool, StoreError> {
        let statements = vec![idempotency::expired(self.driver.dialect(), now)];
        Ok(!self.read(Read::bounded(statements)).await?.next()?.is_empty())
    }
}
