//! The way of one request. Every response is made here, so request ids and headers are on all of them.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::Response;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use portway_domain::access::Permission;
use portway_services::context::Context;

use super::access_log::Visit;
use super::caught::caught;
use super::draw::Draw;
use super::guard::{Guard, OptionsError};
use super::metrics::Metrics;
use super::rates::{Rates, Toll};
use super::{PathEntry, Target, body, credential, headers, idempotency, limits, mcp};
use crate::endpoint::{Endpoint, EndpointTable, Kind};
use crate::error::{ApiError, ErrorCode};
use crate::input::{Pair, is_well_formed, read_query};
use crate::mcp::{Requests, Tool};
use crate::operation::{Operation, OperationTable};
use crate::options::{ApiOptions, Peer, Uncounted};
use crate::refused::Refused;
use crate::row::Row;
use crate::socket::Upgrade;
use crate::surfaces::Surfaces;
use crate::{description, docs, rpc};

/// Both tables with all that serving them takes.
pub(super) struct Api<S> {
    pub(super) operations: OperationTable<S>,
    endpoints: EndpointTable<S>,
    pub(super) state: Arc<S>,
    pub(super) options: ApiOptions,
    guard: Guard,
    upgrade: Arc<dyn Upgrade>,
    document: OnceLock<Option<Bytes>>,
    discovery: OnceLock<Bytes>,
    page: OnceLock<docs::Page>,
    pub(super) mcp_tools: OnceLock<Vec<Tool>>,
    pub(super) mcp_requests: Arc<Requests>,
    pub(super) metrics: Metrics,
    pub(super) rates: Rates,
}

