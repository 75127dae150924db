//! Calls of operations that come by another surface than REST. What is demanded of their callers, and what becomes of them,
//! is the same.

use std::sync::Arc;

use bytes::Bytes;
use portway_domain::access::Permission;
use portway_services::context::Context;

use super::access_log::CallVisit;
use super::caught::caught;
use super::idempotency;
use super::keyed::{Keyed, Told};
use super::serve::Api;
use crate::error::ApiError;
use crate::input::Pair;
use crate::operation::{Idempotency, Operation};

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
        context: Context,
        pairs: &[Pair<'_>],
        body: &[u8],
    ) -> Result<Bytes, ApiError> {
        let invoke = |context| operation.invoke(self.state.clone(), context, pairs, body);
        let told = match operation.idempotency() {
            Idempotency::Ignored | Idempotency::Own => return invoke(context).await,
            Idempotency::Kept => Told::Again,
            Idempotency::KeptUntold => Told::Once,
        };
        let Some(keeping) = self.options.kept_answers.as_ref().filter(|_| context.idempotency.is_some()) else {
            return invoke(context).await;
        };
        let operation = invoke(Context { idempotency: None, ..context.clone() });
        let answers = Arc::clone(&keeping.answers);
        let outcome = Keyed { answers, context, operation, told }.start(&*keeping.spawner);
        outcome.await.unwrap_or_else(|_| Err(ApiError::internal("the task of the request broke off")))
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
