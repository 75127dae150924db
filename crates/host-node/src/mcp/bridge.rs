//! Messages from the standard input to the gateway, and from there to the standard output.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use super::events::Events;
use super::message::{Message, header};
use crate::client::Connection;
use crate::client::error::{ApiError, refused, unreadable};

/// Longest message of the client, in bytes.
const MAX_LINE: u64 = 16 * 1024 * 1024;

/// Longest answer that is no event stream, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// How long a request may take: the client gives up by itself.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Most requests at a time.
const MAX_REQUESTS: usize = 64;

/// How long what was asked may still take when the input has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

const ACCEPTED: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The session of the client, as it was begun.
#[derive(Debug, Clone)]
struct Session {
    id: HeaderValue,
    revision: HeaderValue,
}

/// What the tasks of all messages share.
struct Shared<W> {
    connection: Connection,
    session: Mutex<Option<Session>>,
    output: AsyncMutex<W>,
    requests: Semaphore,
}

pub(super) struct Bridge<W> {
    shared: Arc<Shared<W>>,
    tasks: JoinSet<()>,
    /// What can be cancelled, by the id of the request.
    running: HashMap<String, AbortHandle>,
    /// The task that listens to what the gateway says by itself.
    listener: Option<AbortHandle>,
}

impl<W: AsyncWrite + Send + Unpin + 'static> Bridge<W> {
    pub(super) fn new(connection: Connection, output: W) -> Self {
        let shared = Shared {
            connection,
            session: Mutex::default(),
            output: AsyncMutex::new(output),
            requests: Semaphore::new(MAX_REQUESTS),
        };
        Self { shared: Arc::new(shared), tasks: JoinSet::new(), running: HashMap::new(), listener: None }
    }

    /// Passes messages on until the input ends.
    ///
    /// # Errors
    /// Of an input that cannot be read.
    pub(super) async fn run(mut self, mut input: impl AsyncBufRead + Unpin) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if (&mut input).take(MAX_LINE).read_until(b'\n', &mut line).await? == 0 {
                break;
            }
            if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
                return Err(io::Error::other("a message is too long"));
            }
            if !line.trim_ascii().is_empty() {
                self.take(&line).await;
            }
        }
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        let rest = async { while self.tasks.join_next().await.is_some() {} };
        // What goes on for longer is a subscription, and ends with its reader.
        let _ = tokio::time::timeout(LAST_ANSWERS, rest).await;
        self.shared.end().await;
        Ok(())
    }

    async fn take(&mut self, line: &[u8]) {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|_, task| !task.is_finished());
        let message = match Message::read(line) {
            Ok(message) => message,
            Err(answer) => return self.shared.say(&answer.to_string()).await,
        };
        if let Some(id) = message.cancels()
            && let Some(task) = self.running.remove(&id)
        {
            task.abort();
        }
        let shared = Arc::clone(&self.shared);
        if message.method() == Some("initialize") && message.revision().is_none() {
            // Everything after it belongs to the session that it begins.
            shared.pass_on(&message).await;
            let shared = Arc::clone(&self.shared);
            self.listener = Some(self.tasks.spawn(async move { shared.listen().await }));
            return;
        }
        let id = message.id().map(Value::to_string);
        let task = self.tasks.spawn(async move { shared.pass_on(&message).await });
        self.running.extend(id.map(|id| (id, task)));
    }
}

impl<W: AsyncWrite + Send + Unpin> Shared<W> {
    /// Passes a message on, and its answer back.
    async fn pass_on(&self, message: &Message) {
        let Ok(_permit) = self.requests.acquire().await else { return };
        if let Err(error) = self.exchange(message).await
            && let Some(answer) = message.failure(-32000, &error.to_string())
        {
            self.say(&answer.to_string()).await;
        }
    }

