//! Reading the models that agents offer.

use async_trait::async_trait;
use portway_domain::models::AvailableModels;
use portway_domain::tokens::TokenHash;

use crate::Seen;
use crate::error::StoreError;

/// Reads of models.
#[async_trait]
pub trait ModelStore: Send + Sync {
    /// The models in the session of the caller's own whose agent told its models last; none if no agent has. It is told
    /// by [`portway_domain::engine::Change::ModelsSet`].
    async fn available_models(&self, caller: &TokenHash) -> Result<Seen<AvailableModels>, StoreError>;
}
