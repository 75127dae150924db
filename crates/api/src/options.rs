//! What a host decides about the api.

use std::fmt;
use std::sync::Arc;

use axum::response::Response;
use http::request::Parts;
use portway_ports::system::{Clock, Entropy};

/// Body limit of operations that set none, in bytes.
pub const DEFAULT_BODY_BYTES: usize = 1024 * 1024;

/// Answers requests for paths that are in no table, such as the files of a web console; `None` means *not found*.
pub type Fallback = Arc<dyn Fn(&Parts) -> Option<Response> + Send + Sync>;

/// Put by the host on each request as an extension: who is at the other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Whether the connection comes from this very machine.
    pub loopback: bool,
}

/// What a host decides about the api. [`ApiOptions::new`] gives safe values.
#[derive(Clone)]
pub struct ApiOptions {
    /// Title of the published description.
    pub title: String,
    /// Version of the published description.
    pub version: String,
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
    /// Where the time of each request comes from.
    pub clock: Arc<dyn Clock>,
    /// Where the ids of each request come from.
    pub entropy: Arc<dyn Entropy>,
    /// Who answers for paths that are in no table.
    pub fallback: Option<Fallback>,
}

impl ApiOptions {
    /// Loopback names only, the development servers of the web client as origins, 1 MiB bodies.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            title: "Portway".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            public_url: None,
            allowed_hosts: Vec::new(),
            allowed_origins: ["http://localhost:5173", "http://localhost:4173"].map(str::to_owned).to_vec(),
            max_body_bytes: DEFAULT_BODY_BYTES,
            clock,
            entropy,
            fallback: None,
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
            .finish_non_exhaustive()
    }
}
