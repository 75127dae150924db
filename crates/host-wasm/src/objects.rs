//! The classes of Durable Objects.
#![expect(missing_docs, reason = "what the macro makes of a class has no documentation")]

use portway_adapters_cloudflare::{CallerObject, ObjectName};
use portway_domain::ids::SessionId;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage, durable_object,
    wasm_bindgen,
};

use crate::object::Object;

/// One for each session: it has the sockets of the session, and steps it.
#[durable_object]
pub struct SessionAgent(Class);

impl DurableObject for SessionAgent {
    fn new(state: State, env: Env) -> Self {
        let name = state.id().name().unwrap_or_default();
        let name = SessionId::parse(name).map(ObjectName::Session).map_err(|error| error.to_string());
        Self(Class(name.map(|name| Object::new(state, env, name))))
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.object()?.fetch(request).await
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.object()?.alarm().await
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        self.0.object()?.message(socket, message).await
    }

    async fn websocket_close(&self, socket: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        self.0.object()?.closed(&socket);
        Ok(())
    }

    async fn websocket_error(&self, socket: WebSocket, _: Error) -> Result<()> {
        self.0.object()?.closed(&socket);
        Ok(())
    }
}

/// One for all users: it has the sockets for everything of one's own.
#[durable_object]
pub struct EventBus(Class);

impl DurableObject for EventBus {
    fn new(state: State, env: Env) -> Self {
        Self(Class(Ok(Object::new(state, env, ObjectName::Users))))
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.object()?.fetch(request).await
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.object()?.alarm().await
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        self.0.object()?.message(socket, message).await
    }

    async fn websocket_close(&self, socket: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        self.0.object()?.closed(&socket);
        Ok(())
    }

    async fn websocket_error(&self, socket: WebSocket, _: Error) -> Result<()> {
        self.0.object()?.closed(&socket);
        Ok(())
    }
}

/// One for each caller, where callers are limited: it knows what that caller has left.
#[durable_object(fetch)]
pub struct RateLimiter(CallerObject);

impl DurableObject for RateLimiter {
    fn new(_: State, _: Env) -> Self {
        Self(CallerObject::new())
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }
}

/// An object, or why it is none.
struct Class(std::result::Result<Object, String>);

impl Class {
    fn object(&self) -> Result<&Object> {
        self.0.as_ref().map_err(|problem| Error::RustError(problem.clone()))
    }
}
