//! Calls of operations as tools.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use portway_services::context::Context;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Exchange, Outcome};
use crate::error::ApiError;
use crate::mcp::{McpClient, McpError, McpMethod, Reply};
use crate::operation::Operation;
use crate::rest::idempotency;
use crate::rest::rpc::{Counted, asked};
use crate::rest::serve::Api;

/// Where a call says its idempotency key, as not all clients can set headers.
const IDEMPOTENCY_KEY: &str = "portway/idempotencyKey";

/// Where the result of a call that failed has the error as REST would say it.
const ERROR: &str = "portway/error";

/// How often a client is told that a call still goes on.
const PROGRESS: Duration = Duration::from_secs(1);

/// A result that an operation gave.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Given<'a> {
    content: [Text<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_content: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Self {
        Self { r#type: "text", text }
    }
}

/// Why an operation gave no result.
pub(super) enum CallError {
    /// What this instance says.
    Here(ApiError),
    /// What another instance says: the body that REST would send.
    There(Value),
}

impl CallError {
    /// The body that REST would send.
    pub(super) fn body(&self, request_id: &str) -> Value {
        match self {
            Self::Here(error) => serde_json::to_value(error.body(request_id)).unwrap_or_default(),
            Self::There(body) => body.clone(),
        }
    }

    /// Whether the caller is not signed in (any more), which is no matter of the call alone.
    fn is_unauthorized(&self) -> bool {
        let code = match self {
            Self::Here(error) => return error.status == http::StatusCode::UNAUTHORIZED,
            Self::There(body) => &body["code"],
        };
        code == "UNAUTHORIZED"
    }
}

impl<S: Send + Sync + 'static> Api<S> {
    pub(super) async fn mcp_call_tool(&self, exchange: &Exchange) -> Outcome {
        let name = exchange.params.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| McpError::invalid_params("name: expected the name of a tool"))?;
        let tool = self.mcp_tool(name).filter(|tool| tool.permission.is_open_to(exchange.role));
        let Some(operation) = tool.and_then(|tool| self.operation(tool.operation)) else {
            return self.mcp_elsewhere(exchange, McpMethod::CallTool).await;
        };
        let none = Map::new();
        let arguments = match exchange.params.get("arguments") {
            None => &none,
            Some(Value::Object(arguments)) => arguments,
            Some(_) => return Err(McpError::invalid_params("arguments: expected an object").into()),
        };
        let key = key(exchange)?;
        let call = self.mcp_operation(exchange, operation, key.as_deref(), arguments);
        match self.with_progress(&exchange.client, call).await {
            Ok(result) => given(&result),
            Err(error) if error.is_unauthorized() => Err(ApiError::unauthorized().into()),
            Err(error) => {
                let object = failed(&error, &exchange.context.request_id);
                Ok(Reply::of_object(object, &self.mcp_server(), exchange.revision()))
            }
        }
    }

    /// Has an operation carried out, here or by the instance that has to.
    pub(super) async fn mcp_operation(
        &self,
        exchange: &Exchange,
        operation: &Operation<S>,
        key: Option<&str>,
        arguments: &Map<String, Value>,
    ) -> Result<Bytes, CallError> {
        let row = operation.row();
        let find = self.options.elsewhere.as_ref();
        let ask = find.and_then(|find| find(&row.method, &row.path_of(arguments)?));
        let Some(ask) = ask else {
            let input = Value::Object(arguments.clone()).to_string();
            let context = Context { permission: row.permission, ..self.renewed(&exchange.context) };
            return self.call(operation, context, key, &input).await.map_err(CallError::Here);
        };
        let mut call = json!({ "jsonrpc": "2.0", "id": 1, "method": row.name, "params": arguments });
        if let Some(key) = key {
            call["idempotencyKey"] = key.into();
        }
        let answer = asked(ask, &exchange.parts, &call.to_string(), Counted::Here).await.map_err(CallError::Here)?;
        told(&answer)
    }

    /// Tells the client every second how many have passed, if it wants to know.
    async fn with_progress<T>(&self, client: &McpClient, work: impl Future<Output = T>) -> T {
        let (mut work, mut passed) = (std::pin::pin!(work), 0.0);
        while client.progress_token.is_some() {
            match select(work, self.options.clock.sleep(PROGRESS)).await {
                Either::Left((done, _)) => return done,
                Either::Right(((), rest)) => work = rest,
            }
            passed += PROGRESS.as_secs_f64();
            client.progress(passed, None);
        }
        work.await
    }
}

/// The idempotency key of a call.
fn key(exchange: &Exchange) -> Result<Option<String>, ApiError> {
    let of_call = exchange.params.get("_meta").and_then(|meta| meta.get(IDEMPOTENCY_KEY)).and_then(Value::as_str);
    match of_call {
        Some(key) => Ok(Some(key.to_owned())),
        None => idempotency::key(&exchange.parts.headers),
    }
}

/// What another instance answered.
fn told(answer: &[u8]) -> Result<Bytes, CallError> {
    #[derive(Deserialize)]
    struct Told<'a> {
        #[serde(borrow)]
        result: Option<&'a RawValue>,
        error: Option<ToldError>,
    }
    #[derive(Deserialize)]
    struct ToldError {
        data: Value,
    }
    let unreadable = || CallError::Here(ApiError::internal("another instance answers a call with something else"));
    let told: Told<'_> = serde_json::from_slice(answer).map_err(|_| unreadable())?;
    match (told.result, told.error) {
        (_, Some(error)) => Err(CallError::There(error.data)),
        (Some(result), None) => Ok(Bytes::copy_from_slice(result.get().as_bytes())),
        // `null` is the result of what gives nothing.
        (None, None) => Ok(Bytes::new()),
    }
}

fn given(result: &[u8]) -> Outcome {
    let text = str::from_utf8(result).unwrap_or_default();
    let structured = text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
    let text = if text.is_empty() { "Done." } else { text };
    Ok(Reply::of(&Given { content: [Text::new(text)], structured_content: structured })?)
}

/// A failure that a model can read, and a program.
fn failed(error: &CallError, request_id: &str) -> Map<String, Value> {
    if let CallError::Here(error) = error {
        error.log(request_id);
    }
    let body = error.body(request_id);
    let (code, message) = (body["code"].as_str().unwrap_or_default(), body["error"].as_str().unwrap_or_default());
    let mut text = format!("{code}: {message}");
    for field in body["details"]["fields"].as_array().into_iter().flatten().skip(1) {
        let part = |name: &str| field[name].as_str().unwrap_or_default();
        text.extend(["\n", part("field"), ": ", part("message")]);
    }
    let content = json!([Text::new(&text)]);
    let members = [("content", content), ("isError", true.into()), ("_meta", json!({ ERROR: body }))];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
