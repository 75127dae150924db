//! Where answers are kept under the idempotency keys of their callers.

use async_trait::async_trait;
use portway_services::Services;
use portway_services::context::Context;
use portway_services::error::Error;
use portway_services::kept_answers::{Claim, Ended, HeldKey};

/// Keeps the answers of operations that do not keep their results by themselves.
#[async_trait]
pub trait KeptAnswers: Send + Sync {
    /// Holds the key of a request, or finds the answer that was kept under it.
    ///
    /// # Errors
    /// As [`Services::claim_key`].
    async fn claim(&self, context: &Context) -> Result<Claim, Error>;

    /// Is told what became of an operation whose key is held.
    async fn release(&self, held: HeldKey, ended: Ended);
}

#[async_trait]
impl KeptAnswers for Services {
    async fn claim(&self, context: &Context) -> Result<Claim, Error> {
        self.claim_key(context).await
    }

    async fn release(&self, held: HeldKey, ended: Ended) {
        self.release_key(held, ended).await;
    }
}
