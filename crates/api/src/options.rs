//! What a host decides about the api.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Method, Request, Response};
use portway_ports::system::{Clock, Entropy, Spawner};

use crate::kept_answers::KeptAnswers;
use crate::mcp::{McpFeatures, McpSessions};
use crate::metrics::MetricsOptions;
use crate::rate::RateLimiting;

/// Body limit of operations that set none, in bytes.
pub const DEFAULT_BODY_BYTES: usize = 1024 * 1024;

/// Time for a whole body unless a host chooses another.
const DEFAULT_BODY_TIME: Duration = Duration::from_secs(30);

/// Answers requests for paths that are in no table, such as the files of a web console; `None` means *not found*.
pub type Fallback = Arc<dyn Fn(&Parts) -> Option<Response<Body>> + Send + Sync>;

/// Has another instance of the gateway answer a request; `None` if it does not, or with another status than 200. Of its
/// headers it takes [`RATE_HEADERS`](crate::RATE_HEADERS).
pub type Ask = Box<dyn FnOnce(Request<String>) -> BoxFuture<'static, Option<Response<Bytes>>> + Send>;

/// Finds the instance that answers requests with a method and a path, where that has to be a particular other one. A host
/// sends it what comes over REST by itself; calls of other surfaces are sent by the api. Whoever answers a call counts it.
pub type Elsewhere = Arc<dyn Fn(&Method, &str) -> Option<Ask> + Send + Sync>;

/// Put by the host on each request as an extension: who is at the other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Whether the connection comes from this very machine.
    pub loopback: bool,
    /// Where the request comes from, as far as its limits go: the other end of the connection, or whom a proxy names that
    /// the host trusts. Of requests without it all strangers share one limit.
    pub address: Option<IpAddr>,
}

/// Stands as an extension on a request that was counted before: one that the host makes for a socket that was open before, to
/// go on with it, and a call that another instance has counted and sends on. Only the host may put it there, or the api on
/// what it sends to another instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uncounted;

/// What is offered over the Model Context Protocol, and to whom.
#[derive(Clone)]
pub struct McpOptions {
    /// Where the sessions of clients are kept, and who callers are.
    pub sessions: Arc<dyn McpSessions>,
    /// What is offered besides the operations, transcripts and the reference.
    pub features: Vec<Arc<dyn McpFeatures>>,
}

/// What a host decides about the api. [`ApiOptions::new`] gives safe values.
#[derive(Clone)]
pub struct ApiOptions {
    /// Title of the published description.
    pub title: String,
    /// Version of the published description.
    pub version: String,
    /// The published description of the tables, as [`document`](crate::document) gives it. Without it the description is
    /// made from the tables, for which the feature `schemas` has to be on.
    pub description: Option<&'static str>,
    /// Scheme and authority under which callers reach the gateway, such as `https://gateway.example.com`. Without it
    /// the `Host` header of each request is taken, with `http`.
    pub public_url: Option<String>,
    /// Host names that are answered, without port, besides the loopback names and the public one. `*.example.com`
    /// stands for every name below `example.com`, and `*` for any name at all.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call, besides the gateway's own: `scheme://host[:port]`, where the host may begin with
    /// `*.`.
    pub allowed_origins: Vec<String>,
    /// Most bytes of a body, where the operation sets no limit of its own.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive, from its first byte to its last.
    pub body_timeout: Duration,
    /// Whether each request is logged: at level INFO under the target `portway::access`, those of probes at DEBUG.
    pub access_log: bool,
    /// Who may read `/metrics`, and what it tells besides requests and sockets.
    pub metrics: MetricsOptions,
    /// How often callers may call. Without it they may as often as they like.
    pub rates: Option<RateLimiting>,
    /// Where the time of each request comes from.
    pub clock: Arc<dyn Clock>,
    /// Where the ids of each request come from.
    pub entropy: Arc<dyn Entropy>,
    /// Carries what changes something out to its end, whether or not its caller is still there. It starts at once: callers wait
    /// for it.
    pub spawner: Arc<dyn Spawner>,
    /// Who answers for paths that are in no table.
    pub fallback: Option<Fallback>,
    /// Where answers are kept under idempotency keys; without it, only operations that keep their results take them.
    pub kept_answers: Option<Arc<dyn KeptAnswers>>,
    /// Which other instance answers a call; `None` where every instance answers all.
    pub elsewhere: Option<Elsewhere>,
    /// What is offered over the Model Context Protocol; nothing without it.
    pub mcp: Option<McpOptions>,
}

impl ApiOptions {
    /// Loopback names only, the development servers of the web client as origins, bodies of 1 MiB within 30 seconds, a log
    /// line for each request.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, spawner: Arc<dyn Spawner>) -> Self {
        Self {
            title: "Portway".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: None,
            public_url: None,
            allowed_hosts: Vec::new(),
            allowed_origins: ["http://localhost:5173", "http://localhost:4173"].map(str::to_owned).to_vec(),
            max_body_bytes: DEFAULT_BODY_BYTES,
            body_timeout: DEFAULT_BODY_TIME,
            access_log: true,
            metrics: MetricsOptions::default(),
            rates: None,
            clock,
            entropy,
            spawner,
            fallback: None,
            kept_answers: None,
            elsewhere: None,
            mcp: None,
        }
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions")
            .field("public_url", &self.public_url)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("allowed_origins", &self.allowed_origins)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("body_timeout", &self.body_timeout)
            .field("access_log", &self.access_log)
            .field("metrics", &self.metrics)
            .field("rates", &self.rates)
            .finish_non_exhaustive()
    }
}
