//! Operations: one row per use case. Every surface is a projection of these rows.

use std::any::TypeId;
use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use garde::Validate;
use http::{Method, StatusCode};
use portway_domain::access::Permission;
use portway_services::context::Context;
use portway_services::error::Error;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::described::Described;
use crate::error::ApiError;
use crate::input::{self, Pair};
use crate::rate::RateClass;
use crate::row::{Row, TableError, check, row_setters};
use crate::surfaces::Surfaces;

type Handler<S> =
    Box<dyn Fn(Arc<S>, Context, &[Pair<'_>], &[u8]) -> BoxFuture<'static, Result<Bytes, ApiError>> + Send + Sync>;

/// Lets a caller in, or says why not.
type Admit<S> = Box<dyn Fn(Arc<S>, Context) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// What an operation does with an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    /// Nothing: to repeat it does no harm.
    Ignored,
    /// It commits its result together with the key.
    Own,
    /// The api keeps its answer.
    Kept,
    /// The api keeps that it was done, but not the answer, which is a secret.
    KeptUntold,
}

/// One use case, over the application state `S`.
pub struct Operation<S> {
    row: Row,
    status: StatusCode,
    surfaces: Surfaces,
    idempotency: Idempotency,
    body_limit: Option<usize>,
    admit: Option<Admit<S>>,
    is_destructive: bool,
    /// Whether it answers with nothing.
    is_empty: bool,
    described: Described,
    handler: Handler<S>,
}

impl<S: Send + Sync + 'static> Operation<S> {
    /// Begins a row. There is no row without a permission, and none without a handler.
    ///
    /// The tag is the first word of the name, the status 200, the surfaces all, the rate class
    /// [`RateClass::Standard`], unless said otherwise.
    #[expect(clippy::new_ret_no_self, reason = "a row is complete only with its handler")]
    pub fn new(name: &'static str, method: Method, path: &'static str, permission: Permission) -> OperationBuilder<S> {
        let row = Row::new(name, method, path, permission);
        let method_removes = row.method == Method::DELETE;
        OperationBuilder {
            idempotency: if row.is_bodyless() { Idempotency::Ignored } else { Idempotency::Kept },
            row,
            status: StatusCode::OK,
            surfaces: Surfaces::ALL,
            body_limit: None,
            admit: None,
            is_destructive: method_removes,
        }
    }

    /// Name, method, path, permission and texts.
    #[must_use]
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// The status of success.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Where it is offered.
    #[must_use]
    pub fn surfaces(&self) -> Surfaces {
        self.surfaces
    }

    /// Whether it accepts an `Idempotency-Key`: everything does that changes something.
    #[must_use]
    pub fn is_idempotent_by_key(&self) -> bool {
        self.idempotency != Idempotency::Ignored
    }

    /// What it does with an idempotency key.
    pub(crate) fn idempotency(&self) -> Idempotency {
        self.idempotency
    }

    /// Most bytes of its body, where that differs from the general limit.
    #[must_use]
    pub fn body_limit(&self) -> Option<usize> {
        self.body_limit
    }

    /// Whether something may be gone afterwards.
    pub(crate) fn is_destructive(&self) -> bool {
        self.is_destructive
    }

    /// Finds out whether the caller is let in, before a large body is read.
    pub(crate) fn admit(&self) -> Option<&Admit<S>> {
        self.admit.as_ref()
    }

    /// Schema of the input, written in place: path, query and body fields together.
    #[must_use]
    pub fn input_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        self.described.input_schema(generator)
    }

    /// Schema of the output; none with status 204.
    #[must_use]
    pub fn output_schema(&self, generator: &mut SchemaGenerator) -> Option<Schema> {
        self.described.output_schema(generator)
    }

    /// Carries it out: reads the input from `pairs` and the JSON object in `body`, and answers with JSON, or with
    /// nothing where the status is 204. The input is read before this returns; the future borrows nothing, and nothing is done
    /// before it is polled.
    pub fn invoke(
        &self,
        state: Arc<S>,
        context: Context,
        pairs: &[Pair<'_>],
        body: &[u8],
    ) -> BoxFuture<'static, Result<Bytes, ApiError>> {
        (self.handler)(state, context, pairs, body)
    }
}

impl<S> fmt::Debug for Operation<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("row", &self.row).field("status", &self.status).finish_non_exhaustive()
    }
}

