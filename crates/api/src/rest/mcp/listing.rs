//! What there is, and which part of the gateway answers a request.

use portway_domain::mcp::McpLogLevel;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Exchange, INSTRUCTIONS, Outcome, capabilities_of, declared, prompts};
use crate::error::ApiError;
use crate::mcp::{Cached, McpError, McpList, McpMethod, McpRequest, Reply, Revision, Tool, tools};
use crate::operation::Operation;
use crate::options::McpOptions;
use crate::rest::serve::Api;
use crate::surfaces::Surfaces;

/// For how long lists may be kept that change with the gateway alone.
const OF_GATEWAY: Cached = Cached(300_000);

/// What changes at any time.
pub(super) const FLEETING: Cached = Cached(0);

/// The tools, as they are listed.
#[derive(Serialize)]
struct ToolList<'a> {
    tools: Vec<&'a RawValue>,
}

impl<S: Send + Sync + 'static> Api<S> {
    /// The result of a request.
    pub(super) async fn mcp_result(&self, exchange: &Exchange) -> Outcome {
        let is_stateless = exchange.revision().is_stateless();
        match exchange.method.as_str() {
            "tools/list" => self.mcp_list(exchange, McpList::Tools).await,
            "resources/list" => self.mcp_list(exchange, McpList::Resources).await,
            "resources/templates/list" => self.mcp_list(exchange, McpList::ResourceTemplates).await,
            "prompts/list" => self.mcp_list(exchange, McpList::Prompts).await,
            "tools/call" => self.mcp_call_tool(exchange).await,
            "resources/read" => self.mcp_read_resource(exchange).await,
            "prompts/get" => self.mcp_get_prompt(exchange).await,
            "completion/complete" => self.mcp_complete(exchange).await,
            "server/discover" if is_stateless => self.mcp_discover(),
            "ping" if !is_stateless => Ok(Reply::of(&json!({}))?),
            "logging/setLevel" if !is_stateless => self.mcp_set_log_level(exchange).await,
            "resources/subscribe" if !is_stateless => self.mcp_elsewhere(exchange, McpMethod::Subscribe).await,
            "resources/unsubscribe" if !is_stateless => self.mcp_elsewhere(exchange, McpMethod::Unsubscribe).await,
            method => Err(McpError::method_not_found(method).into()),
        }
    }

    /// The tool of that name.
    pub(super) fn mcp_tool(&self, name: &str) -> Option<&Tool> {
        self.mcp_tools().iter().find(|tool| tool.name == name)
    }

    /// The operation of that name.
    pub(super) fn operation(&self, name: &str) -> Option<&Operation<S>> {
        self.operations.get(name)
    }

    fn mcp_tools(&self) -> &[Tool] {
        self.mcp_tools.get_or_init(|| {
            let document = self.document().and_then(|document| serde_json::from_slice(document).ok());
            let offered = self.operations.iter().filter(|operation| operation.surfaces().contains(Surfaces::MCP));
            tools(&document.unwrap_or_default(), offered)
        })
    }

    pub(super) fn mcp_options(&self) -> Result<&McpOptions, ApiError> {
        self.options.mcp.as_ref().ok_or_else(|| ApiError::internal("MCP is not there"))
    }

    fn mcp_discover(&self) -> Outcome {
        let capabilities = capabilities_of(self.mcp_options()?);
        let result = json!({
            "supportedVersions": Revision::ALL.map(Revision::as_str),
            "capabilities": declared(capabilities, Revision::July2026),
            "instructions": INSTRUCTIONS,
        });
        Ok(Reply::of(&result)?.cached(OF_GATEWAY))
    }

    async fn mcp_set_log_level(&self, exchange: &Exchange) -> Outcome {
        let options = self.mcp_options()?;
        let session = exchange.client.session().filter(|_| capabilities_of(options).logging);
        let session = session.ok_or_else(|| McpError::method_not_found(&exchange.method))?;
        let level = exchange.params.get("level").and_then(Value::as_str).and_then(McpLogLevel::parse);
        let level = level.ok_or_else(|| McpError::invalid_params("level: this is no level of a log"))?;
        options.sessions.set_log_level(&exchange.context, session, level).await.map_err(ApiError::from)?;
        Ok(Reply::of(&json!({}))?)
    }

    async fn mcp_list(&self, exchange: &Exchange, list: McpList) -> Outcome {
        if exchange.params.contains_key("cursor") {
            return Err(McpError::invalid_params("cursor: lists have one page").into());
        }
        let own = match list {
            McpList::Tools => Vec::new(),
            McpList::Resources => self.mcp_resources(exchange).await?,
            McpList::ResourceTemplates => Self::mcp_resource_templates(),
            McpList::Prompts => prompts::list(),
        };
        let mut entries = own;
        for features in &self.mcp_options()?.features {
            entries.extend(features.list(list, &exchange.client).await);
        }
        if list == McpList::Tools {
            return self.mcp_list_tools(exchange, &entries);
        }
        let cached = if list == McpList::Resources { FLEETING } else { OF_GATEWAY };
        Ok(Reply::of(&json!({ list.as_str(): entries }))?.cached(cached))
    }

    fn mcp_list_tools(&self, exchange: &Exchange, others: &[Value]) -> Outcome {
        let shown = self.mcp_tools().iter().filter(|tool| tool.permission.is_open_to(exchange.role));
        let others: Vec<String> = others.iter().map(Value::to_string).collect();
        let texts = shown.map(|tool| &tool.text).chain(&others);
        let tools = texts.filter_map(|text| serde_json::from_str(text).ok()).collect();
        Ok(Reply::of(&ToolList { tools })?.cached(OF_GATEWAY))
    }

    /// Has the features answer that are not the gateway's own.
    pub(super) async fn mcp_elsewhere(&self, exchange: &Exchange, method: McpMethod) -> Outcome {
        let request = McpRequest { method, params: exchange.params.clone() };
        for features in &self.mcp_options()?.features {
            if let Some(result) = features.answer(&request, &exchange.client).await {
                let object = match result? {
                    Value::Object(object) => object,
                    other => Map::from_iter([("value".to_owned(), other)]),
                };
                let reply = Reply::of_object(object, &self.mcp_server(), exchange.revision());
                return Ok(if method == McpMethod::ReadResource { reply.cached(FLEETING) } else { reply });
            }
        }
        Err(unknown(exchange, method).into())
    }
}

fn unknown(exchange: &Exchange, method: McpMethod) -> McpError {
    let text = |name: &str| exchange.params.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match method {
        McpMethod::CallTool => McpError::invalid_params(format!("there is no tool {:?}", text("name"))),
        McpMethod::GetPrompt => McpError::invalid_params(format!("there is no prompt {:?}", text("name"))),
        McpMethod::ReadResource => McpError::no_resource(&text("uri"), exchange.revision()),
        McpMethod::Complete => McpError::invalid_params("ref: there is no such prompt or template"),
        McpMethod::Subscribe | McpMethod::Unsubscribe => McpError::method_not_found(&exchange.method),
    }
}
