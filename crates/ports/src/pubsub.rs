//! Hints for those who watch. They may be lost; the store is the only truth.

use std::sync::Arc;

use async_trait::async_trait;
use portway_domain::engine::{BusEvent, Notice};
use portway_domain::ids::{SessionId, UserId};

/// What can be watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One session.
    Session(SessionId),
    /// Everything of one user.
    User(UserId),
}

/// Something that watchers are told.
#[derive(Debug, Clone, PartialEq)]
pub enum Hint {
    /// A session changed.
    Session {
        /// Version of its engine after the change. A watcher who has read this version or a later one knows already.
        version: u64,
        /// What changed, in order.
        notices: Vec<Notice>,
    },
    /// Somebody opened or left a session.
    Presence(Presence),
    /// Something happened to a session of the user.
    Bus(BusEvent),
}

/// Who has a session open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Who came or went.
    pub user: UserId,
    /// Whether they came.
    pub joined: bool,
    /// Everybody who is there now.
    pub users: Vec<PresentUser>,
}

/// Somebody who has a session open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentUser {
    /// The user.
    pub id: UserId,
    /// The user's name.
    pub name: Option<String>,
    /// The user's address.
    pub email: String,
    /// Where the user's picture is.
    pub avatar_url: Option<String>,
}

/// What a watcher gets.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A hint.
    Hint(Arc<Hint>),
    /// Hints were lost, because the watcher was slow or a connection broke: read the state again.
    Missed,
}

/// Publish and subscribe.
#[async_trait]
pub trait PubSub: Send + Sync {
    /// Tells everybody who watches `topic`. Never blocks and never fails: a hint that cannot be delivered is lost.
    fn publish(&self, topic: &Topic, hint: Hint);

    /// Watches `topic` from now on: every hint that is published after this returns is delivered, or
    /// [`Delivery::Missed`] in its place. Each watcher is buffered up to a bound.
    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription>;
}

/// A watch.
#[async_trait]
pub trait Subscription: Send {
    /// The next delivery. May be dropped early without losing any. `None` when the system shuts down.
    async fn next(&mut self) -> Option<Delivery>;
}