    async fn exchange(&self, message: &Message) -> Result<(), ApiError> {
        let request = self.request(Method::POST)?.header(CONTENT_TYPE, JSON).body(message.text());
        let response = self.connection.send(self.about(request, message)).await?;
        if message.method() == Some("initialize") {
            self.begin(&response);
        }
        if is_events(&response) {
            return self.read_events(response).await;
        }
        let status = response.status();
        let body = self.connection.body(response, MAX_ANSWER).await?;
        match serde_json::from_slice::<Value>(&body) {
            Ok(answer) if answer.get("jsonrpc").is_some() => {
                self.note_revision(message, &answer);
                self.say(&answer.to_string()).await;
                Ok(())
            }
            _ if status.is_success() && message.id().is_none() => Ok(()),
            _ if status.is_success() => Err(unreadable(self.connection.server(), "it is no message")),
            _ => Err(refused(self.connection.server(), status, &body)),
        }
    }

    fn request(&self, method: Method) -> Result<RequestBuilder, ApiError> {
        let url = self.connection.server().path(&["mcp"]);
        Ok(self.connection.request(method, url)?.header(ACCEPT, ACCEPTED).timeout(PATIENCE))
    }

    /// Adds what headers say of a message.
    fn about(&self, mut request: RequestBuilder, message: &Message) -> RequestBuilder {
        let mut add = |name: &'static str, value: Option<HeaderValue>| {
            if let (Some(value), Some(known)) = (value, request.try_clone()) {
                request = known.header(name, value);
            }
        };
        if let Some(revision) = message.revision() {
            add("mcp-protocol-version", header(revision));
            add("mcp-method", message.method().and_then(header));
            add("mcp-name", message.name().and_then(header));
        } else if let Some(session) = self.session().clone() {
            add("mcp-session-id", Some(session.id));
            add("mcp-protocol-version", Some(session.revision));
        }
        request
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, response: &Response) {
        let id = response.headers().get("mcp-session-id").cloned();
        *self.session() = id.map(|id| Session { id, revision: HeaderValue::from_static("2025-11-25") });
    }

    fn note_revision(&self, message: &Message, answer: &Value) {
        let revision = answer["result"]["protocolVersion"].as_str().filter(|_| message.method() == Some("initialize"));
        if let (Some(revision), Some(session)) = (revision.and_then(header), self.session().as_mut()) {
            session.revision = revision;
        }
    }

    /// Passes on what the gateway says by itself, if it does.
    async fn listen(&self) {
        let Some(session) = self.session().clone() else { return };
        let Ok(request) = self.request(Method::GET) else { return };
        let request = request.header("mcp-session-id", session.id).header("mcp-protocol-version", session.revision);
        if let Ok(response) = self.connection.send(request).await
            && response.status() == StatusCode::OK
            && is_events(&response)
        {
            // What is missed is missed: these are hints.
            let _ = self.read_events(response).await;
        }
    }

    async fn read_events(&self, mut response: Response) -> Result<(), ApiError> {
        let server = self.connection.server();
        let mut events = Events::default();
        loop {
            let piece = response.chunk().await.map_err(|error| crate::client::error::unreachable(server, &error))?;
            let Some(piece) = piece else { return Ok(()) };
            let messages = events.push(&piece).map_err(|_| unreadable(server, "it is too long"))?;
            for message in messages {
                self.say(&String::from_utf8_lossy(&message)).await;
            }
        }
    }

    /// Ends the session. Nothing is lost if that fails: it expires.
    async fn end(&self) {
        let session = self.session().take();
        if let (Some(session), Ok(request)) = (session, self.request(Method::DELETE)) {
            let request = request.header("mcp-session-id", session.id).timeout(LAST_ANSWERS);
            let _ = self.connection.send(request).await;
        }
    }

    /// Writes a message, which has no line breaks.
    async fn say(&self, message: &str) {
        let mut output = self.output.lock().await;
        let line = format!("{}\n", message.replace(['\r', '\n'], " "));
        // Whoever reads may stop reading; then the input ends too.
        if output.write_all(line.as_bytes()).await.is_ok() {
            let _ = output.flush().await;
        }
    }
}

fn is_events(response: &Response) -> bool {
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.starts_with("text/event-stream"))
}
