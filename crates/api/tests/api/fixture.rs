//! A gateway of notes: enough rows to see every rule.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use garde::Validate;
use http::request::{Builder, Parts};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use portway_api::{
    ApiError, ApiOptions, Endpoint, EndpointTable, Incoming, NoInput, Operation, OperationTable, RateClass,
    ServeSocket, Socket, SocketClosed, Surfaces, Upgrade, read_body, router, serve_socket,
};
use portway_domain::access::{Permission, Principal, Role};
use portway_domain::ids::{TokenId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::shared_text::SharedText;
use portway_ports::system::{Clock, Entropy};
use portway_services::context::Context;
use portway_services::error::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::detached::Tasks;

/// The token of the tests.
pub(crate) const TOKEN: &str = "sk_test_notes";

/// Another token of the same user.
pub(crate) const OTHER_TOKEN: &str = "sk_test_other";

/// The body limit of the tests, in bytes.
pub(crate) const LIMIT: usize = 2048;

/// What the handlers work on: they keep what they were called with.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) contexts: Mutex<Vec<Context>>,
    pub(crate) heard: Mutex<Vec<Incoming>>,
    /// Whether no token is valid any more.
    pub(crate) revoked: AtomicBool,
    /// Where the handlers of notes wait whose id is `held`.
    pub(crate) gate: Gate,
}

/// Where something waits until a test lets it go on.
#[derive(Default)]
pub(crate) struct Gate {
    reached: Notify,
    opened: Notify,
}

impl Gate {
    /// Waits until the gate is opened.
    pub(crate) async fn pass(&self) {
        self.reached.notify_one();
        self.opened.notified().await;
    }

    /// Waits until somebody waits here.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets one through.
    pub(crate) fn open(&self) {
        self.opened.notify_one();
    }
}

impl State {
    fn admit(&self, context: &Context) -> Result<(), Error> {
        self.contexts.lock().unwrap().push(context.clone());
        let is_ours = |hash: &TokenHash| [TOKEN, OTHER_TOKEN].map(TokenHash::of).contains(hash);
        let known = context.credential.as_ref().is_some_and(is_ours) && !self.revoked.load(Ordering::Relaxed);
        context.admit(known.then(caller)).map(drop)
    }
}

fn caller() -> Principal {
    Principal {
        user: UserId::parse("u-notes").unwrap(),
        token: TokenId::parse("t-notes").unwrap(),
        role: Role::Member,
        email: "notes@localhost".to_owned(),
        name: None,
        avatar_url: None,
        expires_at: None,
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct Style {
    #[garde(skip)]
    colour: Option<Colour>,
    /// Size in points.
    #[garde(range(min = 1, max = 99))]
    font_size: u8,
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct EditNote {
    /// The note.
    #[garde(skip)]
    id: String,
    /// Its title.
    #[garde(length(chars, min = 1, max = 10))]
    title: Option<String>,
    #[garde(dive)]
    style: Option<Style>,
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
struct ListNotes {
    /// Most notes to give.
    #[garde(range(min = 1, max = 100))]
    limit: Option<u32>,
    #[garde(skip)]
    colour: Option<Colour>,
    #[garde(skip)]
    hide_done: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema, Validate)]
struct OneNote {
    #[garde(skip)]
    id: String,
}

/// A note.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Note {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<Style>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Notes {
    notes: Vec<Note>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    status: &'static str,
    timestamp: String,
}

async fn list(state: Arc<State>, context: Context, input: ListNotes) -> Result<Notes, Error> {
    state.admit(&context)?;
    let count = input.limit.unwrap_or(1);
    let note = |index| Note { id: format!("n{index}"), title: None, style: None };
    let hidden = input.hide_done == Some(true) || matches!(input.colour, Some(Colour::Red));
    Ok(Notes { notes: if hidden { Vec::new() } else { (0..count).map(note).collect() } })
}

async fn edit(state: Arc<State>, context: Context, input: EditNote) -> Result<Note, Error> {
    state.admit(&context)?;
    if input.id == "held" {
        state.gate.pass().await;
    }
    Ok(Note { id: input.id, title: input.title, style: input.style })
}

async fn remove(state: Arc<State>, context: Context, input: OneNote) -> Result<(), Error> {
    state.admit(&context)?;
    match input.id.as_str() {
        "absent" => Err(Error::NotFound { resource: "Note", id: input.id }),
        "broken" => Err(Error::Internal("the disk is on fire".into())),
        "held" => {
            state.gate.pass().await;
            Err(Error::Internal("the shredder jams".into()))
        }
        "panics" => panic!("the note bites"),
        "many" => Err(Error::SessionQuota { active: 3, limit: 3 }),
        _ => Ok(()),
    }
}

async fn health(_: Arc<State>, context: Context, _: NoInput) -> Result<Health, Error> {
    Ok(Health { status: "ok", timestamp: context.now.to_string() })
}

async fn watch(state: Arc<State>, context: Context, input: OneNote) -> Result<ServeSocket, ApiError> {
    state.admit(&context)?;
    Ok(serve_socket(async move |mut socket: Box<dyn Socket>| {
        let mut said = 0;
        loop {
            tokio::select! {
                biased;
                frame = socket.receive() => match frame {
                    Some(frame) => state.heard.lock().unwrap().push(frame),
                    None => break,
                },
                () = std::future::ready(()), if said < 2 => {
                    said += 1;
                    if socket.send(format!("{} {said}", input.id).into()).await.is_err() {
                        break;
                    }
                }
            }
        }
        socket.close(1000, "done").await;
    }))
}

async fn upload(
    state: Arc<State>,
    context: Context,
    input: OneNote,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    state.admit(&context)?;
    let bytes = read_body(request.into_body(), 8).await?;
    Ok(Response::new(Body::from(format!("{} {}", input.id, bytes.len()))))
}

pub(crate) fn operations() -> OperationTable<State> {
    let notes = "/api/notes/{id}";
    OperationTable::new([
        Operation::new("system.health", Method::GET, "/health", Permission::Public)
            .summary("Whether it runs")
            .rate(RateClass::Unlimited)
            .surfaces(Surfaces::REST)
            .any_host()
            .quiet()
            .handler(health),
        Operation::new("notes.list", Method::GET, "/api/notes", Permission::SignedIn)
            .summary("List notes")
            .handler(list),
        Operation::new("notes.edit", Method::PUT, notes, Permission::SignedIn)
            .summary("Change a note")
            .describe("Fields that are left out stay.")
            .keeps_result()
            .handler(edit),
        Operation::new("notes.create", Method::POST, "/api/notes", Permission::SignedIn)
            .summary("Make a note")
            .status(StatusCode::CREATED)
            .body_limit(16)
            .handler(edit),
        Operation::new("notes.import", Method::POST, "/api/notes/{id}/import", Permission::SignedIn)
            .summary("Make a long note")
            .body_limit(4 * LIMIT)
            .admit_large(|_, context: Context| async move {
                context.credential.map(drop).ok_or(portway_services::error::Error::Unauthorized)
            })
            .handler(edit),
        Operation::new("notes.remove", Method::DELETE, notes, Permission::SignedIn)
            .summary("Remove a note")
            .status(StatusCode::NO_CONTENT)
            .handler(remove),
        Operation::new("notes.purge", Method::POST, "/api/purge", Permission::Admin)
            .summary("Remove every note")
            .surfaces(Surfaces::CLI)
            .handler(health),
    ])
    .unwrap()
}

pub(crate) fn endpoints() -> EndpointTable<State> {
    EndpointTable::new([
        Endpoint::new("notes.watch", Method::GET, "/api/notes/{id}/ws", Permission::SignedIn)
            .summary("Watch a note")
            .rate(RateClass::Agent)
            .unlimited_for("id", "free")
            .socket(watch),
        Endpoint::new("notes.upload", Method::PUT, "/api/notes/{id}/blob", Permission::SignedIn)
            .summary("Store a blob")
            .consumes("application/octet-stream")
            .produces("text/plain")
            .raw(upload),
    ])
    .unwrap()
}

struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_771_927_200_000)
    }

    async fn sleep(&self, _: Duration) {}
}

