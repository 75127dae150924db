//! Going back to before a prompt: first the agent, then the transcript.
//!
//! A transcript that is shorter than what the agent remembers would mislead everybody who reads it, so nothing is removed
//! before the runner has said that the agent went back.

use portway_domain::engine::{Actor, Engine, Event};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::MessageRole;
use portway_domain::runner_requests::{FailureCode, RunnerResponse};

use crate::Services;
use crate::error::Error;

/// Most messages that are taken back at once.
pub(crate) const MAX_MESSAGES: u32 = 2_000;

/// What is taken back when the agent went back.
#[derive(Debug, Clone)]
pub(crate) struct Reversion {
    /// The place of the prompt.
    first: u64,
    /// The last place of the transcript when the agent was asked: what was said since stays.
    last: u64,
    by: Actor,
}

impl Services {
    /// What going back to before a prompt takes out of the transcript as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nobody said that in this session; [`Error::Conflict`] when too much came after it.
    pub(crate) async fn reversion(&self, engine: &Engine, prompt: &MessageId, by: Actor) -> Result<Reversion, Error> {
        let found = self.ports.store.message(&engine.session, prompt).await?;
        let first = found.filter(|message| message.role == MessageRole::User).map(|message| message.position);
        let first = first.ok_or_else(|| Error::NotFound { resource: "Prompt", id: prompt.to_string() })?;
        let last = engine.seq;
        let limit = MAX_MESSAGES + 1;
        let messages = self.ports.store.messages_between(&engine.session, first, last, limit).await?;
        if messages.len() >= limit as usize {
            let words = format!("More than {MAX_MESSAGES} messages came after this prompt: begin a new conversation");
            return Err(Error::Conflict(words));
        }
        Ok(Reversion { first, last, by })
    }

    /// The agent went back, so the transcript does. Whoever asked might then, and waits, so it happens even if they may no
    /// longer.
    pub(crate) async fn revert(&self, id: &SessionId, reversion: Reversion) -> RunnerResponse {
        let Err(error) = self.forget_stretch(id, reversion).await else {
            return RunnerResponse::Done { result: None };
        };
        tracing::error!(session = %id, %error, "the agent went back, and the transcript did not");
        let words = "The agent went back, but the transcript could not be changed: try again";
        RunnerResponse::failed(FailureCode::Unavailable, words)
    }

    async fn forget_stretch(&self, id: &SessionId, reversion: Reversion) -> Result<(), Error> {
        let Reversion { first, last, by } = reversion;
        let messages = self.ports.store.messages_between(id, first, last, MAX_MESSAGES).await?;
        let reverted = Event::Reverted { first, last, messages, by };
        self.apply(id, vec![reverted], Vec::new(), self.moment()).await.map(drop)
    }
}
