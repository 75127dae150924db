//! Calls of operations that come by another surface than REST. What is demanded of their callers, and what becomes of them,
//! is the same.

use std::sync::Arc;

use bytes::Bytes;
use portway_domain::access::Permission;
use portway_services::context::Context;

use super::access_log::CallVisit;
use super::caught::caught;
use super::detached::detached;
use super::idempotency;
use super::keyed::{Keyed, Told};
use super::serve::Api;
use crate::error::ApiError;
use crate::input::Pair;
use crate::kept_answers::KeptAnswers;
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

    /// Carries an operation out, at most once if the context has an idempotency key. What changes something is carried out
    /// whether or not the caller waits for it: given up half way, it may be done and nobody who watches be told.
    pub(super) async fn perform(
        &self,
        operation: &Operation<S>,
        context: Context,
        pairs: &[Pair<'_>],
        body: &[u8],
    ) -> Result<Bytes, ApiError> {
        let invoke = |context| operation.invoke(self.state.clone(), context, pairs, body);
        if operation.row().method.is_safe() {
            return invoke(context).await;
        }
        let (spawner, request_id) = (&*self.options.spawner, context.request_id.clone());
        match self.keeping(operation, &context) {
            Some((told, answers)) => {
                let operation = invoke(Context { idempotency: None, ..context.clone() });
                detached(spawner, request_id, Keyed { answers, context, operation, told }.carry_out()).await
            }
            None => detached(spawner, request_id, invoke(context)).await,
        }
    }

    /// How the answer is kept under the idempotency key of the request, if it is.
    fn keeping(&self, operation: &Operation<S>, context: &Context) -> Option<(Told, Arc<dyn KeptAnswers>)> {
        let told = match operation.idempotency() {
            Idempotency::Ignored | Idempotency::Own => return None,
            Idempotency::Kept => Told::Again,
            Idempotency::KeptUntold => Told::Once,
        };
        context.idempotency.as_ref()?;
        Some((told, self.options.kept_answers.clone()?))
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
