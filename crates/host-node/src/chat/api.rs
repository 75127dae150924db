//! The REST calls of the chat.

mod error;

use std::time::Duration;

use portway_domain::ids::SessionId;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use self::error::ApiError;

use self::error::{of_session, refused, unreachable, unreadable};
use super::key::Key;
use super::server::Server;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a whole request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long ending a session may take: somebody waits to get away.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Most sessions of a status that are listed.
const MAX_LISTED: usize = 10;

/// Statuses of sessions that count against the quota.
const ACTIVE: [&str; 2] = ["running", "initializing"];

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A new session.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(super) struct NewSession {
    /// A name for what is worked on; 1 to 100 characters.
    pub(super) workspace: String,
    /// Name of a configured agent; the gateway's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<String>,
    /// The folder to work in; one of its own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<String>,
}

/// A session in a list.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedSession {
    /// Its id.
    pub(super) id: SessionId,
    /// Its title, if it has one.
    pub(super) title: Option<String>,
    /// What is worked on.
    pub(super) workspace: String,
    /// When something happened in it last, as RFC 3339.
    pub(super) last_active_at: String,
}

/// The gateway, as one key sees it.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: Client,
    server: Server,
    key: Key,
}

#[derive(Deserialize)]
struct Created {
    session: CreatedSession,
}

#[derive(Deserialize)]
struct CreatedSession {
    id: SessionId,
}

#[derive(Deserialize)]
struct Listed {
    sessions: Vec<ListedSession>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    message_id: String,
}

impl Api {
    /// A client of that gateway.
    ///
    /// # Errors
    /// [`ApiError::Unreadable`] when the system's certificates cannot be used.
    pub(super) fn new(server: Server, key: Key) -> Result<Self, ApiError> {
        Ok(Self { http: client(&server)?, server, key })
    }

    /// The address of the gateway.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// The key.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Opens a session.
    ///
    /// # Errors
    /// What the gateway says.
    pub(super) async fn open(&self, new: &NewSession) -> Result<SessionId, ApiError> {
        let request = self.request(Method::POST, &["api", "sessions"])?.json(new);
        let created: Created = self.call(request).await?;
        Ok(created.session.id)
    }

    /// Makes sure that a session is there.
    ///
    /// # Errors
    /// [`ApiError::NoSession`] when it is not.
    pub(super) async fn join(&self, id: &SessionId) -> Result<(), ApiError> {
        let request = self.request(Method::GET, &["api", "sessions", id.as_str()])?;
        let _: Value = self.call(request).await.map_err(|error| of_session(error, id))?;
        Ok(())
    }

    /// The user's own sessions that are active: the newest ones, of each active status.
    ///
    /// # Errors
    /// What the gateway says.
    pub(super) async fn active_sessions(&self) -> Result<Vec<ListedSession>, ApiError> {
        let mut active = Vec::new();
        for status in ACTIVE {
            let mut url = self.server.path(&["api", "sessions"]);
            url.set_query(Some(&format!("ownership=mine&status={status}&limit={MAX_LISTED}")));
            let listed: Listed = self.call(self.request_to(Method::GET, url)?).await?;
            active.extend(listed.sessions);
        }
        Ok(active)
    }

    /// Ends a session. One that has ended already stays as it is.
    ///
    /// # Errors
    /// [`ApiError::NoSession`] when there is none that this key may end.
    pub(super) async fn terminate(&self, id: &SessionId) -> Result<(), ApiError> {
        let request = self.request(Method::DELETE, &["api", "sessions", id.as_str()])?.timeout(END_TIMEOUT);
        let _: Value = self.call(request).await.map_err(|error| of_session(error, id))?;
        Ok(())
    }

    /// Says something to the agent; answers the id of the message. The same `key` never says it twice.
    ///
    /// # Errors
    /// What the gateway says.
    pub(super) async fn prompt(&self, id: &SessionId, key: &str, content: &str) -> Result<String, ApiError> {
        let request = self.request(Method::POST, &["api", "sessions", id.as_str(), "messages"])?;
        let request = request.header("idempotency-key", key).json(&json!({ "content": content }));
        let accepted: Accepted = self.call(request).await.map_err(|error| of_session(error, id))?;
        Ok(accepted.message_id)
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, ApiError> {
        self.request_to(method, self.server.path(path))
    }

    fn request_to(&self, method: Method, url: Url) -> Result<RequestBuilder, ApiError> {
        let mut key = HeaderValue::from_str(&self.key.header())
            .map_err(|_| ApiError::Unauthorized { server: self.server.to_string() })?;
        key.set_sensitive(true);
        Ok(self.http.request(method, url).header(AUTHORIZATION, key))
    }

    async fn call<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ApiError> {
        let response = request.send().await.map_err(|error| unreachable(&self.server, &error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(refused(&self.server, status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| unreadable(&self.server, &error.to_string()))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ApiError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&self.server, &error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(unreadable(&self.server, "it is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Whether a gateway answers at all.
///
/// # Errors
/// [`ApiError::Unreachable`] when none does.
pub(super) async fn probe(server: &Server) -> Result<(), ApiError> {
    client(server)?.get(server.path(&["health"])).send().await.map(|_| ()).map_err(|error| unreachable(server, &error))
}

fn client(server: &Server) -> Result<Client, ApiError> {
    // An error means that a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if !server.is_encrypted() {
        // A machine without any certificates must do for this.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| unreadable(server, &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::exit::Exit;

    #[tokio::test]
    async fn a_silent_address_is_no_gateway() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Server::parse(&format!("http://{free}")).unwrap();
        let error = probe(&server).await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unreachable);
        assert!(error.is_passing());
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("No gateway answers at http://{free}. Start one with `portway serve`")),
            "{text}"
        );
    }
}
