//! What the server has to say by itself: that something changed.

use std::collections::HashSet;

use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::StatusCode;
use http::request::Parts;
use portway_services::context::Context;
use serde_json::{Map, Value, json};

use super::{Exchange, capabilities_of, failed, silent};
use crate::error::ApiError;
use crate::mcp::{McpChange, McpClient, McpError, Revision, notification};
use crate::options::McpOptions;
use crate::rate::RateClass;
use crate::rest::mcp::answer::{event, events};
use crate::rest::rates::Toll;
use crate::rest::serve::{Api, peer};

/// Most resources that one stream tells of.
const MAX_RESOURCES: usize = 1_000;

/// What a stream that stands by itself tells of.
struct Filter {
    tools: bool,
    prompts: bool,
    resources: bool,
    of: HashSet<String>,
}

impl Filter {
    fn read(asked: &Map<String, Value>) -> Result<Self, McpError> {
        let is_set = |name: &str| asked.get(name) == Some(&Value::Bool(true));
        let of = asked.get("resourceSubscriptions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if of.len() > MAX_RESOURCES {
            let message = format!("resourceSubscriptions: expected at most {MAX_RESOURCES}");
            return Err(McpError::invalid_params(message));
        }
        Ok(Self {
            tools: is_set("toolsListChanged"),
            prompts: is_set("promptsListChanged"),
            resources: is_set("resourcesListChanged"),
            of: of.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    fn has(&self, change: &McpChange) -> bool {
        match change {
            McpChange::Tools => self.tools,
            McpChange::Prompts => self.prompts,
            McpChange::Resources => self.resources,
            McpChange::Resource(uri) => self.of.contains(uri),
        }
    }

    /// What is told of, as clients are told.
    fn acknowledged(&self) -> Value {
        let mut told = Map::new();
        let flags = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        told.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name.to_owned(), true.into())));
        if !self.of.is_empty() {
            told.insert("resourceSubscriptions".to_owned(), self.of.iter().cloned().collect());
        }
        told.into()
    }
}

impl<S: Send + Sync + 'static> Api<S> {
    /// A stream of what a client asks for that has no session.
    pub(super) fn mcp_listen(&self, exchange: &Exchange) -> Response {
        let options = self.options.mcp.as_ref().filter(|options| capabilities_of(options).any_change());
        let Some(options) = options else {
            let error = McpError::method_not_found(&exchange.method);
            return failed(&error, error.status, &exchange.id);
        };
        let none = Map::new();
        let asked = exchange.params.get("notifications").and_then(Value::as_object).unwrap_or(&none);
        let filter = match Filter::read(asked) {
            Ok(filter) => filter,
            Err(error) => return failed(&error, StatusCode::OK, &exchange.id),
        };
        let id: Value = serde_json::from_str(&exchange.id).unwrap_or_default();
        let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
        let params = json!({ "_meta": meta, "notifications": filter.acknowledged() });
        let first = event(&notification("notifications/subscriptions/acknowledged", &params).to_string());
        let changes = changes(options, &exchange.client).filter(move |change| {
            let is_wanted = filter.has(change);
            async move { is_wanted }
        });
        let told = changes.map(move |change| event(&told(&change, Some(&meta)).to_string()));
        events(stream::once(async { first }).chain(told).map(|text| Ok(Bytes::from(text))))
    }

    /// A stream for a client with a session.
    pub(super) async fn mcp_get(
        &self,
        options: &McpOptions,
        parts: &Parts,
        context: Context,
        toll: &Toll,
    ) -> Result<Response, ApiError> {
        self.rates.charge(RateClass::Standard, &context, peer(parts), toll).await?;
        let (session, _) = self.mcp_session(options, &parts.headers, &context).await?;
        if !capabilities_of(options).any_change() {
            return Ok(silent(&context.request_id));
        }
        let client = self.mcp_client(Revision::OF_SESSIONS, Map::new(), &Map::new());
        let client = McpClient { session: Some(session.id.as_str().to_owned()), ..client };
        let told = changes(options, &client).map(|change| event(&told(&change, None).to_string()));
        // Headers are sent with the first bytes.
        let first = stream::once(async { ":\n\n".to_owned() });
        Ok(events(first.chain(told).map(|text| Ok(Bytes::from(text)))))
    }
}

fn changes(options: &McpOptions, client: &McpClient) -> BoxStream<'static, McpChange> {
    stream::select_all(options.features.iter().map(|features| features.changes(client))).boxed()
}

fn told(change: &McpChange, meta: Option<&Value>) -> Value {
    let (method, mut params) = match change {
        McpChange::Tools => ("notifications/tools/list_changed", json!({})),
        McpChange::Prompts => ("notifications/prompts/list_changed", json!({})),
        McpChange::Resources => ("notifications/resources/list_changed", json!({})),
        McpChange::Resource(uri) => ("notifications/resources/updated", json!({ "uri": uri })),
    };
    if let Some(meta) = meta {
        params["_meta"] = meta.clone();
    }
    notification(method, &params)
}
