//! Reading the models that agents offer.

use async_trait::async_trait;
use portway_domain::models::AvailableModels;
use portway_domain::tokens::TokenHash;
use portway_ports::models::ModelStore;
use portway_ports::{Seen, StoreError};

use super::SqlStore;
use crate::driver::Read;
use crate::{models, tokens};

#[async_trait]
impl ModelStore for SqlStore {
    async fn available_models(&self, caller: &TokenHash) -> Result<Seen<AvailableModels>, StoreError> {
        let dialect = self.driver.dialect();
        let statements = vec![tokens::principal(dialect, caller), models::of_caller(dialect, caller)];
        let mut answers = self.read(Read::bounded(statements)).await?;
        let principal = tokens::decode_principal(answers.next()?)?;
        let models = models::decode(answers.next()?)?.unwrap_or_default();
        Ok(Seen { value: if principal.is_some() { models } else { AvailableModels::default() }, caller: principal })
    }
}