/// A row that has no handler yet.
#[must_use]
pub struct OperationBuilder<S> {
    row: Row,
    status: StatusCode,
    surfaces: Surfaces,
    idempotency: Idempotency,
    body_limit: Option<usize>,
    admit: Option<Admit<S>>,
    is_destructive: bool,
}

impl<S> fmt::Debug for OperationBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationBuilder").field("row", &self.row).finish_non_exhaustive()
    }
}

row_setters!(OperationBuilder);

impl<S: Send + Sync + 'static> OperationBuilder<S> {
    /// Where it is offered.
    pub fn surfaces(mut self, surfaces: Surfaces) -> Self {
        self.surfaces = surfaces;
        self
    }

    /// Commits its result together with the idempotency key, and gives it again by itself.
    pub fn keeps_result(mut self) -> Self {
        self.idempotency = Idempotency::Own;
        self
    }

    /// Has no use for an idempotency key, as it does the same however often it is asked.
    pub fn takes_no_key(mut self) -> Self {
        self.idempotency = Idempotency::Ignored;
        self
    }

    /// Answers with a secret, which is told once only: a request that is repeated with the same idempotency key does nothing,
    /// and is told so.
    pub fn answers_once(mut self) -> Self {
        self.idempotency = Idempotency::KeptUntold;
        self
    }

    /// Something may be gone afterwards, as after every DELETE.
    pub fn destructive(mut self) -> Self {
        self.is_destructive = true;
        self
    }

    /// Takes bodies of up to `bytes`. Whoever may send more than the general limit is asked for by
    /// [`OperationBuilder::admit_large`].
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// Reads a body that may be larger than the general limit only when `admit` lets its caller in: to hold it for strangers
    /// would let anybody fill the memory.
    pub fn admit_large<F, Fut>(mut self, admit: F) -> Self
    where
        F: Fn(Arc<S>, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.admit = Some(Box::new(move |state, context| Box::pin(admit(state, context))));
        self
    }

    /// Completes the row with what carries it out, which is to do nothing before its future is polled: a request under an
    /// idempotency key may turn out to have been carried out before.
    pub fn handler<F, Fut, In, Out>(self, handler: F) -> Operation<S>
    where
        F: Fn(Arc<S>, Context, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Out, Error>> + Send + 'static,
        In: DeserializeOwned + JsonSchema + Validate<Context = ()> + Send + 'static,
        Out: Serialize + JsonSchema + Send + 'static,
    {
        let is_empty = TypeId::of::<Out>() == TypeId::of::<()>();
        Operation {
            row: self.row,
            status: self.status,
            surfaces: self.surfaces,
            idempotency: self.idempotency,
            body_limit: self.body_limit,
            admit: self.admit,
            is_destructive: self.is_destructive,
            is_empty,
            described: if is_empty { Described::input::<In>() } else { Described::both::<In, Out>() },
            handler: Box::new(move |state, context, pairs, body| match input::decode::<In>(pairs, body) {
                // Mapped and not awaited in another block, which would hold the handler's state twice.
                Ok(input) => Box::pin(handler(state, context, input).map(move |answer| encode(&answer?, is_empty))),
                Err(error) => Box::pin(ready(Err(error))),
            }),
        }
    }
}

fn encode<T: Serialize>(answer: &T, is_empty: bool) -> Result<Bytes, ApiError> {
    if is_empty {
        return Ok(Bytes::new());
    }
    serde_json::to_vec(answer)
        .map(Bytes::from)
        .map_err(|error| ApiError::internal(format!("an answer cannot be written: {error}")))
}

/// Every operation there is, in the order of the published description.
#[derive(Debug)]
pub struct OperationTable<S> {
    operations: Vec<Arc<Operation<S>>>,
}