impl<S: Send + Sync + 'static> Api<S> {
    pub(super) fn new(
        operations: OperationTable<S>,
        endpoints: EndpointTable<S>,
        state: Arc<S>,
        options: ApiOptions,
        upgrade: Arc<dyn Upgrade>,
    ) -> Result<Self, OptionsError> {
        let names = operations.iter().map(|row| row.row().name).chain(endpoints.iter().map(|row| row.row().name));
        let metrics = Metrics::new(names, &options.metrics.sources);
        Ok(Self {
            guard: Guard::new(&options)?,
            rates: Rates::new(options.rates.clone()),
            operations,
            endpoints,
            state,
            options,
            upgrade,
            document: OnceLock::new(),
            discovery: OnceLock::new(),
            page: OnceLock::new(),
            mcp_tools: OnceLock::new(),
            mcp_requests: Arc::default(),
            metrics,
        })
    }

    /// Answers a request for a path with that entry, or for a path without any.
    pub(super) async fn serve(self: &Arc<Self>, entry: Option<&PathEntry<S>>, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let draw = Draw::new(&self.options, &parts.headers);
        let (id, began) = (draw.request_id.clone(), draw.now);
        let entry = entry.filter(|entry| self.is_shown(entry, &parts));
        let target = entry.and_then(|entry| entry.find(&parts.method));
        let row = target.map(Target::row);
        let visit = self.options.access_log.then(|| Visit::begin(row, &parts, &draw));
        let origin = self.guard.foreign_origin(&parts);
        let mcp_at = target.is_some_and(Target::is_mcp).then(|| self.guard.base_url(&parts));
        let head = parts.method == Method::HEAD;
        let body = body::punctual(body, &self.options.clock, self.options.body_timeout);
        let toll = Toll::default();
        let mut response = match caught(self.respond(entry, target, parts, body, draw, &toll)).await {
            Ok(response) => response,
            Err(error) => error.into_response(&id),
        };
        if let Some(base_url) = mcp_at.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            mcp::challenge(response.headers_mut(), &base_url);
        }
        self.rates.settle(toll, &mut response).await;
        headers::complete(response.headers_mut(), &id);
        Guard::share(response.headers_mut(), origin);
        if head {
            response = headers::without_body(response);
        }
        let ended = self.options.clock.now();
        self.metrics.answered(row, response.status(), began, ended);
        if let Some(visit) = visit {
            visit.log(&id, &response, ended.since(began));
        }
        response
    }

    /// Whether there is such a path for this caller.
    fn is_shown(&self, entry: &PathEntry<S>, parts: &Parts) -> bool {
        let is_open = !entry.is_metrics() || self.options.metrics.public || is_local(parts);
        is_open && parts.extensions.get::<Refused>().is_none()
    }

    async fn respond(
        self: &Arc<Self>,
        entry: Option<&PathEntry<S>>,
        target: Option<&Target<S>>,
        parts: Parts,
        body: Body,
        draw: Draw,
        toll: &Toll,
    ) -> Result<Response, ApiError> {
        if let Some(refused) = parts.extensions.get::<Refused>() {
            return Err(refused.error.clone());
        }
        limits::check_uri(&parts.uri)?;
        if !target.is_some_and(|target| target.row().any_host) {
            self.guard.check_host(&parts)?;
        }
        if let Some(response) = self.guard.preflight(&parts) {
            return response;
        }
        let Some(target) = target else {
            return self.without_target(entry, &parts, &draw.request_id);
        };
        if target.is_for_pages_of_ours() {
            self.guard.check_origin(&parts)?;
        }
        match target {
            Target::Operation(operation) => self.operate(operation, parts, body, draw, toll).await,
            Target::Endpoint(endpoint) => self.attend(endpoint, parts, body, draw, toll).await,
        }
    }

    fn without_target(
        &self,
        entry: Option<&PathEntry<S>>,
        parts: &Parts,
        request_id: &str,
    ) -> Result<Response, ApiError> {
        let Some(entry) = entry else {
            let fallback = self.options.fallback.as_ref();
            return fallback.and_then(|answer| answer(parts)).ok_or_else(ApiError::not_found);
        };
        let mut response = if parts.method == Method::OPTIONS {
            empty(StatusCode::NO_CONTENT)
        } else {
            let message = format!("{} is not offered here", parts.method);
            ApiError::new(ErrorCode::MethodNotAllowed, message).into_response(request_id)
        };
        if let Some(allow) = entry.allow() {
            response.headers_mut().insert(ALLOW, allow);
        }
        Ok(response)
    }

    async fn operate(
        &self,
        operation: &Operation<S>,
        mut parts: Parts,
        body: Body,
        draw: Draw,
        toll: &Toll,
    ) -> Result<Response, ApiError> {
        let row = operation.row();
        let path = path_parameters(&mut parts).await?;
        let (pairs, token) = split_parameters(&parts.uri, &path)?;
        let mut context = self.context(row, &parts, token, draw)?;
        self.rates.charge(row.rate, &context, peer(&parts), toll).await?;
        let body = self.body_of(operation, &context, body).await?;
        if operation.is_idempotent_by_key()
            && let Some(key) = idempotency::key(&parts.headers)?
        {
            context.idempotency = Some(idempotency::of(key, row.name, &pairs, &body));
        }
        let answer = self.perform(operation, context, &pairs, &body).await?;
        if operation.status() == StatusCode::NO_CONTENT {
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        Ok(content(operation.status(), "application/json", answer))
    }

    /// The body of a request, up to the limit of its operation.
    async fn body_of(&self, operation: &Operation<S>, context: &Context, body: Body) -> Result<Bytes, ApiError> {
        if operation.row().is_bodyless() {
            return Ok(Bytes::new());
        }
        let general = self.options.max_body_bytes;
        let is_small = body.size_hint().upper().is_some_and(|most| most <= general as u64);
        if let Some(admit) = operation.admit().filter(|_| !is_small) {
            admit(Arc::clone(&self.state), context.clone()).await?;
        }
        body::read_body(body, operation.body_limit().unwrap_or(general)).await
    }

    async fn attend(
        self: &Arc<Self>,
        endpoint: &Endpoint<S>,
        mut parts: Parts,
        body: Body,
        draw: Draw,
        toll: &Toll,
    ) -> Result<Response, ApiError> {
        let path = path_parameters(&mut parts).await?;
        let uri = parts.uri.clone();
        let (pairs, token) = split_parameters(&uri, &path)?;
        // Their protocol has no token in the URL.
        let token = token.filter(|_| !matches!(endpoint.kind, Kind::Mcp(_)));
        let context = self.context(endpoint.row(), &parts, token, draw)?;
        if parts.extensions.get::<Uncounted>().is_none() {
            self.rates.charge(endpoint.rate(&pairs), &context, peer(&parts), toll).await?;
        }
        let state = Arc::clone(&self.state);
        match &endpoint.kind {
            Kind::Raw(handler) => handler(state, context, &pairs, Request::from_parts(parts, body)).await,
            Kind::Socket(handler) => {
                if !self.upgrade.is_upgrade(&parts) {
                    return Err(ApiError::invalid_request("this is a WebSocket: ask for it with an Upgrade header")
                        .with_status(StatusCode::UPGRADE_REQUIRED));
                }
                let serve = handler(state, context, &pairs).await?;
                let serve = self.metrics.counted(endpoint.row(), serve);
                Ok(self.upgrade.upgrade(parts, serve).await)
            }
            Kind::OpenApi => match self.document() {
                Some(document) => Ok(content(StatusCode::OK, "application/json", document.clone())),
                None => Err(no_description()),
            },
            Kind::Docs => Ok(self.page.get_or_init(docs::Page::new).response()),
            Kind::Metrics => self.metrics.page().await,
            Kind::Rpc => self.rpc(&parts, context, body, toll).await,
            Kind::Mcp(verb) => self.mcp(*verb, parts, context, body, toll).await,
            Kind::McpMetadata => Ok(self.mcp_metadata(&context)),
        }
    }

    /// The methods of JSON-RPC, described.
    pub(super) fn discovery(&self) -> Result<&Bytes, ApiError> {
        if let Some(discovery) = self.discovery.get() {
            return Ok(discovery);
        }
        let document = self.document().ok_or_else(no_description)?;
        let document = serde_json::from_slice(document).map_err(|error| ApiError::internal(error.to_string()))?;
        let is_method = |name: &str| self.method(name).is_some();
        let discovery = rpc::describe(&document, is_method).to_string();
        Ok(self.discovery.get_or_init(|| discovery.into()))
    }

    /// The operation of that name, if it is offered by JSON-RPC.
    pub(super) fn method(&self, name: &str) -> Option<&Operation<S>> {
        self.operations.get(name).filter(|operation| operation.surfaces().contains(Surfaces::RPC))
    }

    /// The published description.
    pub(super) fn document(&self) -> Option<&Bytes> {
        let publish = || description::published(&self.operations, &self.endpoints, &self.options);
        self.document.get_or_init(publish).as_ref()
    }

    /// Refuses early who brings no token at all where one is needed; whose token it is, the operation's own read
    /// finds out.
    fn context(
        &self,
        row: &Row,
        parts: &Parts,
        query_token: Option<Cow<'_, str>>,
        draw: Draw,
    ) -> Result<Context, ApiError> {
        let credential = credential::read(&parts.headers, query_token.as_deref());
        if credential.is_none() && row.permission != Permission::Public {
            return Err(ApiError::unauthorized());
        }
        Ok(Context {
            credential,
            permission: row.permission,
            request_id: draw.request_id,
            now: draw.now,
            ids: draw.ids,
            idempotency: None,
            local: is_local(parts),
            base_url: self.guard.base_url(parts),
            caller: draw.caller,
        })
    }
}

