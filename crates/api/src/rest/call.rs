//! Calls of operations that come by another surface than REST. What is demanded of their callers, and what becomes of them,
//! is the same.

use bytes::Bytes;
use portway_domain::access::Permission;
use portway_services::context::Context;
use portway_services::kept_answers::{Claim, Ended};

use super::access_log::CallVisit;
use super::caught::caught;
use super::idempotency;
use super::serve::Api;
use crate::error::ApiError;
use crate::input::Pair;
use crate::operation::{Idempotency, Operation};

/// Longest answer that is kept under an idempotency key, in bytes. Those of what changes something are short.
const MAX_KEPT_BYTES: usize = 256 * 1024;

impl<S: Send + Sync + 'static> Api<S> {
    /// Calls an operation with a JSON object that has all of its input. The context is that of the call alone, but for the
    /// permission, which is the operation's.
    ///
    /// # Errors
    /// As the operation has them, and what is refused on the way to it.
    pub(super) async fn call(
        &self,
        operation: &Operation<S>,
        mut context: Context,
        key: Option<&str>,
        input: &str,
    ) -> Result<Bytes, ApiError> {
        let row = operation.row();
        context.permission = row.permission;
        let (began, visit) = (context.now, self.options.access_log.then(|| CallVisit::begin(row, &context)));
        let outcome = match admit(operation, &mut context, key, input) {
            Ok(()) => caught(self.perform(operation, context, &[], input.as_bytes())).await,
            Err(error) => Err(error),
        };
        let status = outcome.as_ref().map_or_else(|error| error.status, |_| operation.status());
        let ended = self.options.clock.now();
        self.metrics.answered(Some(row), status, began, ended);
        if let Some(visit) = visit {
            visit.log(status, ended.since(began));
        }
        outcome
    }

    /// The context for another call of the same request: with a time and ids of its own.
    pub(super) fn renewed(&self, context: &Context) -> Context {
        let now = self.options.clock.now();
        Context { now, ids: self.options.entropy.ids(now), ..context.clone() }
    }

    /// Carries an operation out, at most once if the context has an idempotency key.
    pub(super) async fn perform(
        &self,
        operation: &Operation<S>,
        mut context: Context,
        pairs: &[Pair<'_>],
        body: &[u8],
    ) -> Result<Bytes, ApiError> {
        let invoke = |context| operation.invoke(self.state.clone(), context, pairs, body);
        let is_told = match operation.idempotency() {
            Idempotency::Ignored | Idempotency::Own => return invoke(context).await,
            Idempotency::Kept => true,
            Idempotency::KeptUntold => false,
        };
        let Some(answers) = self.options.kept_answers.as_ref().filter(|_| context.idempotency.is_some()) else {
            return invoke(context).await;
        };
        let held = match answers.claim(&context).await? {
            Claim::Answered(answer) => return Ok(answer.into()),
            Claim::Held(held) => held,
        };
        context.idempotency = None;
        let outcome = invoke(context).await;
        let ended = match &outcome {
            Ok(answer) if is_told && answer.len() <= MAX_KEPT_BYTES => {
                Ended::Answered(String::from_utf8_lossy(answer).into_owned())
            }
            Ok(_) => Ended::Untold,
            Err(_) => Ended::Failed,
        };
        answers.release(held, ended).await;
        outcome
    }
}

/// Refuses what no read is needed to refuse.
fn admit<S: Send + Sync + 'static>(
    operation: &Operation<S>,
    context: &mut Context,
    key: Option<&str>,
    input: &str,
) -> Result<(), ApiError> {
    let row = operation.row();
    if context.credential.is_none() && row.permission != Permission::Public {
        return Err(ApiError::unauthorized());
    }
    if let Some(limit) = operation.body_limit().filter(|limit| input.len() > *limit) {
        return Err(ApiError::too_large(limit));
    }
    if let Some(key) = key.filter(|_| operation.is_idempotent_by_key()) {
        let key = idempotency::checked(key.as_bytes())?;
        context.idempotency = Some(idempotency::of(key, row.name, &[], input.as_bytes()));
    }
    Ok(())
}
