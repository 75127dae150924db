//! Passes prompts to the agent, each with the model that it is for.

use std::time::Instant;

use serde_json::{Value, json};

use super::Driver;
use crate::acp::PromptCapabilities;
use crate::attachments;
use crate::jsonrpc::RpcError;
use crate::models;
use crate::peer::Peer;
use crate::phase::{Held, Phase, Prompt, Running, Up};
use crate::turn::Turn;
use crate::workspace::Workspace;

impl Driver {
    /// Begins the turn of the next prompt if the agent is free.
    pub(super) fn next_turn(&mut self) {
        if self.inspections.is_beginning() {
            return;
        }
        let Phase::Up(Up { peer, turn: turn @ None, review, .. }) = &mut self.phase else {
            return;
        };
        let (Some(conversation), Some(prompt)) = (&self.conversation, self.prompts.pop_front()) else {
            return;
        };
        if let Some(review) = review.take() {
            review.give_up(peer, "A prompt came before the review was done: ask again after the turn");
        }
        let wanted = (prompt.model.as_deref(), prompt.model_preferences.as_slice());
        let wish = self.models.wish(conversation, &prompt.message_id, wanted, &mut self.out);
        let begun = Turn::begin(&prompt.message_id, &mut self.out);
        let mut running = Running { turn: begun, request: 0, enforce: None, held: None };
        match wish {
            Some(wish) => {
                running.request = peer.request(wish.method, &wish.params);
                let deadline = Instant::now() + self.config.timing.start;
                running.held = Some(Held { prompt, model: wish.model, deadline });
            }
            None => running.request = tell(peer, &self.workspace, self.takes, conversation, prompt),
        }
        *turn = Some(running);
    }

    /// The agent answered about the model of the prompt that is held; so did time, if there is no outcome.
    pub(super) fn choose(&mut self, outcome: Option<Result<Value, RpcError>>) {
        let (Phase::Up(Up { peer, turn: Some(running), .. }), Some(conversation)) =
            (&mut self.phase, &self.conversation)
        else {
            return;
        };
        let Some(Held { prompt, model, .. }) = running.held.take() else {
            return;
        };
        match outcome {
            Some(outcome) => {
                let outcome = outcome.map_err(|error| models::refusal(&error));
                self.models.answered(&prompt.message_id, model, outcome, &mut self.out);
            }
            None => {
                let outcome = Err("the agent did not answer".to_owned());
                self.models.answered(&prompt.message_id, model, outcome, &mut self.out);
                self.models.forget_current();
            }
        }
        running.request = tell(peer, &self.workspace, self.takes, conversation, prompt);
    }

    /// A prompt goes to the agent whose model it did not get in time.
    pub(super) fn hold_no_longer(&mut self, now: Instant) {
        if let Phase::Up(Up { turn: Some(running), .. }) = &self.phase
            && running.enforce.is_none()
            && running.held.as_ref().is_some_and(|held| held.deadline <= now)
        {
            self.choose(None);
        }
    }
}

/// Gives the agent a prompt; answers the number of the request.
fn tell(peer: &mut Peer, workspace: &Workspace, takes: PromptCapabilities, conversation: &str, prompt: Prompt) -> u64 {
    let Prompt { message_id, content, attachments, .. } = prompt;
    let blocks = attachments::blocks(workspace, takes, &message_id, content, attachments);
    peer.request("session/prompt", &json!({"sessionId": conversation, "prompt": blocks}))
}