fn no_description() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "this gateway has no description of itself")
}

pub(super) fn peer(parts: &Parts) -> Option<Peer> {
    parts.extensions.get::<Peer>().copied()
}

fn is_local(parts: &Parts) -> bool {
    peer(parts).is_some_and(|peer| peer.loopback)
        && !headers::MARKS_OF_A_PROXY.iter().any(|name| parts.headers.contains_key(*name))
}

async fn path_parameters(parts: &mut Parts) -> Result<RawPathParams, ApiError> {
    let malformed = || {
        ApiError::invalid_request(
            "the path is not well formed: '%' must be followed by two hexadecimal digits, and the result be UTF-8",
        )
    };
    if !is_well_formed(parts.uri.path()) {
        return Err(malformed());
    }
    let parameters = RawPathParams::from_request_parts(parts, &()).await;
    parameters.map_err(|_| malformed())
}

/// The parameters of path and query; the token that the query may carry is not one of them.
fn split_parameters<'a>(
    uri: &'a Uri,
    path: &'a RawPathParams,
) -> Result<(Vec<Pair<'a>>, Option<Cow<'a, str>>), ApiError> {
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    if let Some(query) = uri.query() {
        read_query(query, &mut pairs)?;
    }
    let token = pairs.iter().find(|(name, _)| name == "token").map(|(_, value)| value.clone());
    pairs.retain(|(name, _)| name != "token");
    pairs.extend(path.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))));
    Ok((pairs, token))
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(super) fn content(status: StatusCode, media_type: &'static str, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