#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn draw(&self) -> [u8; 32] {
        [self.0.fetch_add(1, Ordering::Relaxed); 32]
    }
}

/// A socket that has said everything before it begins, and keeps what it is told.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) frames: Mutex<VecDeque<Incoming>>,
    pub(crate) told: Mutex<Vec<String>>,
}

struct Played(Arc<Script>);

#[async_trait]
impl Socket for Played {
    fn poll_receive(&mut self, _: &mut std::task::Context<'_>) -> Poll<Option<Incoming>> {
        let next = self.0.frames.lock().unwrap().pop_front();
        if next.is_none() && self.0.told.lock().unwrap().len() < 2 {
            return Poll::Pending;
        }
        Poll::Ready(next)
    }

    async fn send(&mut self, text: SharedText) -> Result<(), SocketClosed> {
        self.0.told.lock().unwrap().push(text.as_str().to_owned());
        Ok(())
    }

    async fn close(&mut self, code: u16, reason: &str) {
        self.0.told.lock().unwrap().push(format!("close {code} {reason}"));
    }
}

#[async_trait]
impl Upgrade for Script {
    async fn upgrade(&self, parts: Parts, serve: ServeSocket) -> Response {
        let frames = std::mem::take(&mut *self.frames.lock().unwrap());
        let played = Arc::new(Script { frames: Mutex::new(frames), told: Mutex::default() });
        serve(Box::new(Played(Arc::clone(&played)))).await;
        self.told.lock().unwrap().append(&mut played.told.lock().unwrap());
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.extensions_mut() = parts.extensions;
        response
    }
}

pub(crate) struct Gateway {
    pub(crate) state: Arc<State>,
    pub(crate) script: Arc<Script>,
    router: Router,
}

pub(crate) fn options() -> ApiOptions {
    let mut options = ApiOptions::new(Arc::new(Still), Arc::new(Counting::default()), Arc::<Tasks>::default());
    options.max_body_bytes = LIMIT;
    options
}

impl Gateway {
    pub(crate) fn new() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: ApiOptions) -> Self {
        let (state, script) = (Arc::<State>::default(), Arc::<Script>::default());
        let upgrade: Arc<dyn Upgrade> = Arc::clone(&script) as Arc<dyn Upgrade>;
        let router = router(operations(), endpoints(), Arc::clone(&state), options, upgrade).unwrap();
        Self { state, script, router }
    }

    /// The response to a request, whose body may go on.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { parts, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// A signed-in request with a body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(signed_in(method, path).body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) fn last_context(&self) -> Context {
        self.state.contexts.lock().unwrap().last().cloned().unwrap()
    }
}

pub(crate) struct Answer {
    pub(crate) parts: http::response::Parts,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.parts.status.as_u16()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status, code and message of an error, after a look at the rest of the envelope.
    pub(crate) fn error(&self) -> (u16, String, String) {
        let json = self.json();
        assert_eq!(json["requestId"].as_str(), self.header("x-request-id"));
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        (self.status(), text("code"), text("error"))
    }
}

/// A request under a name that is answered.
pub(crate) fn request(method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("host", "localhost:8787")
}

/// The same with the token of the tests.
pub(crate) fn signed_in(method: &str, path: &str) -> Builder {
    request(method, path).header("authorization", format!("Bearer {TOKEN}"))
}
