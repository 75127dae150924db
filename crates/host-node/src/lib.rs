//! Portway in a program of one's own: a gateway for coding-agent sessions as a [`tower::Service`]. The binary `portway` is
//! this crate with a command line.
//!
//! # In four steps
//!
//! 1. Call [`run_if_child`] first in `main`: agents run beside the gateway as processes, and each has a *runner* at its
//!    side, which is the same program started anew. (Or name another program with [`GatewayBuilder::runner`].)
//! 2. Decide with [`Gateway::builder`] where data is kept and which agents there are, and build. The builder says all
//!    that is wrong at once.
//! 3. Let [`Gateway::run`] do its work, on a task of the program's choice. Nothing runs in the background before that.
//! 4. Serve [`Gateway::service`], alone or as the fallback of an axum application, and [`Gateway::stop`] in the end.
//!
//! ```no_run
//! use std::error::Error;
//! use std::net::SocketAddr;
//! use std::process::ExitCode;
//!
//! use axum::Router;
//! use axum::routing::get;
//! use portway::Gateway;
//! use portway::ports::sandboxes::AgentCommand;
//! use tower::util::MapRequestLayer;
//!
//! fn main() -> ExitCode {
//!     if let Some(code) = portway::run_if_child() {
//!         return code;
//!     }
//!     if application().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
//! }
//!
//! #[tokio::main]
//! async fn application() -> Result<(), Box<dyn Error>> {
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     let gateway = Gateway::builder()
//!         .data_folder("/var/lib/my-application/portway")
//!         .agent("gemini", AgentCommand::new(["gemini", "--acp"]))
//!         .gateway_address(listener.local_addr()?)
//!         .build()
//!         .await?;
//!     let work = tokio::spawn(gateway.run());
//!     if let Some(key) = gateway.first_key() {
//!         println!("the first administrator's key: {}", key.reveal());
//!     }
//!     let app = Router::new()
//!         .route("/hello", get(async || "hello"))
//!         .fallback_service(gateway.service())
//!         .layer(MapRequestLayer::new(portway::note_peer));
//!     axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
//!         .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
//!         .await?;
//!     gateway.stop().await;
//!     Ok(work.await?)
//! }
//! ```
//!
//! # What the server around it has to do
//!
//! * Serve the service at its root: its paths are `/api/…`, `/health`, `/ready`, `/openapi.json` and `/docs`, and runners
//!   look for them there. Routes of the application win over those of the gateway.
//! * Leave hyper's upgrade on requests, as `axum::serve` does: sessions are watched over WebSockets.
//! * Say who is at the other end, if callers on the same machine are to count as such: see [`note_peer`]. By default
//!   nobody does.
//! * Limit connections, and the time that a peer may take to send the head of a request. The gateway itself limits bodies
//!   and frames. Requests under names other than loopback ones are refused until
//!   [`public_url`](GatewayBuilder::public_url) or [`allowed_hosts`](GatewayBuilder::allowed_hosts) names them.
//!
//! What happens is told by `tracing` events; the program decides who listens.
//!
//! # In a test
//!
//! With `sqlite::memory:` and [`sandboxes`](GatewayBuilder::sandboxes) of the test's own, a gateway touches no disk, starts no
//! process and needs no server: requests go straight into the service, and [`Gateway::services`] has the same use cases
//! as plain calls. The example `in_memory.rs` of this crate adds an agent that follows a script.
//!
//! ```
//! # use std::sync::Arc;
//! # use portway::ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
//! # struct NoSandboxes;
//! # #[async_trait::async_trait]
//! # impl Sandboxes for NoSandboxes {
//! #     async fn start(&self, _: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
//! #         Err(SandboxError::Refused("there are none".to_owned()))
//! #     }
//! #     async fn stop(&self, _: &SandboxRef) -> Result<(), SandboxError> { Ok(()) }
//! #     async fn is_alive(&self, _: &SandboxRef) -> Result<bool, SandboxError> { Ok(false) }
//! #     async fn ended(&self, _: &SandboxRef) -> String { "it never was".to_owned() }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::body::Body;
//! use axum::http::{Request, StatusCode};
//! use tower::ServiceExt;
//!
//! let gateway = portway::Gateway::builder()
//!     .database("sqlite::memory:")
//!     .sandboxes(Arc::new(NoSandboxes))
//!     .agent("mine", AgentCommand::new(["mine"]))
//!     .build()
//!     .await?;
//! let key = gateway.first_key().ok_or("a new gateway has one")?.reveal();
//! let list = Request::get("/api/sessions")
//!     .header("host", "localhost")
//!     .header("authorization", format!("Bearer {key}"))
//!     .body(Body::empty())?;
//! let response = gateway.service().oneshot(list).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! # gateway.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where what is
//!
//! * [`gateway`]: everything put together; this crate alone knows which adapters are used.
//! * [`services`]: the use cases. [`ports`]: what they need from the world, among it sandboxes. [`domain`]: what they
//!   decide, and the types that all of them speak of. [`api`]: the use cases over HTTP.
//! * [`cli`], [`config`], [`serve`], [`sandbox`], [`chat`], [`data_folder`], [`logging`]: the binary `portway`.

pub mod agents;
pub mod call;
pub mod chat;
mod child;
pub mod cli;
mod client;
pub mod config;
mod connection;
pub mod data_folder;
pub mod db;
pub mod doctor;
pub mod gateway;
mod http_client;
mod lingering;
pub mod logging;
pub mod mcp;
mod peer;
mod process_metrics;
mod proxies;
mod remote_sandboxes;
mod runtime;
pub mod sandbox;
mod secret_file;
pub mod serve;
mod terminal_text;
mod web_socket;
mod wire;

pub use child::run_if_child;
pub use gateway::{Gateway, GatewayBuilder, OptionError, StartError};
pub use peer::note_peer;
pub use proxies::{InvalidProxy, TrustedProxies};
#[doc(no_inline)]
pub use {portway_api as api, portway_domain as domain, portway_ports as ports, portway_services as services};
