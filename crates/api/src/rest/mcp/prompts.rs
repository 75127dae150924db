//! Prompts, and what may stand in the place of arguments.

use serde_json::{Value, json};

use super::resources::{TEMPLATE, transcript_uri};
use super::{Exchange, Outcome};
use crate::mcp::{McpError, McpMethod, Reply};
use crate::rest::serve::Api;

const SUMMARISE: &str = "summarise_session";

/// Most values that are offered for an argument, as the protocol bounds them.
const MAX_VALUES: u32 = 100;

pub(super) fn list() -> Vec<Value> {
    vec![json!({
        "name": SUMMARISE,
        "title": "Summarise a session",
        "description": "What was asked for in a session, what its agent did, and what is left to do.",
        "arguments": [{ "name": "session", "description": "The id of the session.", "required": true }],
    })]
}

impl<S: Send + Sync + 'static> Api<S> {
    pub(super) async fn mcp_get_prompt(&self, exchange: &Exchange) -> Outcome {
        if exchange.params.get("name").and_then(Value::as_str) != Some(SUMMARISE) {
            return self.mcp_elsewhere(exchange, McpMethod::GetPrompt).await;
        }
        let session = exchange.params.get("arguments").and_then(|arguments| arguments["session"].as_str());
        let session =
            session.ok_or_else(|| McpError::invalid_params("arguments.session: expected the id of a session"))?;
        let uri = transcript_uri(session);
        let text = self.mcp_transcript(exchange, &uri, session, None).await?;
        let task = "Summarise this session with a coding agent: what was asked for, what the agent did and decided, and what is \
                    left to do. Say where the transcript does not tell.";
        let message = |content: Value| json!({ "role": "user", "content": content });
        let resource = json!({ "uri": uri, "mimeType": "text/markdown", "text": text });
        let prompt = json!({
            "description": "Summarise a session",
            "messages": [
                message(json!({ "type": "text", "text": task })),
                message(json!({ "type": "resource", "resource": resource })),
            ],
        });
        Ok(Reply::of(&prompt)?)
    }

    /// Ids of the caller's sessions, where one is asked for.
    pub(super) async fn mcp_complete(&self, exchange: &Exchange) -> Outcome {
        let (of, argument) = (&exchange.params.get("ref"), exchange.params.get("argument"));
        let text = |value: Option<&Value>, name: &str| {
            value.and_then(|value| value[name].as_str()).unwrap_or_default().to_owned()
        };
        let argument_name = text(argument, "name");
        let is_session = match text(*of, "type").as_str() {
            "ref/prompt" => text(*of, "name") == SUMMARISE && argument_name == "session",
            "ref/resource" => text(*of, "uri") == TEMPLATE && argument_name == "id",
            _ => return Err(McpError::invalid_params("ref: expected a prompt or a resource template").into()),
        };
        if !is_session {
            return self.mcp_complete_elsewhere(exchange).await;
        }
        let begun = text(argument, "value");
        let sessions = self.mcp_sessions_of(exchange, MAX_VALUES).await?;
        let ids = sessions.iter().filter_map(|session| session["id"].as_str()).filter(|id| id.starts_with(&begun));
        completion(ids.collect())
    }

    /// What nobody knows anything about has no values, and is no mistake.
    async fn mcp_complete_elsewhere(&self, exchange: &Exchange) -> Outcome {
        match self.mcp_elsewhere(exchange, McpMethod::Complete).await {
            Err(super::Failure::Mcp(_)) => completion(Vec::new()),
            outcome => outcome,
        }
    }
}

fn completion(values: Vec<&str>) -> Outcome {
    Ok(Reply::of(&json!({ "completion": { "values": values, "hasMore": false } }))?)
}
