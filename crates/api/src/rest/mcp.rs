//! The Model Context Protocol over HTTP.
//!
//! A request is answered by one JSON object, or by an event stream where something is to be sent before the answer. Whatever
//! the answer is made of lives in the body of the response, so it ends with it.

mod answer;
mod changes;
mod clients;
mod listing;
mod prompts;
mod resources;
mod tool_calls;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, ALLOW, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use portway_domain::access::Role;
use portway_services::context::Context;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::unbounded_channel;

use self::answer::Answer;
use super::body;
use super::rates::Toll;
use super::serve::{Api, content, empty, peer};
use crate::error::{ApiError, ErrorCode};
use crate::mcp::{McpCapabilities, McpClient, McpError, Meta, Reply, Revision, Server, VERSION_HEADER};
use crate::options::McpOptions;
use crate::rate::RateClass;
use crate::rpc::{Call, Fault, Message, read};

/// Where it is told how callers get in, after RFC 9728.
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";

/// What models are told about the gateway.
const INSTRUCTIONS: &str = "\
Portway runs sessions with coding agents in sandboxes. sessions_create opens one, messages_create says something to its agent, \
messages_list reads what was said, and sessions_get tells whether the agent is at work. Transcripts are resources as well. \
Questions that an agent asks for permission are answered by people, not here.";

/// What is asked of `/mcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum McpVerb {
    /// A message of the client.
    Post,
    /// What the server has to say by itself.
    Get,
    /// The session ends.
    Delete,
}

/// A request that is being answered.
struct Exchange {
    /// Its id as it was written.
    id: String,
    method: String,
    params: Map<String, Value>,
    client: McpClient,
    role: Role,
    context: Context,
    parts: Parts,
}

impl Exchange {
    fn revision(&self) -> Revision {
        self.client.revision
    }
}

impl<S: Send + Sync + 'static> Api<S> {
    /// Answers a request for `/mcp`.
    ///
    /// # Errors
    /// What is answered as REST would: that of the way, and not of the protocol.
    pub(super) async fn mcp(
        self: &Arc<Self>,
        verb: McpVerb,
        parts: Parts,
        context: Context,
        body: Body,
        toll: &Toll,
    ) -> Result<Response, ApiError> {
        let Some(options) = &self.options.mcp else {
            return Err(ApiError::new(ErrorCode::NotAvailable, "this gateway does not speak MCP"));
        };
        match verb {
            McpVerb::Post => self.mcp_post(options, parts, context, body, toll).await,
            McpVerb::Get => self.mcp_get(options, &parts, context, toll).await,
            McpVerb::Delete => self.mcp_delete(options, &parts, context, toll).await,
        }
    }

    /// Tells how callers get in.
    pub(super) fn mcp_metadata(&self, context: &Context) -> Response {
        let metadata = json!({
            "resource": format!("{}/mcp", context.base_url),
            "resource_name": self.options.title,
            "resource_documentation": format!("{}/docs", context.base_url),
            "bearer_methods_supported": ["header"],
        });
        content(StatusCode::OK, "application/json", metadata.to_string().into())
    }

    async fn mcp_post(
        self: &Arc<Self>,
        options: &McpOptions,
        parts: Parts,
        context: Context,
        body: Body,
        toll: &Toll,
    ) -> Result<Response, ApiError> {
        let bytes = body::read_body(body, self.options.max_body_bytes).await?;
        let call = match read(&bytes) {
            Ok(Message::One(call)) => call,
            Ok(Message::Batch(_)) => Err(Fault::no_call("this protocol has no batches")),
            Err(fault) => Err(fault),
        };
        let call = match call {
            Ok(call) => call,
            Err(fault) => {
                self.rates.charge(RateClass::Standard, &context, peer(&parts), toll).await?;
                return self.mcp_answered(options, &parts.headers, context, &bytes, fault).await;
            }
        };
        let params: Map<String, Value> = serde_json::from_str(call.params).unwrap_or_default();
        let class = self.mcp_class(&call, &params);
        self.rates.charge(class, &context, peer(&parts), toll).await?;
        let headers = &parts.headers;
        let client = if is_stateless(headers, &params) {
            self.mcp_lone_client(options, headers, &context, &call, &params).await
        } else if call.method == "initialize" {
            return self.mcp_begin(options, context, &call, &params).await;
        } else {
            self.mcp_client_of_session(options, headers, &context, &params).await
        };
        match (client, call.id) {
            (Ok((client, role)), Some(id)) => {
                let (id, method) = (id.to_owned(), call.method.into_owned());
                self.mcp_exchange(Exchange { id, method, params, client, role, context, parts }).await
            }
            (Ok(_), None) => Ok(empty(StatusCode::ACCEPTED)),
            (Err(Failure::Mcp(error)), id) => Ok(failed(&error, error.status, id.unwrap_or("null"))),
            (Err(Failure::Api(error)), _) => Err(error),
        }
    }

    /// What is no call: the answer of a client that was asked something, or nothing at all.
    async fn mcp_answered(
        &self,
        options: &McpOptions,
        headers: &HeaderMap,
        context: Context,
        bytes: &[u8],
        fault: Fault,
    ) -> Result<Response, ApiError> {
        let answer = serde_json::from_slice::<Map<String, Value>>(bytes).ok().and_then(answered);
        let Some((id, answer)) = answer else {
            options.sessions.admit(&context).await?;
            let error = McpError::of_api(&fault.error, &context.request_id);
            let error = McpError { code: fault.code, ..error };
            return Ok(failed(&error, StatusCode::BAD_REQUEST, &fault.id));
        };
        let (session, _) = self.mcp_session(options, headers, &context).await?;
        self.mcp_requests.answered(session.id.as_str(), id, answer);
        Ok(empty(StatusCode::ACCEPTED))
    }

    /// Answers a request, with an event stream where something comes before the answer and the client takes one.
    async fn mcp_exchange(self: &Arc<Self>, mut exchange: Exchange) -> Result<Response, ApiError> {
        if exchange.method == "subscriptions/listen" && exchange.revision().is_stateless() {
            return Ok(self.mcp_listen(&exchange));
        }
        let (line, messages) = unbounded_channel();
        if takes_events(&exchange.parts.headers) {
            exchange.client.line = Some(line);
        }
        let (api, clock) = (Arc::clone(self), Arc::clone(&self.options.clock));
        let work = Box::pin(async move { api.mcp_answer(&exchange).await });
        answer::respond(work, messages, clock).await
    }

    async fn mcp_answer(&self, exchange: &Exchange) -> Answer {
        let result = super::caught::caught(async { Ok(self.mcp_result(exchange).await) }).await;
        let server = self.mcp_server();
        match result.unwrap_or_else(|error| Err(error.into())) {
            Ok(reply) => Answer::result(&exchange.id, &reply.finish(&server, exchange.revision())),
            Err(Failure::Api(error)) => {
                let request_id = exchange.context.request_id.clone();
                Answer::Refused { id: exchange.id.clone(), request_id, error }
            }
            Err(Failure::Mcp(error)) => {
                let status = if exchange.revision().is_stateless() { error.status } else { StatusCode::OK };
                Answer::Message { status, text: error.text(&exchange.id) }
            }
        }
    }

    fn mcp_server(&self) -> Server {
        Server { title: self.options.title.clone(), version: self.options.version.clone() }
    }

    /// The class that a request counts against.
    fn mcp_class(&self, call: &Call<'_>, params: &Map<String, Value>) -> RateClass {
        let tool = params.get("name").and_then(Value::as_str).filter(|_| call.method == "tools/call");
        let operation = tool.and_then(|name| self.mcp_tool(name)).and_then(|tool| self.operation(tool.operation));
        operation.map_or(RateClass::Standard, |operation| operation.row().rate)
    }
}

