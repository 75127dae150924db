//! What the objects of sessions and of all users are: a gateway of their own with hibernating sockets.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use portway_adapters_cloudflare::{Keep, ObjectAlarm, ObjectName, PUBLISH, WorkerClock, WorkerEntropy};
use portway_api::{Incoming, Uncounted};
use portway_ports::system::{Clock, Entropy};
use portway_protocol::{CLOSE_PROTOCOL, CLOSE_RESTART};
use worker::{Env, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair};

use crate::forward;
use crate::gateway::{Gateway, unavailable};
use crate::sockets::{Frames, Opening, Slot, Sockets};
use crate::web;

/// How often it is looked at whether those with open sockets and event streams are still signed in.
const LOOK: Duration = Duration::from_secs(60);

/// Close code of RFC 6455 for a peer that may not go on.
const CLOSE_POLICY: u16 = 1008;

/// A socket whose object has just woken up.
struct Sleeper {
    tag: String,
    socket: WebSocket,
    opening: Opening,
    frames: Frames,
}

/// A Durable Object in memory.
#[derive(Clone)]
pub(crate) struct Object(Rc<Inner>);

struct Inner {
    state: State,
    env: Env,
    name: ObjectName,
    sockets: Sockets,
    alarm: Arc<ObjectAlarm>,
    gateway: RefCell<Option<Rc<Gateway>>>,
    sleepers: RefCell<Vec<Sleeper>>,
}

impl Object {
    /// The object with what the platform kept of it.
    pub(crate) fn new(state: State, env: Env, name: ObjectName) -> Self {
        let sockets = Sockets::default();
        let sleepers = state.get_websockets().into_iter().filter_map(|socket| sleeper(&state, &sockets, socket));
        let sleepers = RefCell::new(sleepers.collect());
        let alarm = Arc::new(ObjectAlarm::new(state.storage()));
        Self(Rc::new(Inner { state, env, name, sockets, alarm, gateway: RefCell::default(), sleepers }))
    }

    /// Answers a request of a caller, or hears what another instance says.
    pub(crate) async fn fetch(&self, request: worker::Request) -> Result<worker::Response> {
        let asked = web::with_body(web::parts(request.inner())?, request.inner());
        web::response(Keep::object().run(self.answer(asked)).await)
    }

    async fn answer(&self, request: Request<Body>) -> Response {
        let gateway = match self.gateway().await {
            Ok(gateway) => gateway,
            Err(response) => return response,
        };
        if request.uri().path() == PUBLISH {
            return gateway.hear(request).await;
        }
        #[cfg(feature = "trials")]
        crate::trials::break_down_if_asked(request.uri().path());
        self.serve(&gateway, forward::restored(request)).await
    }

    async fn serve(&self, gateway: &Gateway, mut request: Request<Body>) -> Response {
        let (slot, opening) = (Slot::default(), Opening::of(&request));
        request.extensions_mut().insert(slot.clone());
        let mut response = gateway.answer(request).await;
        if let Some(serve) = slot.take() {
            let Ok(pair) = WebSocketPair::new() else {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return response;
            };
            let tag = WorkerEntropy.ids(WorkerClock::new().now()).draw_text();
            self.0.state.accept_websocket_with_tags(&pair.server, &[&tag]);
            if let Err(error) = pair.server.serialize_attachment(&opening) {
                tracing::warn!(%error, "a socket will not be gone on with when its object sleeps");
            }
            let frames = self.0.sockets.listen(&tag);
            self.0.sockets.begin(tag, pair.server, frames, serve);
            response.extensions_mut().insert(pair.client);
            self.look_later();
        } else if is_stream(&response) {
            self.look_later();
        }
        response
    }

