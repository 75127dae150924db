//! Prompts that wait.

use super::{Actor, AgentStatus, Change, Engine, Notice, QueuedPrompt, Refusal, StatusNotice, Step};
use crate::channels::Channel;
use crate::ids::MessageId;
use crate::sessions::SessionStatus;
use crate::time::Timestamp;

impl Engine {
    /// How many prompts are held back because more of them may come.
    fn held(&self) -> usize {
        self.queue.iter().filter(|queued| queued.is_held()).count()
    }

    /// When the first of those that are held back may go.
    pub(super) fn first_release(&self) -> Option<Timestamp> {
        self.queue.iter().filter_map(|queued| queued.held_until).min()
    }
}

impl QueuedPrompt {
    fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    fn is_of(&self, channel: Option<&Channel>) -> bool {
        self.channel.as_ref() == channel
    }
}

impl Step<'_> {
    /// Gives the first waiting prompt to the agent if it can take one. Answers whether it did.
    pub(super) fn drain(&mut self) -> bool {
        if !self.can_dispatch() {
            self.wake_for_queue();
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

    /// Takes the first prompt that is not held back out of the queue, or the last one of those that were collected
    /// together, with the others of them. What came through other channels may stand between them.
    fn next_group(&mut self) -> Option<(Vec<QueuedPrompt>, QueuedPrompt)> {
        let queue = &mut self.engine.queue;
        let mut place = queue.iter().position(|queued| !queued.is_held())?;
        let mut next = queue.remove(place)?;
        let mut earlier = Vec::new();
        while next.is_collected {
            let following = queue.iter().skip(place).position(|queued| queued.is_of(next.channel.as_ref()));
            let joins =
                |place: &usize| queue.get(*place).is_some_and(|queued| queued.is_collected && !queued.is_held());
            let Some(following) = following.map(|distance| place + distance).filter(joins) else {
                break;
            };
            let joining = queue.remove(following)?;
            place = following;
            earlier.push(std::mem::replace(&mut next, joining));
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

    /// Lets a prompt wait behind the others, which ends the collection of its channel: the order of what was said there
    /// is kept.
    pub(super) fn enqueue(&mut self, queued: QueuedPrompt) {
        self.end_collection_of(queued.channel.as_ref());
        self.engine.queue.push_back(queued);
        self.audit("prompt.queued", "Prompt queued", None);
        let position = self.engine.queue.len();
        self.status(StatusNotice::PromptQueued { position });
        self.drain();
    }

    pub(super) fn end_collection_of(&mut self, channel: Option<&Channel>) {
        self.release(|held| held.is_of(channel));
    }

    /// Holds a prompt back until nobody has said another one in its channel for a moment, and with it those that were
    /// collected there right before it.
    pub(super) fn collect(&mut self, mut queued: QueuedPrompt) {
        let until = Some(self.now.plus(self.engine.timeouts.collect));
        let before = self.engine.queue.iter_mut().rev().filter(|other| other.is_of(queued.channel.as_ref()));
        before.take_while(|other| other.is_collected).for_each(|other| other.held_until = until);
        queued.held_until = until;
        self.engine.queue.push_back(queued);
        let count = self.engine.held();
        self.status(StatusNotice::Collecting { count });
        self.wake_for_queue();
    }

    /// Lets the collected prompts go whose time has come.
    pub(super) fn check_collecting(&mut self) {
        let now = self.now;
        let is_due = |queued: &QueuedPrompt| queued.held_until.is_some_and(|until| until <= now);
        if !self.release(is_due) {
            return;
        }
        if !self.drain() && !self.engine.queue.is_empty() {
            let position = self.engine.queue.len();
            self.status(StatusNotice::PromptQueued { position });
        }
    }

    /// Holds some prompts back no longer. Answers whether there were any.
    fn release(&mut self, which: impl Fn(&QueuedPrompt) -> bool) -> bool {
        let before = self.engine.held();
        let released = self.engine.queue.iter_mut().filter(|queued| queued.is_held() && which(queued));
        released.for_each(|queued| queued.held_until = None);
        self.tell_held(before)
    }

    /// Forgets all prompts that wait. Their messages stay in the transcript.
    pub(super) fn drop_queue(&mut self) {
        self.drop_queued(|_| true);
    }

    /// Forgets the prompts that wait of one channel.
    pub(super) fn drop_queue_of(&mut self, channel: &Channel) {
        self.drop_queued(|queued| queued.is_of(Some(channel)));
    }

    pub(super) fn drop_queued(&mut self, which: impl Fn(&QueuedPrompt) -> bool) {
        let before = self.engine.held();
        self.engine.queue.retain(|queued| !which(queued));
        self.tell_held(before);
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
        let held = self.engine.held();
        self.engine.queue.remove(index);
        let seq = self.next_seq();
        self.effects.changes.push(Change::MessageRemoved { id: prompt.clone(), seq });
        self.notice(Notice::MessagesRemoved(vec![prompt.clone()]));
        self.audit("prompt.withdrawn", "Prompt withdrawn", Some(by.user.clone()));
        let remaining = self.engine.queue.len();
        self.status(StatusNotice::PromptWithdrawn { prompt: prompt.clone(), remaining });
        self.tell_held(held);
        if remaining == 0 {
            self.tell_agent_status();
        }
        Ok(())
    }

    /// Puts a prompt before all others and ends the turn for it.
    pub(super) fn prompt_promoted(&mut self, prompt: &MessageId, by: &Actor) -> Result<(), Refusal> {
        let index = self.waiting(prompt)?;
        let held = self.engine.held();
        if let Some(mut promoted) = self.engine.queue.remove(index) {
            promoted.is_collected = false;
            promoted.held_until = None;
            self.engine.queue.push_front(promoted);
        }
        self.engine.last_activity = self.now;
        self.audit("prompt.promoted", "Prompt promoted", Some(by.user.clone()));
        self.status(StatusNotice::PromptQueued { position: 1 });
        self.tell_held(held);
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

    /// Tells how many prompts are held back if it was another number before. Answers whether it was.
    fn tell_held(&mut self, before: usize) -> bool {
        let count = self.engine.held();
        if count != before {
            self.status(StatusNotice::Collecting { count });
        }
        count != before
    }

    /// Clients that saw a prompt queued wait for this to show something else.
    fn tell_agent_status(&mut self) {
        let status = if self.engine.turn.is_some() { AgentStatus::Thinking } else { AgentStatus::Idle };
        self.notice(Notice::Agent { status, detail: None });
    }
}
