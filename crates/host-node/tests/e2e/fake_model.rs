//! A model server that says what a test tells it to: enough of the Responses API for a real coding agent.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::eventually;

/// The key that it wants.
pub(crate) const KEY: &str = "fake-model-key";

/// Largest request, in bytes.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// What the model does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Says these pieces.
    Text(&'static [&'static str]),
    /// Says something and wants to run a command for which permission must be asked.
    Command { text: &'static str, command: String },
    /// Begins to answer and reports a failure with that code.
    Failure(&'static str),
    /// Refuses the request with that status.
    Refusal(u16),
    /// Says this and then nothing for ever.
    Stall(&'static str),
}

/// A running model server. It ends when it is dropped.
pub(crate) struct FakeModel {
    address: SocketAddr,
    model: Model,
    server: JoinHandle<()>,
}

/// Answers by the prompt: each request about it gets the next one, and after the last that one again.
type Script = HashMap<&'static str, Vec<Answer>>;

#[derive(Clone)]
struct Model {
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<Asked>>>,
}

/// A request that the script knows.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// What the user said last.
    pub(crate) prompt: String,
    /// The whole conversation so far.
    pub(crate) input: Value,
}

impl FakeModel {
    /// Starts one on a free port.
    pub(crate) async fn start(script: &[(&'static str, &[Answer])]) -> Self {
        let script = script.iter().map(|(prompt, answers)| (*prompt, answers.to_vec())).collect();
        let model = Model { script: Arc::new(script), requests: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/v1/responses", post(respond)).with_state(model.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, model, server }
    }

    /// Its address for the configuration of an agent.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The requests about a prompt so far.
    pub(crate) fn asked(&self, prompt: &str) -> Vec<Asked> {
        let requests = self.model.requests.lock().unwrap();
        requests.iter().filter(|asked| asked.prompt == prompt).cloned().collect()
    }

    /// Waits for that many requests about a prompt.
    pub(crate) async fn asked_times(&self, prompt: &str, count: usize) {
        eventually("the model is asked", async || (self.asked(prompt).len() >= count).then_some(())).await;
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Asked {
    /// What a command said, as the agent tells the model.
    pub(crate) fn command_output(&self) -> Option<&str> {
        let items = self.input.as_array()?;
        items.iter().rfind(|item| item["type"] == "function_call_output")?["output"].as_str()
    }

    /// Whether this text stands somewhere in the conversation.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.input.to_string().contains(text)
    }
}

async fn respond(State(model): State<Model>, request: Request) -> Response {
    if request.headers().get("authorization").is_none_or(|value| *value != format!("Bearer {KEY}")) {
        return refusal(StatusCode::UNAUTHORIZED, "wrong key");
    }
    let body = axum::body::to_bytes(request.into_body(), MAX_REQUEST).await.unwrap_or_default();
    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let input = body["input"].take();
    let prompt = last_words(&input);
    // Agents ask for more than the user does, such as a title.
    let Some(answers) = model.script.get(prompt.as_str()) else {
        return refusal(StatusCode::BAD_REQUEST, "nobody told this model what to say");
    };
    let number = {
        let mut requests = model.requests.lock().unwrap();
        let earlier = requests.iter().filter(|asked| asked.prompt == prompt).count();
        requests.push(Asked { prompt, input });
        earlier
    };
    answers[number.min(answers.len() - 1)].response(number)
}

/// The text of the last message of the user.
fn last_words(input: &Value) -> String {
    let items = input.as_array().map(Vec::as_slice).unwrap_or_default();
    let last = items.iter().rfind(|item| item["type"] == "message" && item["role"] == "user");
    last.and_then(|message| message["content"].as_array()?.last()?["text"].as_str()).unwrap_or_default().to_owned()
}

fn refusal(status: StatusCode, message: &str) -> Response {
    let body = json!({"error": {"message": message, "type": "server_error"}});
    (status, axum::Json(body)).into_response()
}

impl Answer {
    fn response(&self, number: usize) -> Response {
        let response = json!({"id": format!("response-{number}")});
        let mut events = vec![event("response.created", json!({"response": response}))];
        match self {
            Self::Refusal(status) => {
                return refusal(StatusCode::from_u16(*status).unwrap(), "this model is out of order");
            }
            Self::Text(pieces) => events.extend(message(number, pieces)),
            Self::Command { text, command } => {
                events.extend(message(number, &[text]));
                events.push(command_call(number, command));
            }
            Self::Failure(code) => {
                let error = json!({"code": code, "message": "this model gave up"});
                events.push(event("response.failed", json!({"response": {"id": response["id"], "error": error}})));
                return streamed(stream::iter(events).boxed());
            }
            Self::Stall(text) => {
                let begun = message(number, &[text]);
                // Without the end of the message.
                events.extend(begun.into_iter().take(2));
                return streamed(stream::iter(events).chain(stream::pending()).boxed());
            }
        }
        let usage = json!({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2});
        events.push(event("response.completed", json!({"response": {"id": response["id"], "usage": usage}})));
        streamed(stream::iter(events).boxed())
    }
}

fn event(kind: &str, mut data: Value) -> String {
    data["type"] = kind.into();
    format!("event: {kind}\ndata: {data}\n\n")
}

/// A message, piece by piece.
fn message(number: usize, pieces: &[&str]) -> Vec<String> {
    let item = |status: &str, content: Value| {
        json!({"output_index": 0, "item": {
            "type": "message", "id": format!("message-{number}"), "role": "assistant", "status": status, "content": content,
        }})
    };
    let mut events = vec![event("response.output_item.added", item("in_progress", json!([])))];
    events.extend(pieces.iter().map(|piece| {
        let data =
            json!({"item_id": format!("message-{number}"), "output_index": 0, "content_index": 0, "delta": piece});
        event("response.output_text.delta", data)
    }));
    let content = json!([{"type": "output_text", "text": pieces.concat(), "annotations": []}]);
    events.push(event("response.output_item.done", item("completed", content)));
    events
}

/// A call of the agent's tool for commands, outside of its own sandbox: that is what it asks the user about.
fn command_call(number: usize, command: &str) -> String {
    let arguments = json!({
        "cmd": command,
        "sandbox_permissions": "require_escalated",
        "justification": "the test wants it",
    });
    let item = json!({
        "type": "function_call", "id": format!("item-{number}"), "call_id": format!("call-{number}"),
        "name": "exec_command", "arguments": arguments.to_string(),
    });
    event("response.output_item.done", json!({"output_index": 1, "item": item}))
}

fn streamed(events: BoxStream<'static, String>) -> Response {
    let body = Body::from_stream(events.map(|event| Ok::<_, Infallible>(Bytes::from(event))));
    ([("content-type", "text/event-stream")], body).into_response()
}
