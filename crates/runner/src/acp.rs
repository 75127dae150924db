//! The part of ACP (version 1) that a runner reads, decoded leniently: what is unknown, absent or of a wrong type
//! is left out and never costs the rest of a message.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// The protocol version that is spoken.
pub(crate) const VERSION: u64 = 1;

/// Accepts any value; what does not fit counts as absent.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// As [`lenient`], for lists: items that do not fit are left out.
fn lenient_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect(),
        _ => Vec::new(),
    })
}

/// Parameters of `initialize`.
pub(crate) fn initialize_params() -> Value {
    json!({
        "protocolVersion": VERSION,
        "clientCapabilities": {
            "fs": {"readTextFile": true, "writeTextFile": true},
            "terminal": false,
        },
        "clientInfo": {
            "name": "portway-runner",
            "title": "Portway",
            "version": env!("CARGO_PKG_VERSION"),
        },
    })
}

/// Result of `initialize`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Initialized {
    #[serde(deserialize_with = "lenient")]
    pub(crate) protocol_version: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) agent_capabilities: Option<Capabilities>,
    #[serde(deserialize_with = "lenient_list")]
    pub(crate) auth_methods: Vec<AuthMethod>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) agent_info: Option<AgentInfo>,
}

/// What the agent calls itself.
#[derive(Debug, Deserialize)]
pub(crate) struct AgentInfo {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Capabilities {
    #[serde(deserialize_with = "lenient")]
    pub(crate) load_session: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) prompt_capabilities: Option<PromptCapabilities>,
}

/// What a prompt may have besides text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PromptCapabilities {
    pub(crate) image: bool,
    pub(crate) audio: bool,
    pub(crate) embedded_context: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AuthMethod {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: Option<String>,
}

impl Initialized {
    pub(crate) fn decode(result: Value) -> Self {
        serde_json::from_value(result).unwrap_or_default()
    }
}

/// What a `session/update` tells.
#[derive(Debug)]
pub(crate) enum Update {
    Message(Content),
    Thought(Content),
    Tool(ToolFields),
    Plan(Vec<PlanItem>),
    /// All options of the conversation, as they are now.
    Options(Value),
    /// Nothing that a transcript shows.
    Other,
}

/// A content block.
#[derive(Debug)]
pub(crate) enum Content {
    Text(String),
    Link { name: String, uri: String },
    Other,
}

/// A tool call or what changed about it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolFields {
    pub(crate) tool_call_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) title: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) status: Option<CallStatus>,
    #[serde(default)]
    pub(crate) raw_input: Option<Value>,
    #[serde(default)]
    pub(crate) raw_output: Option<Value>,
    #[serde(default, deserialize_with = "lenient_list")]
    pub(crate) content: Vec<Value>,
    #[serde(default, rename = "_meta", deserialize_with = "lenient")]
    pub(crate) meta: Option<ToolMeta>,
}

/// What a command printed since the agent last told. Agents that run commands by themselves say it only here, under one
/// of two names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToolMeta {
    #[serde(deserialize_with = "lenient")]
    pub(crate) terminal_output: Option<TerminalOutput>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) terminal_output_delta: Option<TerminalOutput>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TerminalOutput {
    pub(crate) data: String,
}

impl ToolFields {
    /// The end of a call that was not permitted.
    pub(crate) fn refused(tool_call_id: String) -> Self {
        Self {
            tool_call_id,
            title: None,
            name: None,
            kind: None,
            status: Some(CallStatus::Failed),
            raw_input: None,
            raw_output: Some(Value::from("Permission was refused.")),
            content: Vec::new(),
            meta: None,
        }
    }

