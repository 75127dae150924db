//! The REST calls of the chat.

use std::time::Duration;

use portway_domain::ids::SessionId;
use reqwest::{Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Connection;
use crate::client::error::{ApiError, of_session, refused, unreadable};
use crate::client::key::Key;
use crate::client::server::Server;

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
pub(super) struct Api(Connection);

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
    /// Over that connection.
    pub(super) fn new(connection: Connection) -> Self {
        Self(connection)
    }

    /// The address of the gateway.
    pub(super) fn server(&self) -> &Server {
        self.0.server()
    }

    /// The key.
    pub(super) fn key(&self) -> &Key {
        self.0.key()
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
            let mut url = self.server().path(&["api", "sessions"]);
            url.set_query(Some(&format!("ownership=mine&status={status}&limit={MAX_LISTED}")));
            let listed: Listed = self.call(self.0.request(Method::GET, url)?).await?;
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
        self.0.request(method, self.server().path(path))
    }

    async fn call<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ApiError> {
        let response = self.0.send(request).await?;
        let status = response.status();
        let body = self.0.body(response, MAX_ANSWER).await?;
        if !status.is_success() {
            return Err(refused(self.server(), status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| unreadable(self.server(), &error.to_string()))
    }
}
