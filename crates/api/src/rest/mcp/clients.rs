//! Who sends a message: a client that stands by itself with each request, or one in a session.

use std::sync::Arc;

use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portway_domain::access::Role;
use portway_domain::mcp::McpSession;
use portway_services::context::Context;
use portway_services::mcp_sessions::NewMcpSession;
use serde_json::{Map, Value, json};

use super::{Failure, INSTRUCTIONS, capabilities_of, declared, failed};
use crate::error::{ApiError, ErrorCode};
use crate::mcp::{McpClient, McpError, Meta, Revision, check};
use crate::options::McpOptions;
use crate::rate::RateClass;
use crate::rest::rates::Toll;
use crate::rest::serve::{Api, content, empty, peer};
use crate::rpc::Call;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

impl<S: Send + Sync + 'static> Api<S> {
    /// The client of a request that stands by itself.
    pub(super) async fn mcp_lone_client(
        &self,
        options: &McpOptions,
        headers: &HeaderMap,
        context: &Context,
        call: &Call<'_>,
        params: &Map<String, Value>,
    ) -> Result<(McpClient, Role), Failure> {
        check(headers, &call.method, params)?;
        let meta = Meta::read(params)?;
        let role = options.sessions.admit(context).await.map_err(ApiError::from)?;
        let client = self.mcp_client(meta.revision, meta.capabilities, params);
        Ok((McpClient { log_level: meta.log_level, ..client }, role))
    }

    /// The client of a request in a session.
    pub(super) async fn mcp_client_of_session(
        &self,
        options: &McpOptions,
        headers: &HeaderMap,
        context: &Context,
        params: &Map<String, Value>,
    ) -> Result<(McpClient, Role), Failure> {
        let (session, role) = self.mcp_session(options, headers, context).await?;
        let revision = Revision::parse(&session.revision).unwrap_or(Revision::OF_SESSIONS);
        let capabilities = serde_json::from_str(&session.capabilities).unwrap_or_default();
        let client = self.mcp_client(revision, capabilities, params);
        let id = Some(session.id.as_str().to_owned());
        Ok((McpClient { log_level: session.log_level, session: id, ..client }, role))
    }

    pub(super) fn mcp_client(
        &self,
        revision: Revision,
        capabilities: Map<String, Value>,
        params: &Map<String, Value>,
    ) -> McpClient {
        let token = params.get("_meta").and_then(|meta| meta.get("progressToken"));
        McpClient {
            revision,
            capabilities,
            log_level: None,
            progress_token: token.filter(|token| token.is_string() || token.is_number()).cloned(),
            session: None,
            line: None,
            requests: Arc::clone(&self.mcp_requests),
            clock: Arc::clone(&self.options.clock),
        }
    }

    /// Begins a session.
    pub(super) async fn mcp_begin(
        &self,
        options: &McpOptions,
        context: Context,
        call: &Call<'_>,
        params: &Map<String, Value>,
    ) -> Result<Response, ApiError> {
        let Some(id) = call.id else { return Err(ApiError::invalid_request("initialize has to have an id")) };
        let Some(asked) = params.get("protocolVersion").and_then(Value::as_str) else {
            let error = McpError::invalid_params("protocolVersion: expected the revision that the client speaks best");
            return Ok(failed(&error, StatusCode::OK, id));
        };
        let spoken = Revision::parse(asked).filter(|revision| !revision.is_stateless());
        let revision = spoken.unwrap_or(Revision::OF_SESSIONS);
        let capabilities = params.get("capabilities").filter(|value| value.is_object());
        let capabilities = capabilities.map_or_else(|| "{}".to_owned(), Value::to_string);
        let new = NewMcpSession { revision: revision.as_str().to_owned(), capabilities };
        let session = options.sessions.begin(&context, new).await?;
        let result = json!({
            "protocolVersion": revision.as_str(),
            "capabilities": declared(capabilities_of(options), revision),
            "serverInfo": self.mcp_server().info(),
            "instructions": INSTRUCTIONS,
        });
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        let mut response = content(StatusCode::OK, "application/json", text.into());
        if let Ok(id) = HeaderValue::try_from(session.id.as_str()) {
            response.headers_mut().insert(SESSION, id);
        }
        Ok(response)
    }

    /// Ends a session.
    pub(super) async fn mcp_delete(
        &self,
        options: &McpOptions,
        parts: &Parts,
        context: Context,
        toll: &Toll,
    ) -> Result<Response, ApiError> {
        self.rates.charge(RateClass::Standard, &context, peer(parts), toll).await?;
        let id = session_header(&parts.headers)?;
        if options.sessions.end(&context, id).await? { Ok(empty(StatusCode::NO_CONTENT)) } else { Err(no_session()) }
    }

    /// The session that the headers name.
    pub(super) async fn mcp_session(
        &self,
        options: &McpOptions,
        headers: &HeaderMap,
        context: &Context,
    ) -> Result<(McpSession, Role), ApiError> {
        let id = session_header(headers);
        if id.is_err() {
            // Strangers are told so, whatever they ask.
            options.sessions.admit(context).await?;
        }
        options.sessions.find(context, id?).await?.ok_or_else(no_session)
    }
}

fn session_header(headers: &HeaderMap) -> Result<&str, ApiError> {
    let id = headers.get(SESSION).and_then(|id| id.to_str().ok());
    id.ok_or_else(|| ApiError::invalid_request("begin with initialize, and send the Mcp-Session-Id of its answer"))
}

fn no_session() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "there is no such session, or it has ended: begin with initialize")
}
