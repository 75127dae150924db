//! Talking to the agent: prompts, answers, aborts.

use portway_domain::access::Principal;
use portway_domain::attachments::Attachment;
use portway_domain::channels::Channel;
use portway_domain::engine::{Event, Prompt};
use portway_domain::ids::{MessageId, QuestionId, SessionId};
use portway_domain::messages::{Author, MAX_PROMPT_CHARS};
use portway_domain::questions::AnswerValue;
use portway_domain::sessions::QueueMode;

use crate::error::Error;
use crate::sessions::actor;
use crate::steps::{MAX_ATTEMPTS, Moment, contended};
use crate::{Context, Services};

/// Something to say to the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPrompt {
    /// The text.
    pub content: String,
    /// Which model to use.
    pub model: Option<String>,
    /// What to do while the agent is busy.
    pub queue_mode: Option<QueueMode>,
    /// Where it came from, if not from a client of the gateway.
    pub channel: Option<Channel>,
}

impl Services {
    /// Says something to the agent. When this returns, the prompt is durable; its id is also that of the user's message.
    ///
    /// # Errors
    /// [`Error::SessionEnded`] when the session takes nothing more; [`Error::Invalid`] for a blank or too long text;
    /// [`Error::TooMany`] when too many prompts wait.
    pub async fn prompt(&self, context: &Context, id: &SessionId, new: NewPrompt) -> Result<MessageId, Error> {
        check_content(&new.content)?;
        self.say(context, id, new, &[]).await
    }

    /// Says what was found to be in order.
    pub(crate) async fn say(
        &self,
        context: &Context,
        id: &SessionId,
        new: NewPrompt,
        attachments: &[Attachment],
    ) -> Result<MessageId, Error> {
        let mut ids = context.ids.clone();
        let message: MessageId = ids.draw();
        let mut lock = self.locks.lock(id).await;
        for _ in 0..MAX_ATTEMPTS {
            let (principal, state) = self.acting(context, id).await?;
            if let Some(earlier) = context.replay::<MessageId>(state.remembered.as_ref())? {
                return Ok(earlier);
            }
            let events = [Event::Prompted(Prompt {
                id: message.clone(),
                content: new.content.clone(),
                attachments: attachments.to_vec(),
                author: Some(author(&principal)),
                model: new.model.clone(),
                queue_mode: new.queue_mode,
                channel: new.channel.clone(),
            })];
            let more: Vec<_> = context.remember(&principal.user, &message)?.into_iter().collect();
            let moment = Moment { now: context.now, ids: ids.clone() };
            if let Some(stepped) = self.attempt(&mut lock, state.engine, &events, &more, &moment).await? {
                return stepped.refused.map_or(Ok(message), |refusal| Err(refusal.into()));
            }
        }
        Err(contended())
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it is not open; [`Error::Invalid`] when the answer is none of its choices.
    pub async fn answer(
        &self,
        context: &Context,
        id: &SessionId,
        question: &QuestionId,
        answer: AnswerValue,
    ) -> Result<(), Error> {
        self.act(context, id, |principal| Event::Answered {
            question: question.clone(),
            answer: answer.clone(),
            by: actor(principal),
        })
        .await
        .map(|_| ())
    }

    /// Ends the turn and drops what waits, or only what came from that channel.
    ///
    /// # Errors
    /// [`Error::SessionEnded`] when the session takes nothing more.
    pub async fn abort(&self, context: &Context, id: &SessionId, channel: Option<Channel>) -> Result<(), Error> {
        let event = |principal: &Principal| Event::Aborted { channel: channel.clone(), by: actor(principal) };
        self.act(context, id, event).await.map(|_| ())
    }

    /// Drops the prompts that wait. Answers how many there were.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may change.
    pub async fn clear_queue(&self, context: &Context, id: &SessionId) -> Result<usize, Error> {
        let before = self.act(context, id, |_| Event::QueueCleared).await?;
        Ok(before.queue.len())
    }

    /// Takes back a prompt that waits, with its message. Its author may, and the owner of the session.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it does not wait; [`Error::Forbidden`] when it is somebody else's.
    pub async fn withdraw(&self, context: &Context, id: &SessionId, prompt: &MessageId) -> Result<(), Error> {
        let event = |principal: &Principal| Event::PromptWithdrawn { prompt: prompt.clone(), by: actor(principal) };
        self.act(context, id, event).await.map(|_| ())
    }

    /// Puts a prompt that waits before the others, and ends the turn for it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it does not wait.
    pub async fn promote(&self, context: &Context, id: &SessionId, prompt: &MessageId) -> Result<(), Error> {
        let event = |principal: &Principal| Event::PromptPromoted { prompt: prompt.clone(), by: actor(principal) };
        self.act(context, id, event).await.map(|_| ())
    }
}

pub(crate) fn author(principal: &Principal) -> Author {
    Author {
        id: principal.user.clone(),
        email: principal.email.clone(),
        name: principal.name.clone(),
        avatar_url: principal.avatar_url.clone(),
    }
}

/// Whether a text can be a prompt.
pub(crate) fn check_content(content: &str) -> Result<(), Error> {
    if content.trim().is_empty() {
        return Err(invalid_content("expected some text"));
    }
    check_text(content)
}

/// Whether a text can go with attachments: there need not be any.
pub(crate) fn check_text(content: &str) -> Result<(), Error> {
    // No text column of every database can hold it.
    if content.contains('\0') {
        return Err(invalid_content("expected text without NUL characters"));
    }
    if content.chars().count() > MAX_PROMPT_CHARS {
        return Err(invalid_content("expected at most 100000 characters"));
    }
    Ok(())
}

fn invalid_content(message: &str) -> Error {
    Error::Invalid { field: "content".to_owned(), message: message.to_owned() }
}