/// Why a request has no result.
enum Failure {
    /// As the protocol says it.
    Mcp(McpError),
    /// As REST says it.
    Api(ApiError),
}

impl From<McpError> for Failure {
    fn from(error: McpError) -> Self {
        Self::Mcp(error)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

type Outcome = Result<Reply, Failure>;

/// Whether a request stands by itself, or belongs to a session.
fn is_stateless(headers: &HeaderMap, params: &Map<String, Value>) -> bool {
    let version = headers.get(VERSION_HEADER).map(|value| value.to_str().unwrap_or_default());
    let of_sessions = |version: &str| Revision::parse(version).is_some_and(|revision| !revision.is_stateless());
    Meta::is_in(params) || version.is_some_and(|version| !of_sessions(version))
}

fn capabilities_of(options: &McpOptions) -> McpCapabilities {
    options.features.iter().fold(McpCapabilities::default(), |all, features| all.or(features.capabilities()))
}

/// What there is, as clients are told.
fn declared(capabilities: McpCapabilities, revision: Revision) -> Value {
    let mut declared = json!({
        "tools": { "listChanged": capabilities.tools_change },
        "prompts": { "listChanged": capabilities.prompts_change },
        "resources": { "listChanged": capabilities.resources_change, "subscribe": capabilities.subscribe },
        "completions": {},
    });
    if capabilities.logging && !revision.is_stateless() {
        declared["logging"] = json!({});
    }
    declared
}

/// Number and answer of a message that is the answer to a request.
fn answered(mut message: Map<String, Value>) -> Option<(u64, Result<Value, Value>)> {
    let id = message.get("id")?.as_u64()?;
    match (message.remove("result"), message.remove("error")) {
        (Some(result), None) => Some((id, Ok(result))),
        (None, Some(error)) => Some((id, Err(error))),
        _ => None,
    }
}

/// Whether the client takes an event stream for an answer.
fn takes_events(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        let mut types = value.split(',').map(|entry| entry.split(';').next().unwrap_or_default().trim());
        types.any(|media_type| matches!(media_type, "text/event-stream" | "text/*" | "*/*"))
    })
}

/// The answer to a request that fails before it is looked at.
fn failed(error: &McpError, status: StatusCode, id: &str) -> Response {
    content(status, "application/json", error.text(id).into())
}

/// Tells a stranger where it is told how to get in.
pub(super) fn challenge(headers: &mut HeaderMap, base_url: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("Bearer resource_metadata=\"{base_url}{METADATA}\"")) {
        headers.insert(WWW_AUTHENTICATE, value);
    }
}

/// The answer where the server has nothing to say by itself.
fn silent(request_id: &str) -> Response {
    let error = ApiError::new(ErrorCode::MethodNotAllowed, "there is nothing to listen to: POST is for requests");
    let mut response = error.into_response(request_id);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, DELETE, OPTIONS"));
    response
}
