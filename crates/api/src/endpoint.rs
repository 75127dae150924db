//! Endpoints: what is no plain call (sockets, event streams, redirects, raw bodies, blobs). REST only.

use std::fmt;
use std::future::{Future, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use futures_util::future::BoxFuture;
use garde::Validate;
use http::{Method, Request, StatusCode};
use portway_domain::access::Permission;
use portway_services::context::Context;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::described::Described;
use crate::error::ApiError;
use crate::input::{self, Pair};
use crate::rate::RateClass;
use crate::rest::McpVerb;
use crate::row::{Row, TableError, check, row_setters};
use crate::socket::ServeSocket;

type SocketHandler<S> =
    Box<dyn Fn(Arc<S>, Context, &[Pair<'_>]) -> BoxFuture<'static, Result<ServeSocket, ApiError>> + Send + Sync>;

type RawHandler<S> = Box<
    dyn Fn(Arc<S>, Context, &[Pair<'_>], Request<Body>) -> BoxFuture<'static, Result<Response, ApiError>> + Send + Sync,
>;

/// What an endpoint does with a request.
pub(crate) enum Kind<S> {
    Socket(SocketHandler<S>),
    Raw(RawHandler<S>),
    /// The published description itself.
    OpenApi,
    /// The page that shows the published description.
    Docs,
    /// The numbers of the running gateway.
    Metrics,
    /// Operations, called by JSON-RPC.
    Rpc,
    /// Operations as tools.
    Mcp(McpVerb),
    /// How clients of MCP get in.
    McpMetadata,
}

/// One endpoint, over the application state `S`.
pub struct Endpoint<S> {
    row: Row,
    status: StatusCode,
    produces: Option<&'static str>,
    consumes: Option<&'static str>,
    unlimited_for: Option<Pair<'static>>,
    described: Described,
    pub(crate) kind: Kind<S>,
}

impl<S: Send + Sync + 'static> Endpoint<S> {
    /// Begins a row. There is no row without a permission, and none without a handler.
    #[expect(clippy::new_ret_no_self, reason = "a row is complete only with its handler")]
    pub fn new(name: &'static str, method: Method, path: &'static str, permission: Permission) -> EndpointBuilder<S> {
        EndpointBuilder {
            row: Row::new(name, method, path, permission),
            status: StatusCode::OK,
            produces: None,
            consumes: None,
            unlimited_for: None,
            state: PhantomData,
        }
    }

    /// Name, method, path, permission and texts.
    #[must_use]
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// The status of success; 101 for sockets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Media type of the answer, if it has one.
    #[must_use]
    pub fn produces(&self) -> Option<&'static str> {
        self.produces
    }

    /// Media type of the body that is taken, if one is.
    #[must_use]
    pub fn consumes(&self) -> Option<&'static str> {
        self.consumes
    }

    /// The class that a request with these parameters counts against.
    pub(crate) fn rate(&self, pairs: &[Pair<'_>]) -> RateClass {
        let Some((name, value)) = &self.unlimited_for else { return self.row.rate };
        let mut given = pairs.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
        if given.next() == Some(value) && given.all(|given| given == value) {
            RateClass::Unlimited
        } else {
            self.row.rate
        }
    }

    /// Whether it is a WebSocket.
    #[must_use]
    pub fn is_socket(&self) -> bool {
        matches!(self.kind, Kind::Socket(_))
    }

    /// Schema of the path and query parameters together, written in place.
    #[must_use]
    pub fn input_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        self.described.input_schema(generator)
    }
}

impl<S> fmt::Debug for Endpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("row", &self.row).finish_non_exhaustive()
    }
}

/// A row that has no handler yet.
#[must_use]
pub struct EndpointBuilder<S> {
    row: Row,
    status: StatusCode,
    produces: Option<&'static str>,
    consumes: Option<&'static str>,
    unlimited_for: Option<Pair<'static>>,
    state: PhantomData<fn(S)>,
}

impl<S> fmt::Debug for EndpointBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointBuilder").field("row", &self.row).finish_non_exhaustive()
    }
}

row_setters!(EndpointBuilder);

impl<S: Send + Sync + 'static> EndpointBuilder<S> {
    /// Media type of the answer.
    pub fn produces(mut self, media_type: &'static str) -> Self {
        self.produces = Some(media_type);
        self
    }

    /// Media type of the body that is taken.
    pub fn consumes(mut self, media_type: &'static str) -> Self {
        self.consumes = Some(media_type);
        self
    }

    /// Requests whose parameter `name` has that value are not limited.
    pub fn unlimited_for(mut self, name: &'static str, value: &'static str) -> Self {
        self.unlimited_for = Some((name.into(), value.into()));
        self
    }

    /// Completes the row as a WebSocket. The handler runs *before* the upgrade: it decides whether the caller is let
    /// in, and an error is an ordinary response; what it returns talks over the socket afterwards. `In` is read from
    /// path and query.
    pub fn socket<F, Fut, In>(mut self, handler: F) -> Endpoint<S>
    where
        F: Fn(Arc<S>, Context, In) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<ServeSocket, ApiError>> + Send + 'static,
        In: DeserializeOwned + JsonSchema + Validate<Context = ()> + Send + 'static,
    {
        self.status = StatusCode::SWITCHING_PROTOCOLS;
        self.complete::<In>(Kind::Socket(Box::new(move |state, context, pairs| {
            match input::decode::<In>(pairs, b"") {
                Ok(input) => Box::pin(handler(state, context, input)),
                Err(error) => Box::pin(ready(Err(error))),
            }
        })))
    }

    /// Completes the row with a handler that reads the request and writes the response itself; see
    /// [`crate::read_body`]. `In` is read from path and query.
    pub fn raw<F, Fut, In>(self, handler: F) -> Endpoint<S>
    where
        F: Fn(Arc<S>, Context, In, Request<Body>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
        In: DeserializeOwned + JsonSchema + Validate<Context = ()> + Send + 'static,
    {
        self.complete::<In>(Kind::Raw(Box::new(move |state, context, pairs, request| {
            match input::decode::<In>(pairs, b"") {
                Ok(input) => Box::pin(handler(state, context, input, request)),
                Err(error) => Box::pin(ready(Err(error))),
            }
        })))
    }

    pub(crate) fn complete<In: JsonSchema>(self, kind: Kind<S>) -> Endpoint<S> {
        Endpoint {
            row: self.row,
            status: self.status,
            produces: self.produces,
            consumes: self.consumes,
            unlimited_for: self.unlimited_for,
            described: Described::input::<In>(),
            kind,
        }
    }
}

/// Every endpoint there is, in the order of the published description.
#[derive(Debug)]
pub struct EndpointTable<S> {
    endpoints: Vec<Arc<Endpoint<S>>>,
}

impl<S: Send + Sync + 'static> EndpointTable<S> {
    /// Makes the table.
    ///
    /// # Errors
    /// [`TableError`] when a name or a route stands twice, or a row contradicts itself.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint<S>>) -> Result<Self, TableError> {
        let endpoints: Vec<_> = endpoints.into_iter().map(Arc::new).collect();
        check(endpoints.iter().map(|endpoint| endpoint.row()))?;
        Ok(Self { endpoints })
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint<S>> {
        self.endpoints.iter().map(Arc::as_ref)
    }

    pub(crate) fn shared(&self) -> impl Iterator<Item = &Arc<Endpoint<S>>> {
        self.endpoints.iter()
    }

    pub(crate) fn push(&mut self, endpoint: Endpoint<S>) {
        self.endpoints.push(Arc::new(endpoint));
    }
}