    /// What a command printed since the agent last told.
    pub(crate) fn take_printed(&mut self) -> Option<String> {
        let meta = self.meta.take()?;
        meta.terminal_output_delta.or(meta.terminal_output).map(|output| output.data)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallStatus {
    Pending,
    InProgress,
    Completed,
    Failed,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PlanItem {
    pub(crate) content: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) priority: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PlanFields {
    #[serde(deserialize_with = "lenient_list")]
    entries: Vec<PlanItem>,
}

/// Parameters of `session/update`: the conversation it belongs to, if named, and what it tells.
pub(crate) fn decode_update(mut params: Value) -> (Option<String>, Update) {
    let session = params["sessionId"].as_str().map(str::to_owned);
    let mut update = params["update"].take();
    let kind = update["sessionUpdate"].as_str().unwrap_or_default();
    let decoded = match kind {
        "config_option_update" => Update::Options(update["configOptions"].take()),
        "agent_message_chunk" => Update::Message(Content::decode(&update["content"])),
        "agent_thought_chunk" => Update::Thought(Content::decode(&update["content"])),
        "tool_call" | "tool_call_update" => serde_json::from_value(update).map_or(Update::Other, Update::Tool),
        "plan" => serde_json::from_value(update).map_or(Update::Other, |plan: PlanFields| Update::Plan(plan.entries)),
        _ => Update::Other,
    };
    (session, decoded)
}

/// Most commands of an agent that are remembered.
const MAX_COMMANDS: usize = 500;

/// The commands of the agent by name, if that is what an update tells.
pub(crate) fn announced_commands(params: &Value) -> Option<Vec<String>> {
    let update = &params["update"];
    if update["sessionUpdate"] != "available_commands_update" {
        return None;
    }
    let commands = update["availableCommands"].as_array().into_iter().flatten();
    let names = commands.filter_map(|command| command["name"].as_str());
    Some(names.map(|name| name.trim_start_matches('/').to_owned()).take(MAX_COMMANDS).collect())
}

impl Content {
    pub(crate) fn decode(block: &Value) -> Self {
        match block["type"].as_str() {
            Some("text") => match block["text"].as_str() {
                Some(text) => Self::Text(text.to_owned()),
                None => Self::Other,
            },
            Some("resource_link") => match block["uri"].as_str() {
                Some(uri) => Self::Link {
                    name: ["title", "name"].iter().find_map(|key| block[key].as_str()).unwrap_or(uri).to_owned(),
                    uri: uri.to_owned(),
                },
                None => Self::Other,
            },
            _ => Self::Other,
        }
    }

    /// As Markdown; `None` if it has no text.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) if text.is_empty() => None,
            Self::Text(text) => Some(text),
            Self::Link { name, uri } => Some(format!("[{name}]({uri})")),
            Self::Other => None,
        }
    }
}

/// Parameters of `session/request_permission`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PermissionRequest {
    #[serde(deserialize_with = "lenient")]
    pub(crate) tool_call: Option<ToolFields>,
    #[serde(deserialize_with = "lenient_list")]
    pub(crate) options: Vec<PermissionOption>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PermissionOption {
    pub(crate) option_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) kind: Option<String>,
}

impl PermissionRequest {
    pub(crate) fn decode(params: Value) -> Self {
        serde_json::from_value(params).unwrap_or_default()
    }
}

/// The answer to a permission request that nobody will answer.
pub(crate) fn permission_cancelled() -> Value {
    json!({"outcome": {"outcome": "cancelled"}})
}

/// The answer to a permission request.
pub(crate) fn permission_selected(option_id: &str) -> Value {
    json!({"outcome": {"outcome": "selected", "optionId": option_id}})
}

/// Why an agent ended its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// It had said what it wanted to say, or as much as it may.
    EndTurn,
    MaxTurnRequests,
    Refusal,
    Cancelled,
}

impl StopReason {
    /// From the result of `session/prompt`; unknown reasons are ends like any other.
    pub(crate) fn decode(result: &Value) -> Self {
        match result["stopReason"].as_str() {
            Some("max_turn_requests") => Self::MaxTurnRequests,
            Some("refusal") => Self::Refusal,
            Some("cancelled") => Self::Cancelled,
            _ => Self::EndTurn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_types_cost_the_field_and_not_the_message() {
        let (session, Update::Tool(tool)) = decode_update(json!({
            "sessionId": "s", "_meta": {"vendor": [1]},
            "update": {"sessionUpdate": "tool_call", "toolCallId": "t", "title": 7, "kind": null,
                       "status": "sleeping", "content": "none", "locations": {"x": 1}, "_meta": null}
        })) else {
            panic!("no tool call");
        };
        assert_eq!(session.as_deref(), Some("s"));
        assert_eq!(tool.tool_call_id, "t");
        assert!(tool.title.is_none() && tool.kind.is_none() && tool.status.is_none());
    }

    #[test]
    fn unknown_updates_are_nothing() {
        for update in [
            json!({"sessionUpdate": "usage_update", "usage": null}),
            json!({"sessionUpdate": "_vendor/thing"}),
            json!({"sessionUpdate": 3}),
            json!({}),
            json!(null),
            json!({"sessionUpdate": "tool_call"}),
        ] {
            let (_, decoded) = decode_update(json!({"update": update}));
            assert!(matches!(decoded, Update::Other), "{decoded:?}");
        }
        assert!(matches!(decode_update(Value::Null), (None, Update::Other)));
    }

    #[test]
    fn initialize_survives_anything() {
        let full = Initialized::decode(json!({
            "protocolVersion": 1, "agentCapabilities": {"loadSession": true, "x": {}},
            "authMethods": [{"id": "login", "name": "Log in"}, {"name": "no id"}, 5]
        }));
        assert_eq!(full.auth_methods.len(), 1);
        assert_eq!(full.agent_capabilities.and_then(|all| all.load_session), Some(true));
        for odd in [json!(null), json!({}), json!({"authMethods": null, "agentCapabilities": []})] {
            assert!(Initialized::decode(odd).auth_methods.is_empty());
        }
    }
}
