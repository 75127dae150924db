//! What a runner of earlier gateways asks for, on behalf of the owner of its session.

use std::sync::Arc;

use garde::Validate;
use portway_domain::ids::{MemoryId, SessionId};
use portway_protocol::legacy_runner::{RequestBody, RequestName, RequestOutcome, RequestResult};
use portway_services::Services;
use portway_services::agent_requests::{AgentRequest, ChildTask};
use portway_services::error::Error;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::sessions;
use crate::error::{ApiError, ErrorCode};
use crate::input::decode;
use crate::operations::memories::{CreateMemory, MemoryQuery, MemoryView};

/// A request and where it came from.
pub(super) struct Asked {
    pub(super) name: RequestName,
    /// The runner's id of it.
    pub(super) id: String,
    /// The runner's session.
    pub(super) session: SessionId,
}

impl Asked {
    /// The request, so that it is not carried out twice.
    pub(super) fn request(&self) -> AgentRequest {
        AgentRequest { session: self.session.clone(), id: self.id.clone() }
    }
}

/// The answer to a request.
pub(super) async fn answer(
    services: Arc<Services>,
    asked: Asked,
    body: Result<RequestBody, serde_json::Error>,
) -> RequestResult {
    let outcome = match body {
        Ok(body) => carry_out(&services, &asked, body).await,
        Err(error) => Err(ApiError::new(ErrorCode::ValidationError, format!("Invalid request: {error}"))),
    };
    let outcome = outcome.map_or_else(|error| failed(&error), RequestOutcome::Done);
    RequestResult::new(asked.name, asked.id, outcome)
}

/// The answer to a request that is one too many.
pub(super) fn too_many(name: RequestName, id: String) -> RequestResult {
    let error = ApiError::new(ErrorCode::RateLimitExceeded, "Too many requests at once: wait for answers");
    RequestResult::new(name, id, failed(&error))
}

fn failed(error: &ApiError) -> RequestOutcome {
    let code = serde_json::to_value(error.code).ok().and_then(|code| code.as_str().map(str::to_owned));
    RequestOutcome::Failed { error: error.message.to_string(), code: code.unwrap_or_default() }
}

/// Does what a request asks for. A request that gets a service gets a variant of [`RequestBody`] and an arm here.
async fn carry_out(services: &Services, asked: &Asked, body: RequestBody) -> Result<Map<String, Value>, ApiError> {
    match body {
        RequestBody::MemoryRead { .. } => {
            let query: MemoryQuery = checked(&body)?;
            let memories = services.recall_for(&asked.session, &query.into()).await?;
            let memories: Vec<MemoryView> = memories.into_iter().map(Into::into).collect();
            payload(&json!({ "memories": memories }))
        }
        RequestBody::MemoryWrite { .. } => {
            let new: CreateMemory = checked(&body)?;
            let memory: MemoryView = services.remember_for(&asked.session, new.into()).await?.into();
            payload(&json!({"memory": memory, "success": true}))
        }
        RequestBody::MemoryDelete { memory_id } => {
            let id = MemoryId::parse(memory_id.as_str())
                .map_err(|_| Error::NotFound { resource: "Memory", id: memory_id })?;
            services.forget_for(&asked.session, &id).await?;
            Ok(success())
        }
        RequestBody::SessionMessage { target_session_id, content, interrupt } => {
            sessions::message(services, asked, target_session_id, &content, interrupt).await?;
            Ok(success())
        }
        RequestBody::SpawnChild { repo_url: Some(_), .. } => {
            Err(ApiError::new(ErrorCode::NotAvailable, "Repositories are not available in this gateway"))
        }
        RequestBody::SpawnChild { task, workspace, title, model, repo_url: None } => {
            let child = ChildTask { task, workspace, title, agent: None, model };
            payload(&json!({"childSessionId": services.spawn_child(&asked.request(), child).await?.as_str()}))
        }
        RequestBody::TerminateChild { child_session_id } => {
            services.terminate_child(&asked.session, &session_id(child_session_id)?).await?;
            Ok(success())
        }
        RequestBody::ListChildSessions {} => {
            payload(&json!({"children": sessions::children(services, &asked.session).await?}))
        }
        RequestBody::SessionMessages { target_session_id, limit, after } => {
            let wanted = sessions::excerpt(target_session_id, limit, after)?;
            payload(&json!({"messages": sessions::messages(services, asked, &wanted).await?}))
        }
        RequestBody::ForwardMessages { target_session_id, limit, after } => {
            let wanted = sessions::excerpt(target_session_id, limit, after)?;
            let count = services.forward_messages(&asked.request(), &wanted).await?;
            payload(&json!({"count": count, "sourceSessionId": wanted.session.as_str()}))
        }
        RequestBody::GetSessionStatus { target_session_id } => {
            let target = session_id(target_session_id)?;
            payload(&json!({"sessionStatus": sessions::status(services, asked, &target).await?}))
        }
        RequestBody::NotAvailable => {
            let words = format!("{} is not available in this gateway", asked.name.as_str());
            Err(ApiError::new(ErrorCode::NotAvailable, words))
        }
    }
}

/// The fields of a request as the input of the operation that does the same, with its bounds.
fn checked<T: DeserializeOwned + Validate<Context = ()>>(body: &RequestBody) -> Result<T, ApiError> {
    let text = serde_json::to_vec(body).map_err(|error| ApiError::internal(error.to_string()))?;
    decode(&[], &text)
}

/// The session that a request names. What cannot be an id names no session.
pub(super) fn session_id(text: String) -> Result<SessionId, Error> {
    SessionId::parse(text.as_str()).map_err(|_| Error::NotFound { resource: "Session", id: text })
}

fn payload(value: &Value) -> Result<Map<String, Value>, ApiError> {
    value.as_object().cloned().ok_or_else(|| ApiError::internal("an answer is no object".to_owned()))
}

fn success() -> Map<String, Value> {
    Map::from_iter([("success".to_owned(), Value::Bool(true))])
}
