//! The client of the demo agent, on stdout.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::jsonrpc::{self, INTERNAL_ERROR, RpcError};

type Answers = HashMap<u64, oneshot::Sender<Result<Value, RpcError>>>;

/// Sends messages and matches answers with requests.
pub(super) struct Client {
    /// Real agents number from 0, and so does this one.
    next_request: AtomicU64,
    waiting: Mutex<Answers>,
}

impl Client {
    pub(super) fn new() -> Self {
        Self { next_request: AtomicU64::new(0), waiting: Mutex::default() }
    }

    /// Writes a line, JSON or not. It blocks, so that a turn that is cancelled leaves no half line behind.
    pub(super) fn line(&self, mut line: String) {
        line.push('\n');
        let mut stdout = std::io::stdout().lock();
        // Without a client there is nobody to tell; stdin ends soon.
        let _ = stdout.write_all(line.as_bytes());
        let _ = stdout.flush();
    }

    pub(super) fn answer(&self, id: &Value, outcome: Result<Value, RpcError>) {
        self.line(jsonrpc::answer(id, outcome));
    }

    pub(super) fn update(&self, session: &str, update: Value) {
        let params = json!({"sessionId": session, "update": update});
        self.line(jsonrpc::notification("session/update", &params));
    }

    /// A piece of the agent's message.
    pub(super) fn say(&self, session: &str, text: &str) {
        let content = json!({"type": "text", "text": text});
        let update = json!({"sessionUpdate": "agent_message_chunk", "content": content});
        self.update(session, update);
    }

    /// Asks the client and waits for its answer.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let id = self.next_request.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting().insert(id, sender);
        self.line(jsonrpc::request(id, method, &params));
        receiver.await.unwrap_or_else(|_| Err(RpcError::new(INTERNAL_ERROR, "no answer")))
    }

    /// The client answered.
    pub(super) fn answered(&self, id: u64, outcome: Result<Value, RpcError>) {
        if let Some(sender) = self.waiting().remove(&id) {
            // Whoever asked may have been cancelled.
            let _ = sender.send(outcome);
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
