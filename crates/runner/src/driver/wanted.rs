//! What the agent is wanted for besides prompts.

use std::time::Instant;

use portway_protocol::requests::{DiffData, RunnerResponse};
use portway_protocol::runner::RunnerEvent;
use serde_json::Value;

use super::Driver;
use crate::acp;
use crate::jsonrpc::{INVALID_PARAMS, RpcError};
use crate::phase::{Phase, Starting, Up};
use crate::requests::{Reply, Want, Wanted, failed};
use crate::reviewing::Reviewing;

/// Most conversations beside the session's that are remembered.
const MAX_ASIDES: usize = 32;

/// Most commands that are named to somebody who named another.
const MAX_NAMED: usize = 50;

/// What is told when the agent cannot do anything else at the moment.
const BUSY: &str = "The agent is at work: wait for the end of the turn, or abort it";

impl Driver {
    /// Somebody waits for something of the agent.
    pub(super) fn want(&mut self, wanted: Wanted) {
        let Wanted { what, reply } = wanted;
        match what {
            Want::NewSession => self.renew(reply),
            // Whoever asked may be gone.
            Want::Command { name, arguments } => drop(reply.send(self.command(&name, arguments))),
            Want::Review { of } => self.review(of, reply),
        }
    }

    /// Begins a new conversation, if the agent has nothing to do.
    fn renew(&mut self, reply: Reply) {
        let is_free = self.is_free();
        self.phase = match std::mem::replace(&mut self.phase, Phase::Down(None)) {
            Phase::Up(Up { mut peer, mut handshake, .. }) if is_free => {
                let (method, params) = handshake.renew();
                let request = peer.request(method, &params);
                let deadline = Instant::now() + self.config.timing.start;
                Phase::Starting(Starting { peer, handshake, request, deadline, renewal: Some(reply) })
            }
            busy => {
                let _ = reply.send(failed("CONFLICT", BUSY));
                busy
            }
        };
    }

    /// The agent has a new conversation, which somebody may have waited for.
    pub(super) fn renewed(&mut self, waiting: Option<Reply>) {
        if let Some(waiting) = waiting {
            self.out.push(RunnerEvent::SessionReset {});
            let _ = waiting.send(RunnerResponse::Done { result: None });
        }
    }

    /// Whether the agent is up and has nothing to do.
    fn is_free(&self) -> bool {
        matches!(self.phase, Phase::Up(Up { turn: None, review: None, .. })) && self.prompts.is_empty()
    }

    /// A command of the agent is a prompt that begins with its name: that is how ACP has it.
    fn command(&self, name: &str, arguments: Option<String>) -> RunnerResponse {
        if self.announced.iter().any(|announced| announced == name) {
            let content = match arguments {
                Some(arguments) => format!("/{name} {arguments}"),
                None => format!("/{name}"),
            };
            return RunnerResponse::Prompt { content };
        }
        let named: Vec<&str> = self.announced.iter().map(String::as_str).take(MAX_NAMED).collect();
        let named = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        failed("NOT_AVAILABLE", format!("This agent has no command {name}. It has: {named}."))
    }

    fn review(&mut self, of: DiffData, reply: Reply) {
        let is_free = self.is_free();
        match &mut self.phase {
            Phase::Up(Up { peer, review, .. }) if is_free => {
                *review = Some(Box::new(Reviewing::begin(peer, &self.config, of, reply)));
            }
            _ => {
                let (code, error) = ("CONFLICT".to_owned(), BUSY.to_owned());
                let _ = reply.send(RunnerResponse::Failed { code, error, of: Some(of) });
            }
        }
    }

    /// The request of the review that was open was answered.
    pub(super) fn review_goes_on(&mut self, outcome: Result<Value, RpcError>) {
        let Phase::Up(Up { peer, review, .. }) = &mut self.phase else {
            return;
        };
        *review = review.take().and_then(|going| going.answered(peer, outcome)).map(Box::new);
        let conversation = review.as_ref().and_then(|going| going.conversation());
        if let Some(conversation) = conversation.filter(|name| !self.asides.iter().any(|known| known == name)) {
            self.asides.push(conversation.to_owned());
            let excess = self.asides.len().saturating_sub(MAX_ASIDES);
            self.asides.drain(..excess);
        }
    }

    /// Notes what is no matter of the turn; answers what may be.
    pub(super) fn overhear(&mut self, method: &str, params: Value) -> Option<Value> {
        if method != "session/update" {
            return Some(params);
        }
        if let Some(commands) = acp::announced_commands(&params) {
            self.announced = commands;
            return None;
        }
        let aside = self.aside(&params).map(str::to_owned);
        let Some(aside) = aside else {
            return Some(params);
        };
        if let Phase::Up(Up { review: Some(review), .. }) = &mut self.phase
            && review.conversation() == Some(&aside)
        {
            review.heard(acp::decode_update(params).1);
        }
        None
    }

    /// The conversation beside the session's that a message of the agent belongs to.
    fn aside(&self, params: &Value) -> Option<&str> {
        let named = params["sessionId"].as_str()?;
        self.asides.iter().map(String::as_str).find(|aside| *aside == named)
    }

    /// How a request is refused that would do something on account of a conversation in which nothing is allowed.
    pub(super) fn refusal(&self, method: &str, params: &Value) -> Option<Result<Value, RpcError>> {
        self.aside(params)?;
        match method {
            "session/request_permission" => Some(Ok(acp::permission_cancelled())),
            "fs/write_text_file" => Some(Err(RpcError::new(INVALID_PARAMS, "nothing may be changed in a review"))),
            _ => None,
        }
    }
}
