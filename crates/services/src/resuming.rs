//! Watching a session from where a watcher left off.

use std::sync::Arc;

use portway_domain::access::Principal;
use portway_domain::ids::SessionId;
use portway_domain::messages::{Message, Part};
use portway_ports::changes::Changes;
use portway_ports::pages::MAX_PAGE;
use portway_ports::pubsub::{Subscription, Topic};
use portway_ports::sessions::{SessionAccess, Transcript};

use crate::error::Error;
use crate::steps::session_not_found;
use crate::{Context, Services};

/// How many messages a watcher is shown at first, and how many a page of older ones has if nothing else is asked.
pub const NEWEST_MESSAGES: u32 = 50;

/// How many entries of the audit log a watcher is shown at first.
const AUDIT_ENTRIES: u32 = 100;

/// Most bytes of messages that a page has, if it has more than one, and that are sent again to a watcher who comes back.
const PAGE_BYTES: usize = 1024 * 1024;

/// Largest number that every database and every client keeps exactly.
const MAX_COUNTER: u64 = (1 << 53) - 1;

/// A watch of a session from where the watcher left off.
pub struct ResumedWatch {
    /// Who watches.
    pub principal: Arc<Principal>,
    /// What to begin with.
    pub beginning: Beginning,
    /// What comes after it. Some of it may already be in `beginning`: the version of its engine tells.
    pub subscription: Box<dyn Subscription>,
}

/// What a watcher begins with.
#[derive(Debug, Clone, PartialEq)]
pub enum Beginning {
    /// The state with the end of the transcript, which replaces what the watcher had.
    Fresh(NewestMessages),
    /// What changed since the watcher left.
    Changed(Changes),
}

/// The state of a session with the end of its transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct NewestMessages {
    /// The state. Only the newest messages are there.
    pub transcript: Transcript,
    /// The place that older messages are before; absent when there are none.
    pub before: Option<u64>,
}

/// Some messages in order.
#[derive(Debug, Clone, PartialEq)]
pub struct OlderMessages {
    /// The messages.
    pub messages: Vec<Message>,
    /// The place that older messages are before; absent when there are none.
    pub before: Option<u64>,
}

impl Beginning {
    /// The session and the watcher's role.
    #[must_use]
    pub fn access(&self) -> &SessionAccess {
        match self {
            Self::Fresh(newest) => &newest.transcript.access,
            Self::Changed(changes) => &changes.access,
        }
    }

    /// Version of the engine that the watcher knows with it.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Fresh(newest) => newest.transcript.engine.version,
            Self::Changed(changes) => changes.engine.version,
        }
    }

    /// The session's change counter that the watcher has come to with it.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::Fresh(newest) => newest.transcript.engine.value.seq,
            Self::Changed(changes) => changes.engine.value.seq,
        }
    }
}

impl Services {
    /// Begins to watch a session, with what changed after `seq` if a watcher has come so far. The subscription is made
    /// before anything is read, so nothing is missed in between.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn resume_watch(
        &self,
        context: &Context,
        id: &SessionId,
        seq: Option<u64>,
    ) -> Result<ResumedWatch, Error> {
        context.token()?;
        let subscription = self.ports.pubsub.subscribe(&Topic::Session(id.clone())).await;
        let (principal, beginning) = self.beginning(context, id, seq).await?;
        Ok(ResumedWatch { principal: Arc::new(principal), beginning, subscription })
    }

    /// What changed in a session after `seq`. The state with the newest messages if that is not known any more, is too much,
    /// or is in the future.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn beginning(
        &self,
        context: &Context,
        id: &SessionId,
        seq: Option<u64>,
    ) -> Result<(Principal, Beginning), Error> {
        if let Some(seq) = seq.filter(|seq| *seq <= MAX_COUNTER) {
            let seen = self.ports.store.changes_since(context.token()?, id, seq).await?;
            let principal = context.admit_to(seen.caller, seen.value.as_ref().map(|changes| &changes.access), id)?;
            let fits = |changes: &Changes| {
                seq <= changes.engine.value.seq && changes.is_complete() && bytes(&changes.messages) <= PAGE_BYTES
            };
            if let Some(changes) = seen.value.filter(fits) {
                return Ok((principal, Beginning::Changed(changes)));
            }
        }
        let (principal, newest) = self.newest_messages(context, id).await?;
        Ok((principal, Beginning::Fresh(newest)))
    }

    async fn newest_messages(&self, context: &Context, id: &SessionId) -> Result<(Principal, NewestMessages), Error> {
        // One more than a page has shows whether there are older ones.
        let limit = NEWEST_MESSAGES + 1;
        let seen = self.ports.store.newest_of_transcript(context.token()?, id, limit, AUDIT_ENTRIES).await?;
        let principal = context.admit_to(seen.caller, seen.value.as_ref().map(|transcript| &transcript.access), id)?;
        let mut transcript = seen.value.ok_or_else(|| session_not_found(id.as_str()))?;
        let before = cut(&mut transcript.messages, NEWEST_MESSAGES);
        Ok((principal, NewestMessages { transcript, before }))
    }

    /// The messages next before a place in the transcript of a session, at most `limit` of them.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may read.
    pub async fn older_messages(
        &self,
        context: &Context,
        id: &SessionId,
        before: u64,
        limit: Option<u32>,
    ) -> Result<OlderMessages, Error> {
        let limit = limit.unwrap_or(NEWEST_MESSAGES).clamp(1, MAX_PAGE);
        let seen = self.ports.store.messages_before(context.token()?, id, before.min(MAX_COUNTER), limit + 1).await?;
        context.admit_to(seen.caller, seen.value.as_ref().map(|(access, _)| access), id)?;
        let mut messages = seen.value.map(|(_, messages)| messages).unwrap_or_default();
        let before = cut(&mut messages, limit);
        Ok(OlderMessages { messages, before })
    }
}

/// Leaves at most `limit` newest messages, and no more than a page may weigh. Answers the place of the oldest one that is
/// left if others were taken away.
fn cut(messages: &mut Vec<Message>, limit: u32) -> Option<u64> {
    let mut room = PAGE_BYTES;
    let fitting = messages.iter().rev().take(limit as usize).take_while(|message| {
        let fits = room > 0;
        room = room.saturating_sub(weight(message));
        fits
    });
    let excess = messages.len() - fitting.count();
    messages.drain(..excess);
    (excess > 0).then(|| messages.first().map_or(0, |message| message.position))
}

fn bytes(messages: &[Message]) -> usize {
    messages.iter().map(weight).fold(0, usize::saturating_add)
}

/// About how many bytes a message takes in a frame.
fn weight(message: &Message) -> usize {
    let parts = message.parts.iter().map(|part| match part {
        Part::Text { text } | Part::Reasoning { text } | Part::Error { message: text } => text.len(),
        Part::ToolCall(call) => {
            let values = [&call.args, &call.result].into_iter().flatten();
            values
                .map(|value| value.to_string().len())
                .fold(call.error.as_ref().map_or(0, String::len), usize::saturating_add)
        }
        Part::Plan { entries } => entries.iter().map(|entry| entry.content.len()).sum(),
        // What goes with a prompt is told by its address.
        Part::Attachment(attachment) => attachment.transcript.as_ref().map_or(0, String::len),
        Part::Finish { .. }
        | Part::Forwarded(_)
        | Part::Label { .. }
        | Part::SessionBreak
        | Part::TunnelClosed { .. } => 0,
    });
    parts.fold(message.content.len(), usize::saturating_add)
}
