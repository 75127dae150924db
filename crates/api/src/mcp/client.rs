//! The client of a request, as those see it who answer the request.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use portway_domain::mcp::McpLogLevel;
use portway_ports::system::Clock;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::error::McpError;
use super::reply::notification;
use super::requests::Requests;
use super::revision::Revision;

/// How long a client may take to answer what it is asked.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where messages go that are sent while a request is answered. Nothing is made before the reader asks for it, so no more wait
/// than one step of the answer sends.
pub(crate) type Line = UnboundedSender<String>;

/// The client that sent a request. What is sent to it goes before the answer, as far as it can be sent: a client that takes
/// one answer only is sent nothing else.
#[derive(Clone)]
pub struct McpClient {
    pub(crate) revision: Revision,
    pub(crate) capabilities: Map<String, Value>,
    pub(crate) log_level: Option<McpLogLevel>,
    pub(crate) progress_token: Option<Value>,
    pub(crate) session: Option<String>,
    pub(crate) line: Option<Line>,
    pub(crate) requests: Arc<Requests>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl McpClient {
    /// Whether the client declared that capability, such as `sampling`.
    #[must_use]
    pub fn supports(&self, capability: &str) -> bool {
        self.capabilities.contains_key(capability)
    }

    /// The session that the request belongs to. Requests of clients without one stand by themselves: what they need from the
    /// client is a result of its own, which the client answers by asking again.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Tells how far the answer is, if the client wants to know. `progress` has to grow from one call to the next.
    pub fn progress(&self, progress: f64, total: Option<f64>) {
        let Some(token) = &self.progress_token else { return };
        let mut params = json!({ "progressToken": token, "progress": progress });
        if let Some(total) = total {
            params["total"] = json!(total);
        }
        self.send(&notification("notifications/progress", &params));
    }

    /// Sends a message for the client's log, if it wants those of that level.
    pub fn log(&self, level: McpLogLevel, data: &Value) {
        let wanted = match self.log_level {
            Some(wanted) => level >= wanted,
            // Without a level a session gets all; a request that stands by itself has to ask for them.
            None => !self.revision.is_stateless(),
        };
        if wanted {
            let params = json!({ "level": level.as_str(), "data": data });
            self.send(&notification("notifications/message", &params));
        }
    }

    /// Asks the client for something, such as `elicitation/create`, and waits for the result, up to ten minutes. Only clients
    /// with a session can be asked, and they have to answer to the same node.
    ///
    /// # Errors
    /// [`McpError::missing_capability`] if the client did not declare `capability` or cannot be asked; what the client itself
    /// says is wrong.
    pub async fn request(&self, capability: &str, method: &str, params: Value) -> Result<Value, McpError> {
        let (Some(session), Some(line)) = (&self.session, &self.line) else {
            return Err(McpError::missing_capability(capability));
        };
        if !self.supports(capability) {
            return Err(McpError::missing_capability(capability));
        }
        let asked = self.requests.ask(session);
        let request = json!({ "jsonrpc": "2.0", "id": asked.id(), "method": method, "params": params });
        let unanswered = || McpError::internal("the client did not answer");
        line.send(request.to_string()).map_err(|_| unanswered())?;
        match select(asked, self.clock.sleep(PATIENCE)).await {
            Either::Left((Some(Ok(result)), _)) => Ok(result),
            Either::Left((Some(Err(error)), _)) => {
                let message = error["message"].as_str().unwrap_or("for no reason").to_owned();
                Err(McpError::internal(format!("the client refused: {message}")))
            }
            Either::Left((None, _)) | Either::Right(_) => Err(unanswered()),
        }
    }

    fn send(&self, message: &Value) {
        if let Some(line) = &self.line {
            // Whoever does not read any more misses nothing.
            let _ = line.send(message.to_string());
        }
    }
}
