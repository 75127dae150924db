//! A review in a conversation of its own: nothing of it reaches the session's.

use std::time::Instant;

use portway_protocol::requests::{DiffData, RunnerResponse};
use serde_json::{Value, json};

use crate::acp::{StopReason, Update};
use crate::config::Config;
use crate::jsonrpc::RpcError;
use crate::peer::Peer;
use crate::requests::{PATIENCE, Reply};
use crate::review;

/// Longest answer of the agent that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// A review that is under way; dropped, it is answered with the end of the agent.
pub(crate) struct Reviewing {
    of: DiffData,
    reply: Reply,
    mode: Option<String>,
    step: Step,
    /// Our request that is open.
    request: u64,
    /// The agent's own name of the conversation, once there is one.
    conversation: Option<String>,
    answer: String,
    /// When it is given up.
    pub(crate) deadline: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    New,
    SetMode,
    Prompt,
}

impl Reviewing {
    /// Opens the conversation.
    pub(crate) fn begin(peer: &mut Peer, config: &Config, of: DiffData, reply: Reply) -> Self {
        let workspace = config.workspace.to_string_lossy();
        Self {
            of,
            reply,
            mode: config.agent.mode.clone(),
            step: Step::New,
            request: peer.request("session/new", &json!({"cwd": workspace, "mcpServers": []})),
            conversation: None,
            answer: String::new(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// The agent's own name of the conversation.
    pub(crate) fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }

    /// Whether the answer to that request of ours is for it.
    pub(crate) fn waits_for(&self, request: u64) -> bool {
        self.request == request
    }

    /// The agent did something in the conversation.
    pub(crate) fn heard(&mut self, update: Update) {
        if let Update::Message(content) = update
            && let Some(text) = content.into_text()
            && self.answer.len() + text.len() <= MAX_ANSWER
        {
            self.answer.push_str(&text);
        }
    }

    /// The open request was answered; `None` when that was the last.
    pub(crate) fn answered(mut self, peer: &mut Peer, outcome: Result<Value, RpcError>) -> Option<Self> {
        let result = match outcome {
            Ok(result) => result,
            Err(error) => {
                self.fail("NOT_AVAILABLE", format!("The agent does not review beside its conversation: {error}"));
                return None;
            }
        };
        match self.step {
            Step::New => {
                let Some(id) = result["sessionId"].as_str() else {
                    self.fail("INTERNAL_ERROR", "The agent opened a conversation without an id".to_owned());
                    return None;
                };
                self.conversation = Some(id.to_owned());
                match self.mode.take().filter(|mode| result["modes"]["currentModeId"] != mode.as_str()) {
                    Some(mode) => {
                        self.step = Step::SetMode;
                        self.request = peer.request("session/set_mode", &json!({"sessionId": id, "modeId": mode}));
                    }
                    None => self.ask(peer),
                }
                Some(self)
            }
            Step::SetMode => {
                self.ask(peer);
                Some(self)
            }
            Step::Prompt => {
                self.end(&StopReason::decode(&result));
                None
            }
        }
    }

    fn ask(&mut self, peer: &mut Peer) {
        self.step = Step::Prompt;
        let blocks = json!([{"type": "text", "text": review::question(&self.of)}]);
        self.request = peer.request("session/prompt", &json!({"sessionId": self.conversation, "prompt": blocks}));
    }

    fn end(self, reason: &StopReason) {
        match review::read(&self.answer, &self.of) {
            Some(data) => {
                let _ = self.reply.send(RunnerResponse::Review { data, of: self.of });
            }
            None if *reason == StopReason::EndTurn => {
                self.fail("INTERNAL_ERROR", "The agent answered, but not with a review that can be read".to_owned());
            }
            None => self.fail("INTERNAL_ERROR", "The agent did not review the changes to the end".to_owned()),
        }
    }

    /// The agent is wanted for something else, or takes too long.
    pub(crate) fn give_up(self, peer: &mut Peer, why: &str) {
        if self.step == Step::Prompt {
            peer.notify("session/cancel", &json!({"sessionId": self.conversation}));
        }
        self.fail("CONFLICT", why.to_owned());
    }

    /// Whoever asked may be gone.
    fn fail(self, code: &str, error: String) {
        let _ = self.reply.send(RunnerResponse::Failed { code: code.to_owned(), error, of: Some(self.of) });
    }
}
