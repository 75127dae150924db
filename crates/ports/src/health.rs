//! Whether the gateway can do its work.

use async_trait::async_trait;

use crate::error::StoreError;

/// Asks the store whether it can be used.
#[async_trait]
pub trait Health: Send + Sync {
    /// Proves that the store can be written and that its schema is the one this program was built for. It may cost a
    /// durable write, so callers remember the answer for a moment.
    ///
    /// # Errors
    /// What is wrong, in words for an operator.
    async fn probe(&self) -> Result<(), StoreError>;
}
