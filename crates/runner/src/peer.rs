//! The agent as a JSON-RPC peer.

use std::collections::VecDeque;

use serde_json::Value;

use crate::agent::{Agent, Output, Stalled};
use crate::config::Config;
use crate::jsonrpc::{self, Incoming, RpcError};

/// Lines without JSON that an agent may write before it counts as broken.
const MAX_GARBAGE: usize = 1000;

/// An agent that is spoken to.
pub(crate) struct Peer {
    agent: Agent,
    last_request: u64,
    ready: VecDeque<Incoming>,
    garbage: usize,
    broken: Option<String>,
}

/// What came from the agent.
pub(crate) enum Heard {
    /// A message.
    Message(Incoming),
    /// The process is gone; this is why.
    Ended(String),
}

impl Peer {
    /// Starts the agent.
    ///
    /// # Errors
    /// What is wrong and what to do about it, for people.
    pub(crate) fn spawn(config: &Config) -> Result<Self, String> {
        Ok(Self { agent: Agent::spawn(config)?, last_request: 0, ready: VecDeque::new(), garbage: 0, broken: None })
    }

    /// What comes next. A call that is dropped before it is ready loses nothing.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Heard::Message(message);
            }
            match self.agent.next().await {
                Output::Line(line) => self.read(&line),
                Output::Ended(reason) => {
                    if self.garbage > 0 {
                        tracing::info!(lines = self.garbage, "the agent wrote lines without JSON");
                    }
                    return Heard::Ended(self.broken.take().unwrap_or(reason));
                }
            }
        }
    }

    fn read(&mut self, line: &[u8]) {
        if self.broken.is_some() || line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match jsonrpc::parse(line) {
            Some(messages) => self.ready.extend(messages),
            None => {
                self.garbage += 1;
                if self.garbage == 1 {
                    tracing::warn!(bytes = line.len(), "ignoring a line without JSON");
                }
                if self.garbage > MAX_GARBAGE {
                    self.give_up(format!("it wrote more than {MAX_GARBAGE} lines without JSON"));
                }
            }
        }
    }

    /// Ends the agent; `reason` is reported once it is gone.
    pub(crate) fn give_up(&mut self, reason: String) {
        self.broken.get_or_insert(reason);
        self.agent.stop();
    }

    /// Sends a request and returns its number.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.last_request += 1;
        self.send(jsonrpc::request(self.last_request, method, params));
        self.last_request
    }

    pub(crate) fn notify(&mut self, method: &str, params: &Value) {
        self.send(jsonrpc::notification(method, params));
    }

    /// Answers the agent's request of that id.
    pub(crate) fn answer(&mut self, id: &Value, outcome: Result<Value, RpcError>) {
        self.send(jsonrpc::answer(id, outcome));
    }

    fn send(&mut self, line: String) {
        if let Err(Stalled) = self.agent.send(line) {
            self.give_up(Stalled.to_string());
        }
    }

    /// Ends the agent and waits until it is gone.
    pub(crate) async fn end(self) {
        self.agent.end().await;
    }

    /// What the agent said last on stderr, as a further sentence, or nothing.
    pub(crate) fn last_words(&self) -> String {
        match self.agent.stderr_tail() {
            tail if tail.is_empty() => String::new(),
            tail => format!(" Its last words: {tail}"),
        }
    }
}
