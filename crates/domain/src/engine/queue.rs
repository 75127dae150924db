//! Prompts that wait.

use super::{Actor, AgentStatus, Change, Engine, Notice, QueuedPrompt, Refusal, StatusNotice, Step};
use crate::ids::MessageId;
use crate::sessions::SessionStatus;

impl Engine {
    /// How many prompts at the end of the queue are held back because more of them may come.
    fn collected(&self) -> usize {
        let held = self.collecting.map(|_| self.queue.iter().rev().take_while(|queued| queued.is_collected).count());
        held.unwrap_or_default()
    }

    /// Whether all prompts that wait are held back.
    fn is_held(&self) -> bool {
        self.collecting.is_some() && self.collected() == self.queue.len()
    }
}

impl Step<'_> {
    /// Gives the first waiting prompt to the agent if it can take one. Answers whether it did.
    pub(super) fn drain(&mut self) -> bool {
        if !self.can_dispatch() {
            self.wake_for_queue();
            return false;
        }
        if self.engine.is_held() {
            return false;
        }
        let Some((earlier, next)) = self.next_group() else {
            return false;
        };
        self.dispatch(earlier, next);
        let remaining = self.engine.queue.len();
        self.status(StatusNotice::PromptDequeued { remaining });
        true
    }

    /// Takes the first prompt out of the queue, or the last one of those that were collected together, with the others
    /// of them.
    fn next_group(&mut self) -> Option<(Vec<QueuedPrompt>, QueuedPrompt)> {
        let queue = &mut self.engine.queue;
        let mut next = queue.pop_front()?;
        let mut earlier = Vec::new();
        while next.is_collected && queue.front().is_some_and(|following| following.is_collected) {
            let following = queue.pop_front()?;
            earlier.push(std::mem::replace(&mut next, following));
        }
        Some((earlier, next))
    }

    /// Starts a sandbox when prompts wait and there is none, unless there may be none yet.
    pub(super) fn wake_for_queue(&mut self) {
        let is_cooling = self.engine.cooling.is_some_and(|cooling| cooling.until > self.now);
        if !self.engine.waits_for_sandbox() || is_cooling {
            return;
        }
        if self.engine.status == SessionStatus::Hibernated {
            self.wake(None);
        } else {
            self.order_sandbox();
        }
    }

    /// Lets a prompt wait behind the others, which ends a collection: the order of what was said is kept.
    pub(super) fn enqueue(&mut self, queued: QueuedPrompt) {
        self.end_collection();
        self.engine.queue.push_back(queued);
        self.audit("prompt.queued", "Prompt queued", None);
        let position = self.engine.queue.len();
        self.status(StatusNotice::PromptQueued { position });
        self.drain();
    }

    /// Holds a prompt back until nobody has said another one for a moment.
    pub(super) fn collect(&mut self, queued: QueuedPrompt) {
        self.engine.queue.push_back(queued);
        self.engine.collecting = Some(self.now.plus(self.engine.timeouts.collect));
        let count = self.engine.collected();
        self.status(StatusNotice::Collecting { count });
        self.wake_for_queue();
    }

    /// Lets the collected prompts go when their time has come.
    pub(super) fn check_collecting(&mut self) {
        if self.engine.collecting.is_none_or(|until| until > self.now) {
            return;
        }
        self.end_collection();
        if !self.drain() && !self.engine.queue.is_empty() {
            let position = self.engine.queue.len();
            self.status(StatusNotice::PromptQueued { position });
        }
    }

    pub(super) fn end_collection(&mut self) {
        if self.engine.collecting.take().is_some() {
            self.status(StatusNotice::Collecting { count: 0 });
        }
    }

    /// Forgets all prompts that wait. Their messages stay in the transcript.
    pub(super) fn drop_queue(&mut self) {
        self.engine.queue.clear();
        self.end_collection();
    }

    pub(super) fn queue_cleared(&mut self) {
        let cleared = self.engine.queue.len();
        self.drop_queue();
        self.status(StatusNotice::QueueCleared { cleared });
        self.tell_agent_status();
    }

    /// Takes a prompt back that the agent has not seen, and its message out of the transcript.
    pub(super) fn prompt_withdrawn(&mut self, prompt: &MessageId, by: &Actor) -> Result<(), Refusal> {
        let index = self.waiting(prompt)?;
        let author = self.engine.queue.get(index).and_then(|queued| queued.author.as_ref());
        if by.user != self.engine.owner && author != Some(&by.user) {
            return Err(Refusal::NotTheAuthor);
        }
        let collected = self.engine.collected();
        self.engine.queue.remove(index);
        let seq = self.next_seq();
        self.effects.changes.push(Change::MessageRemoved { id: prompt.clone(), seq });
        self.notice(Notice::MessageRemoved(prompt.clone()));
        self.audit("prompt.withdrawn", "Prompt withdrawn", Some(by.user.clone()));
        let remaining = self.engine.queue.len();
        self.status(StatusNotice::PromptWithdrawn { prompt: prompt.clone(), remaining });
        self.collection_changed(collected);
        if remaining == 0 {
            self.tell_agent_status();
        }
        Ok(())
    }

    /// Puts a prompt before all others and ends the turn for it.
    pub(super) fn prompt_promoted(&mut self, prompt: &MessageId, by: &Actor) -> Result<(), Refusal> {
        let index = self.waiting(prompt)?;
        let collected = self.engine.collected();
        if let Some(mut promoted) = self.engine.queue.remove(index) {
            promoted.is_collected = false;
            self.engine.queue.push_front(promoted);
        }
        self.engine.last_activity = self.now;
        self.audit("prompt.promoted", "Prompt promoted", Some(by.user.clone()));
        self.status(StatusNotice::PromptQueued { position: 1 });
        self.collection_changed(collected);
        if self.engine.turn.is_some() {
            self.begin_abort();
            self.notice(Notice::Agent { status: AgentStatus::Idle, detail: None });
        } else {
            self.drain();
        }
        Ok(())
    }

    fn waiting(&self, prompt: &MessageId) -> Result<usize, Refusal> {
        self.refuse_when_ended()?;
        self.engine.queue.iter().position(|queued| queued.id == *prompt).ok_or(Refusal::PromptNotWaiting)
    }

    /// Tells how many prompts are held back after one may have left them.
    fn collection_changed(&mut self, before: usize) {
        let count = self.engine.collected();
        if count == before {
            return;
        }
        if count == 0 {
            self.engine.collecting = None;
        }
        self.status(StatusNotice::Collecting { count });
    }

    /// Clients that saw a prompt queued wait for this to show something else.
    fn tell_agent_status(&mut self) {
        let status = if self.engine.turn.is_some() { AgentStatus::Thinking } else { AgentStatus::Idle };
        self.notice(Notice::Agent { status, detail: None });
    }
}
