//! Calls of operations that come by another surface than REST. What is demanded of their callers, and what becomes of them,
//! is the same.

use bytes::Bytes;
use portway_domain::access::Permission;
use portway_services::context::Context;

use super::access_log::log_call;
use super::caught::caught;
use super::idempotency;
use super::serve::Api;
use crate::error::ApiError;
use crate::operation::Operation;

impl<S: Send + Sync + 'static> Api<S> {
    /// Calls an operation with a JSON object that has all of its input. `request` is what the call came with; time and ids
    /// are the call's own.
    ///
    /// # Errors
    /// As the operation has them, and what is refused on the way to it.
    pub(super) async fn call(
        &self,
        operation: &Operation<S>,
        request: &Context,
        key: Option<&str>,
        input: &str,
    ) -> Result<Bytes, ApiError> {
        let row = operation.row();
        let began = self.options.clock.now();
        let ids = self.options.entropy.ids(began);
        let context = Context { permission: row.permission, now: began, ids, ..request.clone() };
        let outcome = caught(self.admitted(operation, context, key, input)).await;
        let status = outcome.as_ref().map_or_else(|error| error.status, |_| operation.status());
        let ended = self.options.clock.now();
        self.metrics.answered(Some(row), status, began, ended);
        if self.options.access_log {
            log_call(row, request, status, ended.since(began));
        }
        outcome
    }

    async fn admitted(
        &self,
        operation: &Operation<S>,
        mut context: Context,
        key: Option<&str>,
        input: &str,
    ) -> Result<Bytes, ApiError> {
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
        operation.invoke(self.state.clone(), context, &[], input.as_bytes()).await
    }
}