    /// The gateway of the object. A new one begins with the sockets that were open before.
    async fn gateway(&self) -> std::result::Result<Rc<Gateway>, Response> {
        if let Some(gateway) = self.0.gateway.borrow().clone() {
            return Ok(gateway);
        }
        let made = Gateway::of_object(&self.0.env, self.0.name.clone(), self.0.alarm.clone());
        let gateway = Rc::new(made.map_err(|error| unavailable(&error))?);
        *self.0.gateway.borrow_mut() = Some(gateway.clone());
        Keep::object().spawn(gateway.clone().start_work());
        if let ObjectName::Session(id) = &self.0.name {
            Keep::object().spawn(gateway.clone().await_runner(id.clone()));
        }
        let sleepers = self.0.sleepers.take();
        for sleeper in sleepers {
            self.wake(&gateway, sleeper).await;
        }
        Ok(gateway)
    }

    async fn wake(&self, gateway: &Gateway, sleeper: Sleeper) {
        let slot = Slot::default();
        if let Ok(mut request) = sleeper.opening.request() {
            request.extensions_mut().insert(slot.clone());
            request.extensions_mut().insert(Uncounted);
            gateway.answer(request).await;
        }
        match slot.take() {
            Some(serve) => {
                self.0.sockets.begin(sleeper.tag, sleeper.socket, sleeper.frames, serve);
                self.look_later();
            }
            None => {
                self.0.sockets.closed(&sleeper.tag);
                close(&sleeper.socket, CLOSE_POLICY, "Access was withdrawn");
            }
        }
    }

    fn look_later(&self) {
        if self.0.alarm.look().is_none() {
            self.0.alarm.at_look(Some(WorkerClock::new().now().plus(LOOK)));
        }
    }

    /// Its time has come: the session is asked, and those with open sockets are looked at.
    pub(crate) async fn alarm(&self) -> Result<worker::Response> {
        self.0.alarm.rang();
        let work = async {
            let Ok(gateway) = self.gateway().await else { return };
            if let ObjectName::Session(id) = &self.0.name {
                self.0.alarm.at_deadline(gateway.ask(id).await);
            }
            if !self.0.sockets.is_empty() || gateway.is_watched() {
                gateway.check_sign_ins().await;
                self.look_later();
            }
        };
        Keep::object().run(work).await;
        worker::Response::empty()
    }

    /// A frame came over one of its sockets.
    pub(crate) async fn message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let frame = match message {
            WebSocketIncomingMessage::String(text) => Incoming::Text(text),
            WebSocketIncomingMessage::Binary(bytes) => Incoming::Binary(bytes),
        };
        let is_taken = self.tag(&socket).is_some_and(|tag| self.0.sockets.came(&tag, frame));
        if !is_taken {
            close(&socket, CLOSE_PROTOCOL, "The frame is too large, or too many wait");
        }
        // Whatever waits is dealt with once the object is awake.
        Keep::object().run(self.gateway()).await.ok();
        Ok(())
    }

    /// One of its sockets was closed by the peer, or broke.
    pub(crate) fn closed(&self, socket: &WebSocket) {
        if let Some(tag) = self.tag(socket) {
            self.0.sockets.closed(&tag);
        }
        let _ = socket.close::<&str>(None, None);
    }

    fn tag(&self, socket: &WebSocket) -> Option<String> {
        self.0.state.get_tags(socket).into_iter().next()
    }
}

/// A socket that was open when the object fell asleep; none if the peer has to come back.
fn sleeper(state: &State, sockets: &Sockets, socket: WebSocket) -> Option<Sleeper> {
    let tag = state.get_tags(&socket).into_iter().next();
    let opening = socket.deserialize_attachment::<Opening>().ok().flatten().filter(|opening| !opening.comes_back());
    match (tag, opening) {
        (Some(tag), Some(opening)) => {
            let frames = sockets.listen(&tag);
            Some(Sleeper { tag, socket, opening, frames })
        }
        _ => {
            close(&socket, CLOSE_RESTART, "The gateway was asleep");
            None
        }
    }
}

/// Whether events are told with the answer for as long as the caller listens.
fn is_stream(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|of| of.as_bytes().starts_with(b"text/event-stream"))
}

fn close(socket: &WebSocket, code: u16, reason: &str) {
    // One that is closed already stays so.
    let _ = socket.close(Some(code), Some(reason));
}
