//! Answers that are kept under the caller's idempotency key, of operations that do not commit their results with it.
//!
//! The key is held before the operation is carried out, so of several requests with it one alone is, and the answer takes the
//! place of the hold. What failed is not kept: whoever tries again may succeed. A hold ends by itself when whoever has it
//! does not come back, and the operation may then be carried out again; all of them lead to the same when they are.

use std::time::Duration;

use portway_domain::ids::UserId;
use portway_ports::StoreError;
use portway_ports::commit::{ChangeSet, Commit, Remembered, Write};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::idempotency::KEPT;
use crate::steps::{MAX_ATTEMPTS, contended};
use crate::{Context, Services};

/// How long a key is held for an operation that is being carried out: longer than any of them takes.
const HOLD: Duration = Duration::from_secs(120);

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    /// The operation is being carried out, in the request with that mark.
    Held(String),
    /// It was answered with this.
    Answer(String),
    /// It was carried out, and its answer is told only once.
    Untold,
}

/// What there is to do in a request with a key.
#[derive(Debug)]
pub enum Claim {
    /// Nothing: it was done before, with this answer.
    Answered(String),
    /// The operation. Its end is told to [`Services::release_key`].
    Held(HeldKey),
}

/// A key that is held for a request.
#[derive(Debug)]
pub struct HeldKey(Remembered);

/// How an operation ended whose key was held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With an answer, which a repeated request gets.
    Answered(String),
    /// With an answer that is told only once, such as a secret.
    Untold,
    /// It failed, and may be tried again with the same key.
    Failed,
}

impl Services {
    /// Holds the key of a request, or finds the answer that was kept under it.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`] when the key belongs to another request; [`Error::Conflict`] while a request with it
    /// is being carried out, and for an answer that is told only once; [`Error::Unauthorized`] without a valid token.
    pub async fn claim_key(&self, context: &Context) -> Result<Claim, Error> {
        let key = context.idempotency.as_ref().ok_or_else(|| Error::Internal("a claim without a key".to_owned()))?;
        let held = Kept::Held(context.ids.clone().draw_text());
        for _ in 0..MAX_ATTEMPTS {
            let seen = self.ports.store.remembered(context.token()?, &key.key, context.now).await?;
            let principal = context.admit(seen.caller)?;
            match context.replay::<Kept>(seen.value.as_ref())? {
                Some(Kept::Answer(answer)) => return Ok(Claim::Answered(answer)),
                Some(Kept::Untold) => {
                    let done = "this was done before, and its answer is told only once: use a new key to do it again";
                    return Err(Error::Conflict(done.into()));
                }
                // The outcome of writing it was unknown.
                Some(kept) if kept == held => return Ok(Claim::Held(HeldKey(hold(context, principal.user, &held)?))),
                Some(Kept::Held(_)) => {
                    let busy = "a request with this idempotency key is being carried out: try again in a moment";
                    return Err(Error::Conflict(busy.into()));
                }
                None => {}
            }
            let hold = hold(context, principal.user, &held)?;
            match self.commit(ChangeSet::new().with(Write::Remember(hold.clone()))).await {
                Ok(Commit::Done) => return Ok(Claim::Held(HeldKey(hold))),
                Ok(Commit::Conflict { .. }) | Err(StoreError::Unknown(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    /// Puts what became of an operation in the place of the hold. When that fails, the hold ends by itself.
    pub async fn release_key(&self, held: HeldKey, ended: Ended) {
        let HeldKey(hold) = held;
        let (kept, expires_at) = match ended {
            Ended::Answered(answer) => (Kept::Answer(answer), hold.created_at.plus(KEPT)),
            Ended::Untold => (Kept::Untold, hold.created_at.plus(KEPT)),
            Ended::Failed => (Kept::Untold, hold.created_at),
        };
        let settled = match serde_json::to_string(&kept) {
            Ok(result) => Remembered { result, expires_at, ..hold.clone() },
            Err(error) => return tracing::error!(%error, "an answer cannot be kept"),
        };
        let settle = Write::Settle { remembered: settled, hold: hold.result };
        if let Err(error) = self.commit(ChangeSet::new().with(settle)).await {
            tracing::warn!(%error, "what became of a request is not kept under its idempotency key");
        }
    }
}

fn hold(context: &Context, user: UserId, held: &Kept) -> Result<Remembered, Error> {
    let key = context.idempotency.as_ref().ok_or_else(|| Error::Internal("a hold without a key".to_owned()))?;
    Ok(Remembered {
        user,
        key: key.key.clone(),
        digest: key.digest.clone(),
        result: serde_json::to_string(held).map_err(|error| Error::Internal(error.to_string()))?,
        created_at: context.now,
        expires_at: context.now.plus(HOLD),
    })
}
