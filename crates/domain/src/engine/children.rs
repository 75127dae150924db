//! Sessions that a session opens, from both sides.

use super::{Change, MAX_QUEUED, Notice, QueuedPrompt, Refusal, Step};
use crate::children::{AVATAR_KEY, ChildEvent, ParentStop, SessionName};
use crate::ids::{MessageId, SessionId, UserId};
use crate::messages::{Message, MessageRole, Part, Provenance};
use crate::text::keepable;

impl Step<'_> {
    /// A child is only opened by what is stored under the version of this state: one that has ended opens none, and
    /// whoever ends it later knows that there is something to end.
    pub(super) fn child_opened(&mut self, child: SessionId, title: Option<String>, by: UserId) -> Result<(), Refusal> {
        self.refuse_when_ended()?;
        if self.engine.parent.is_some() {
            return Err(Refusal::ChildOfChild);
        }
        self.engine.has_children = true;
        self.engine.last_activity = self.now;
        self.notice(Notice::ChildOpened { child, title: title.clone() });
        self.audit("child.opened", title.as_deref().unwrap_or("A child session was opened"), Some(by));
        Ok(())
    }

    /// What ends this session ends those that it opened.
    pub(super) fn stop_children(&mut self) {
        if std::mem::take(&mut self.engine.has_children) {
            self.effects.changes.push(Change::ChildrenStopped);
        }
    }

    pub(super) fn stopped_by_parent(&mut self, reason: ParentStop) {
        if self.engine.status.is_ended() {
            return;
        }
        let summary = match reason {
            ParentStop::Wanted => "Session ended by its parent",
            ParentStop::ParentEnded => "Session ended with its parent",
        };
        self.terminate(None, summary, "parent_stopped");
    }

    pub(super) fn tell_parent(&mut self, event: ChildEvent) {
        if let Some(parent) = self.engine.parent.clone() {
            self.effects.changes.push(Change::ParentTold { parent, event });
        }
    }

    pub(super) fn tell_parent_of_error(&mut self, error: &str) {
        let error = error.to_owned();
        let has_ended = self.engine.status.is_ended();
        self.tell_parent(if has_ended { ChildEvent::Failed { error } } else { ChildEvent::Error { error } });
    }

    /// Tells the parent once that nothing more is to be done, until something was.
    pub(super) fn tell_when_idle(&mut self) {
        let engine = &self.engine;
        let is_over = engine.status.is_ended();
        let is_idle = engine.turn.is_none() && engine.queue.is_empty();
        if !engine.owes_idle || !(is_over || is_idle) {
            return;
        }
        self.engine.owes_idle = false;
        if !is_over {
            self.tell_parent(ChildEvent::Idle);
        }
    }

    /// What a child tells is kept, and goes to the agent like a prompt that nobody said: now if it has nothing to do,
    /// else when its turn comes. One for which there is no place any more is only kept.
    pub(super) fn child_told(&mut self, child: &SessionName, event: &ChildEvent) {
        if self.engine.status.is_ended() {
            return;
        }
        self.engine.last_activity = self.now;
        let title = event.title(child);
        let id: MessageId = self.ids.draw();
        let label = Part::Label { title: keepable(&title).into_owned(), avatar_key: AVATAR_KEY.to_owned() };
        self.add_new_message(id.clone(), MessageRole::System, &event.text(child), vec![label]);
        self.audit(event.event_type(), &title, None);
        let queued =
            QueuedPrompt { id, author: None, model: None, channel: None, is_collected: false, held_until: None };
        if self.engine.queue.is_empty() && self.can_dispatch() {
            self.dispatch(Vec::new(), queued);
        } else if self.engine.queue.len() < MAX_QUEUED {
            self.end_collection_of(None);
            self.engine.queue.push_back(queued);
            self.drain();
        }
    }

    /// Copies come from the agent, since clients show its messages in full.
    pub(super) fn forwarded(&mut self, source: &SessionName, messages: Vec<Message>) -> Result<(), Refusal> {
        self.refuse_when_ended()?;
        let count = messages.len();
        for message in messages {
            let provenance = Provenance {
                session: source.id.clone(),
                title: source.name.clone(),
                role: message.role,
                created_at: message.created_at,
            };
            let id = self.ids.draw();
            let parts = vec![Part::Text { text: message.content.clone() }, Part::Forwarded(provenance)];
            self.add_new_message(id, MessageRole::Assistant, &message.content, parts);
        }
        if count > 0 {
            self.audit("messages.forwarded", &format!("{count} messages were copied from {}", source.name), None);
        }
        Ok(())
    }
}
