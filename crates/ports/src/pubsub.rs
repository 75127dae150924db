//! Hints for those who watch. They may be lost; the store is the only truth.

use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use async_trait::async_trait;
use portway_domain::engine::{BusEvent, Notice};
use portway_domain::ids::{SessionId, UserId};
use portway_domain::runner_requests::{RunnerRequest, RunnerResponse};
use portway_domain::users::Profile;
use serde::{Deserialize, Serialize};

use crate::shared_text::SharedText;

/// What can be watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// One session.
    Session(SessionId),
    /// Everything of one user.
    User(UserId),
}

/// Something that watchers are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Hint {
    /// A session changed.
    Session {
        /// Version of its engine after the change. A watcher who has read this version or a later one knows already.
        version: u64,
        /// The session's change counter after the change; 0 from a process that does not tell.
        #[serde(default)]
        seq: u64,
        /// What changed, in order. Empty where there is nothing to tell: the version shows that none was lost, and
        /// watchers do not get the hint.
        notices: Vec<Notice>,
    },
    /// Somebody opened or left a session.
    Presence(Presence),
    /// Something happened to a session of the user.
    Bus(BusEvent),
    /// Somebody wants to know something of the session's runner.
    RunnerAsked(RunnerAsked),
    /// The session's runner says this. Whoever asked makes a [`Hint::Responded`] of it, unless it is too late.
    RunnerAnswered {
        /// Which request.
        request_id: String,
        /// What the runner says.
        response: RunnerResponse,
    },
    /// This came of a request, for everybody who has the session open. There is one for each request.
    Responded(Responded),
}

/// A request to the runner behind one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerAsked {
    /// Names the request.
    pub request_id: String,
    /// The connection: the runner of another one is not meant.
    pub connection: String,
    /// What is wanted.
    pub request: RunnerRequest,
}

/// What came of a request to a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Responded {
    /// Names the request.
    pub request_id: String,
    /// What was wanted.
    pub request: RunnerRequest,
    /// What came of it.
    pub response: RunnerResponse,
}

/// Who has a session open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Who came or went.
    pub user: UserId,
    /// Whether they came.
    pub joined: bool,
    /// Everybody who is there now.
    pub users: Vec<Profile>,
}

/// A hint as all its watchers in a process share it.
pub struct SharedHint {
    hint: Arc<Hint>,
    texts: [OnceLock<Box<[Option<SharedText>]>>; Form::COUNT],
}

impl SharedHint {
    /// A hint before its watchers have seen it.
    #[must_use]
    pub fn new(hint: Arc<Hint>) -> Self {
        Self { hint, texts: Default::default() }
    }

    /// What watchers are sent of the hint in that form: texts in order, none for what has none or is not the same for
    /// all. The first one to ask has them written for everybody.
    pub fn texts(&self, form: Form, write: impl FnOnce(&Hint) -> Vec<Option<SharedText>>) -> &[Option<SharedText>] {
        self.texts[form as usize].get_or_init(|| write(&self.hint).into())
    }
}

/// The forms in which watchers are sent hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the frames themselves.
    Plain,
    /// With the session's change counter.
    Sequenced,
}

impl Form {
    const COUNT: usize = 2;
}

impl Deref for SharedHint {
    type Target = Hint;

    fn deref(&self) -> &Hint {
        &self.hint
    }
}

impl fmt::Debug for SharedHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hint.fmt(f)
    }
}

/// What a watcher gets.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A hint.
    Hint(Arc<SharedHint>),
    /// Hints were lost, because the watcher was slow or a connection broke: read the state again.
    Missed,
}

/// Publish and subscribe.
///
/// Where several processes share a session, each version of its engine is published exactly once, by the process that
/// committed it; one that does not know whether it did tells its watchers by [`PubSub::missed`]. Watchers are told
/// versions in their order; one that cannot be told in its turn is [`Delivery::Missed`]. What one process publishes about
/// a topic without a version keeps its order.
#[async_trait]
pub trait PubSub: Send + Sync {
    /// Tells everybody who watches `topic`. Never blocks and never fails: a hint that cannot be delivered is lost.
    fn publish(&self, topic: &Topic, hint: Hint);

    /// Whoever watches `topic` in this process gets [`Delivery::Missed`]: something may have happened of which nobody here
    /// knows, so it cannot be published. Never blocks and never fails.
    fn missed(&self, topic: &Topic);

    /// Watches `topic` from now on: every hint that is published after this returns is delivered, or
    /// [`Delivery::Missed`] in its place. Each watcher is buffered up to a bound.
    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription>;
}

/// A watch. Whoever waits for it calls [`next`](trait.Subscription.html#method.next).
pub trait Subscription: Send {
    /// The next delivery, or a promise to wake the caller when there is one. `None` when the system shuts down.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>>;
}

impl dyn Subscription + '_ {
    /// The next delivery. May be dropped early without losing any. `None` when the system shuts down.
    pub async fn next(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}