impl<S: Send + Sync + 'static> OperationTable<S> {
    /// Makes the table.
    ///
    /// # Errors
    /// [`TableError`] when a name or a route stands twice, or a row contradicts itself.
    pub fn new(operations: impl IntoIterator<Item = Operation<S>>) -> Result<Self, TableError> {
        let operations: Vec<_> = operations.into_iter().map(Arc::new).collect();
        check(operations.iter().map(|operation| operation.row()))?;
        let muddled = operations.iter().find(|op| (op.status == StatusCode::NO_CONTENT) != op.is_empty);
        match muddled {
            Some(operation) => Err(TableError::NoContent(operation.row.name)),
            None => Ok(Self { operations }),
        }
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = &Operation<S>> {
        self.operations.iter().map(Arc::as_ref)
    }

    /// The row of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Operation<S>> {
        self.iter().find(|operation| operation.row.name == name)
    }

    pub(crate) fn shared(&self) -> impl Iterator<Item = &Arc<Operation<S>>> {
        self.operations.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::NoInput;

    fn row(name: &'static str, method: Method, path: &'static str) -> OperationBuilder<()> {
        Operation::new(name, method, path, Permission::SignedIn)
    }

    async fn one(_: Arc<()>, _: Context, _: NoInput) -> Result<u32, Error> {
        Ok(1)
    }

    async fn nothing(_: Arc<()>, _: Context, _: NoInput) -> Result<(), Error> {
        Ok(())
    }

    fn refused(rows: Vec<Operation<()>>) -> TableError {
        OperationTable::new(rows).unwrap_err()
    }

    #[test]
    fn a_table_refuses_duplicates() {
        let get = |name, path| row(name, Method::GET, path).handler(one);
        assert_eq!(refused(vec![get("a", "/a"), get("a", "/b")]), TableError::DuplicateName("a"));
        assert!(matches!(refused(vec![get("a", "/a/{x}"), get("b", "/a/{x}")]), TableError::DuplicateRoute { .. }));
        assert!(matches!(
            refused(vec![get("a", "/a/{x}"), row("b", Method::PUT, "/a/{y}").handler(one)]),
            TableError::Ambiguous { .. }
        ));
    }

    #[test]
    fn a_table_refuses_rows_that_contradict_themselves() {
        assert!(matches!(refused(vec![row("a", Method::GET, "a").handler(one)]), TableError::InvalidPath { .. }));
        assert!(matches!(refused(vec![row("A b", Method::GET, "/a").handler(one)]), TableError::InvalidName(_)));
        assert!(matches!(refused(vec![row("a", Method::HEAD, "/a").handler(one)]), TableError::InvalidMethod { .. }));
        assert_eq!(refused(vec![row("a", Method::PUT, "/a").handler(nothing)]), TableError::NoContent("a"));
        let none = row("a", Method::PUT, "/a").status(StatusCode::NO_CONTENT);
        assert_eq!(refused(vec![none.handler(one)]), TableError::NoContent("a"));
    }

    #[test]
    fn what_a_table_accepts_a_router_accepts() {
        let get = |path| row("a", Method::GET, path).handler(one);
        let other = |path| row("b", Method::GET, path).handler(one);
        for (first, second) in [
            ("/a/{x}/b", "/a/{y}/c"),
            ("/a/{x}", "/a/b"),
            ("/{x}", "/{y}/a"),
            ("/a/{*x}", "/a/b"),
            ("/a/{*x}", "/a"),
            ("/a/{*x}", "/a/b/{y}"),
            ("/{*x}", "/a/{y}"),
        ] {
            assert!(OperationTable::new([get(first), other(second)]).is_ok());
            let answer = || axum::routing::get(async || ());
            drop(axum::Router::<()>::new().route(first, answer()).route(second, answer()));
        }
        for (first, second) in [("/a/{*x}", "/a/{y}"), ("/a/{*x}", "/a/{y}/b"), ("/a/{*x}", "/a/{*y}")] {
            assert!(OperationTable::new([get(first), other(second)]).is_err(), "{first} {second}");
        }
    }

    #[test]
    fn a_row_is_readable() {
        let row = row("sessions.create", Method::POST, "/api/sessions")
            .rate(RateClass::Agent)
            .keeps_result()
            .surfaces(Surfaces::REST);
        let table = OperationTable::new([row.handler(one)]).unwrap();
        let operation = table.get("sessions.create").unwrap();
        assert_eq!(operation.row().tag, "sessions");
        assert_eq!(operation.row().rate, RateClass::Agent);
        assert!(operation.is_idempotent_by_key());
        assert!(!operation.surfaces().contains(Surfaces::RPC));
        assert_eq!(operation.status(), StatusCode::OK);
        let mut generator = SchemaGenerator::default();
        assert!(operation.output_schema(&mut generator).is_some());
    }
}
