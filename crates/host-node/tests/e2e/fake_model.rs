//! A model server that says what a test tells it to, in the formats that real coding agents speak.

mod chat_completions;
mod generate_content;
mod messages;
mod responses;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::eventually;

use self::chat_completions::ChatCompletions;
use self::generate_content::GenerateContent;
use self::messages::Messages;
use self::responses::Responses;

/// The key that it wants.
pub(crate) const KEY: &str = "fake-model-key";

/// Largest request, in bytes.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// All formats.
static FORMATS: [&dyn Format; 4] = [&ChatCompletions, &GenerateContent, &Messages, &Responses];

/// What the model does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Says these pieces.
    Text(&'static [&'static str]),
    /// Says these pieces, also to a request without tools: some models are offered theirs in other ways.
    Bare(&'static [&'static str]),
    /// Says something and calls a tool.
    Call { text: &'static str, call: ToolCall },
    /// Begins to answer and reports a failure with that code.
    Failure(&'static str),
    /// Refuses the request with that status.
    Refusal(u16),
    /// Says this and then nothing for ever.
    Stall(&'static str),
}

/// A call of a tool of the agent.
#[derive(Debug, Clone)]
pub(crate) struct ToolCall {
    pub(crate) name: &'static str,
    pub(crate) arguments: Value,
}

/// What the model answers by the prompt: each request about it gets the next answer, and after the last that one again.
pub(crate) type Script = HashMap<&'static str, Vec<Answer>>;

/// A running model server. It ends when it is dropped.
pub(crate) struct FakeModel {
    address: SocketAddr,
    model: Model,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Model {
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<Asked>>>,
}

/// A request that the script knows.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// What the user said last.
    prompt: String,
    /// The whole conversation so far.
    conversation: Value,
    /// What came of the last tool call, as the agent tells the model.
    pub(crate) tool_output: Option<String>,
    /// The model that is to answer, where the request names one.
    pub(crate) model: Option<String>,
}

/// How agents and models write down what they say, over HTTP.
trait Format: Sync {
    /// Whether requests with this path are in it.
    fn serves(&self, path: &str) -> bool;

    /// The header that a key is in, and its value for this key.
    fn credential(&self, key: &str) -> (&'static str, String);

    /// Where a request has what was said so far, as a list of messages.
    fn conversation(&self) -> &'static str;

    /// What came of the last tool call.
    fn tool_output(&self, messages: &[Value]) -> Option<String>;

    /// A stream of events that says a turn.
    fn events(&self, number: usize, turn: &Turn<'_>) -> Vec<String>;

    /// The body of an answer that is an error.
    fn error(&self, status: StatusCode, message: &str) -> Value {
        json!({"error": {"message": message, "type": "server_error", "code": status.as_u16()}})
    }
}

/// What the model says to one request.
struct Turn<'a> {
    /// Text, piece by piece.
    text: &'a [&'a str],
    call: Option<&'a ToolCall>,
    end: End<'a>,
}

/// How the model ends what it says.
#[derive(Clone, Copy, PartialEq)]
enum End<'a> {
    Complete,
    /// With a failure of that code.
    Failure(&'a str),
    /// In the middle of the text, without closing the stream.
    Never,
}

impl FakeModel {
    /// Starts one on a free port.
    pub(crate) async fn start(script: Script) -> Self {
        let model = Model { script: Arc::new(script), requests: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(respond).with_state(model.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, model, server }
    }

    /// Its address, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
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
    /// Whether this text stands somewhere in the conversation.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.conversation.to_string().contains(text)
    }
}

async fn respond(State(model): State<Model>, request: Request) -> Response {
    let path = request.uri().path();
    let Some(format) = FORMATS.into_iter().find(|format| format.serves(path)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !is_authorized(request.headers(), format.credential(KEY)) {
        return refusal(format, StatusCode::UNAUTHORIZED, "wrong key");
    }
    let body = axum::body::to_bytes(request.into_body(), MAX_REQUEST).await.unwrap_or_default();
    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let conversation = body[format.conversation()].take();
    let messages = conversation.as_array().map(Vec::as_slice).unwrap_or_default();
    let prompt = last_words(messages).unwrap_or_default().to_owned();
    // Agents ask for more than the user does, such as a title, and mostly without tools.
    let Some(answers) =
        model.script.get(prompt.as_str()).filter(|answers| !is_empty(&body["tools"]) || are_bare(answers))
    else {
        let message = format!("nobody told this model what to say to {prompt:?}");
        return refusal(format, StatusCode::BAD_REQUEST, &message);
    };
    let tool_output = format.tool_output(messages);
    let number = {
        let mut requests = model.requests.lock().unwrap();
        let earlier = requests.iter().filter(|asked| asked.prompt == prompt).count();
        let model = body["model"].as_str().map(str::to_owned);
        requests.push(Asked { prompt, conversation, tool_output, model });
        earlier
    };
    answers[number.min(answers.len() - 1)].response(format, number)
}

fn is_authorized(headers: &HeaderMap, (name, value): (&str, String)) -> bool {
    headers.get(name).is_some_and(|given| *given == value)
}

fn are_bare(answers: &[Answer]) -> bool {
    answers.iter().all(|answer| matches!(answer, Answer::Bare(_)))
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

/// What the user said last, without what agents add: elements of their own, and words for nothing at all.
fn last_words(messages: &[Value]) -> Option<&str> {
    let of_user = messages.iter().rev().filter(|message| message["role"] == "user");
    let is_said = |text: &&str| !text.starts_with('<') && *text != "(no content)";
    let text = of_user.flat_map(|message| texts(message).into_iter().rev()).find(is_said)?;
    text.lines().rfind(|line| !line.starts_with('<'))
}

/// The texts of a message.
fn texts(message: &Value) -> Vec<&str> {
    let content = [&message["content"], &message["parts"]].into_iter().find(|content| !content.is_null());
    match content {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => Vec::new(),
    }
}

fn refusal(format: &dyn Format, status: StatusCode, message: &str) -> Response {
    (status, axum::Json(format.error(status, message))).into_response()
}

impl Answer {
    fn response(&self, format: &dyn Format, number: usize) -> Response {
        let turn = match self {
            Self::Refusal(status) => {
                return refusal(format, StatusCode::from_u16(*status).unwrap(), "this model is out of order");
            }
            Self::Text(pieces) | Self::Bare(pieces) => Turn { text: pieces, call: None, end: End::Complete },
            Self::Call { text: "", call } => Turn { text: &[], call: Some(call), end: End::Complete },
            Self::Call { text, call } => Turn { text: &[text], call: Some(call), end: End::Complete },
            Self::Failure(code) => Turn { text: &[], call: None, end: End::Failure(code) },
            Self::Stall(text) => Turn { text: &[text], call: None, end: End::Never },
        };
        let events = stream::iter(format.events(number, &turn));
        let events = if turn.end == End::Never { events.chain(stream::pending()).boxed() } else { events.boxed() };
        let body = Body::from_stream(events.map(|event| Ok::<_, Infallible>(Bytes::from(event))));
        ([("content-type", "text/event-stream")], body).into_response()
    }
}

/// An event of a stream whose events have no names.
fn data(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event of a stream whose events have names, which their data repeat.
fn event(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n")
}
