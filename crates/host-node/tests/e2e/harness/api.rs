//! The gateway's HTTP API as a client sees it.

use std::net::SocketAddr;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::PATIENCE;
use super::host::WorkerFiles;
use super::session::Session;

/// A caller with a key.
#[derive(Clone)]
pub(crate) struct Api {
    address: SocketAddr,
    /// Where sessions are opened, and so where their agents are.
    home: SocketAddr,
    /// Whether several gateways serve, between which hints may be lost.
    has_neighbours: bool,
    key: String,
    http: Client,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        let mut http = Client::builder().no_proxy().timeout(PATIENCE);
        if WorkerFiles::find().is_some() {
            // workerd closes connections that rest for a few seconds, also while a request is on its way.
            http = http.pool_max_idle_per_host(0);
        }
        let http = http.build().unwrap();
        Self { address, home: address, has_neighbours: false, key: key.to_owned(), http }
    }

    /// The same caller, who talks to another gateway about sessions that are opened at this one.
    pub(crate) fn through(self, address: SocketAddr) -> Self {
        Self { address, ..self }.with_neighbours()
    }

    /// The same caller of one of several gateways.
    pub(crate) fn with_neighbours(self) -> Self {
        Self { has_neighbours: true, ..self }
    }

    /// Whether hints may be lost between gateways.
    pub(crate) fn has_neighbours(&self) -> bool {
        self.has_neighbours
    }

    /// The same caller with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// A request with the caller's key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(&self.key)
    }

    /// A request without a key.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        send(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        send(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        send(self.request(Method::DELETE, path)).await
    }

    /// A session with the built-in agent.
    pub(crate) async fn demo_session(&self) -> Session {
        self.session(json!({"workspace": "test", "agent": "demo"})).await
    }

    /// A session with that agent.
    pub(crate) async fn session_with(&self, agent: &str) -> Session {
        self.session(json!({"workspace": "test", "agent": agent})).await
    }

    /// A session as that body asks for.
    pub(crate) async fn session(&self, body: Value) -> Session {
        let at_home = Self { address: self.home, ..self.clone() };
        let opened = at_home.post("/api/sessions", &body).await.expect(201);
        Session::new(self.clone(), opened["session"]["id"].as_str().unwrap())
    }
}

/// Sends a request to a gateway that is there.
pub(crate) async fn send(request: RequestBuilder) -> Reply {
    try_send(request).await.unwrap()
}

/// Sends a request to a gateway that may be gone.
pub(crate) async fn try_send(request: RequestBuilder) -> Result<Reply, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Reply { status, headers, text: response.text().await? })
}

impl Reply {
    /// The body of a response with that status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The body of a refusal with that status and code; checks what all refusals have in common.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert_eq!(body["requestId"], self.header("x-request-id"), "{body}");
        body
    }

    /// A header that must be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        value.to_str().unwrap()
    }
}
