//! Where answers are kept under the idempotency keys of their callers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use portway_ports::system::Spawner;
use portway_services::Services;
use portway_services::context::Context;
use portway_services::error::Error;
use portway_services::kept_answers::{Claim, Ended, HeldKey};

/// Who keeps answers, and who runs what they are kept of.
#[derive(Clone)]
pub struct AnswerKeeping {
    /// Where answers are kept.
    pub answers: Arc<dyn KeptAnswers>,
    /// Runs requests with a key to their end, whether or not their callers are still there. It starts them at once: callers
    /// wait for them.
    pub spawner: Arc<dyn Spawner>,
}

impl fmt::Debug for AnswerKeeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerKeeping").finish_non_exhaustive()
    }
}

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
