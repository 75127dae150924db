//! How an event reaches a session's engine: load, step, commit under the version that was loaded, then publish.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use portway_domain::engine::{Change, Effects, Engine, Event, Refusal};
use portway_domain::ids::{IdStream, NodeId, SessionId};
use portway_domain::jobs::{Job, Work};
use portway_domain::time::Timestamp;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::pubsub::{Hint, Topic};
use portway_ports::{StoreError, Stored};

use crate::error::Error;
use crate::locks::SessionLock;
use crate::unpublished::Unpublished;
use crate::{Context, Services};

/// How often anything is tried again after a lost race before the caller is told to come back.
pub(crate) const MAX_ATTEMPTS: usize = 16;

/// What became of a step.
#[derive(Debug)]
pub struct Stepped {
    /// The state after it.
    pub engine: Engine,
    /// The first refusal: events before it were applied, it and those after it were not.
    pub refused: Option<Refusal>,
    /// Whether anything was written: then the state that was stepped was the newest.
    is_written: bool,
}

/// When something happens and where its new ids come from: drawn once, before the first attempt.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When.
    pub now: Timestamp,
    /// New ids.
    pub ids: IdStream,
}

impl From<&Context> for Moment {
    fn from(context: &Context) -> Self {
        Self { now: context.now, ids: context.ids.clone() }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Ended(status) => Self::SessionEnded { status },
            Refusal::QueueFull => Self::TooMany("Too many prompts are waiting in this session"),
            Refusal::PromptNotWaiting => {
                Self::Conflict("This prompt does not wait: the agent has it, or it was dropped".to_owned())
            }
            Refusal::NotTheAuthor => {
                Self::Forbidden("Only who said something takes it back, and the owner of the session")
            }
            Refusal::ChildOfChild => Self::Invalid {
                field: "parentSessionId".to_owned(),
                message: "a child session opens no children: name its parent instead".to_owned(),
            },
            Refusal::OwnerTakesPart => {
                Self::Invalid { field: "userId".to_owned(), message: "the owner takes part anyway".to_owned() }
            }
            Refusal::TooManyParticipants => Self::TooMany("Too many people take part in this session"),
            Refusal::QuestionNotOpen => {
                Self::Conflict("This question is not open: it was answered, withdrawn or has expired".to_owned())
            }
            Refusal::InvalidAnswer(message) => Self::Invalid { field: "answer".to_owned(), message },
            Refusal::StaleRunner | Refusal::Gap(_) => Self::Conflict(refusal.to_string()),
        }
    }
}

impl Services {
    /// The present moment, for what the gateway does by itself.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let now = self.ports.clock.now();
        Moment { now, ids: self.ports.entropy.ids(now) }
    }

    /// Applies events to a session on the gateway's own account. `more` is written with them.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the session does not exist, or the store's failure.
    pub async fn apply(
        &self,
        id: &SessionId,
        events: Vec<Event>,
        more: Vec<Write>,
        moment: Moment,
    ) -> Result<Stepped, Error> {
        self.apply_if(id, |_| Ok(()), events, more, moment).await
    }

    /// As [`Services::apply`], if `admit` lets the state pass that the events are applied to.
    pub(crate) async fn apply_if(
        &self,
        id: &SessionId,
        admit: impl Fn(&Engine) -> Result<(), Error> + Send,
        events: Vec<Event>,
        more: Vec<Write>,
        moment: Moment,
    ) -> Result<Stepped, Error> {
        let events = events.as_slice();
        let make = move |engine: &Engine| admit(engine).map(|()| Cow::Borrowed(events));
        self.apply_made(id, make, more, moment).await
    }

    /// As [`Services::apply`], with events that `make` makes of the state that they are applied to, unless it refuses.
    pub(crate) async fn apply_made<'a>(
        &self,
        id: &SessionId,
        make: impl Fn(&Engine) -> Result<Cow<'a, [Event]>, Error> + Send,
        more: Vec<Write>,
        moment: Moment,
    ) -> Result<Stepped, Error> {
        let mut lock = self.locks.lock(id).await;
        for _ in 0..MAX_ATTEMPTS {
            // Another node may have stepped the session since. A write would show that; nothing else does.
            let (stored, is_certain) = match lock.take() {
                Some(stored) => (stored, !self.is_beside_others && !self.is_shared.load(Ordering::Relaxed)),
                None => (self.load_engine(id).await?, true),
            };
            let events = match make(&stored.value) {
                Ok(events) => events,
                Err(refusal) if is_certain => {
                    lock.keep(stored);
                    return Err(refusal);
                }
                Err(_) => continue,
            };
            match self.attempt(&mut lock, stored, &events, &more, &moment).await? {
                Some(stepped) if is_certain || stepped.is_written => return Ok(stepped),
                Some(_) => drop(lock.take()),
                None => {}
            }
        }
        Err(contended())
    }

    /// One attempt on a state that was just loaded. `None` when the race was lost. `more` is written only if no event is
    /// refused: what is refused must not use up the caller's idempotency key.
    pub(crate) async fn attempt(
        &self,
        lock: &mut SessionLock<'_>,
        stored: Stored<Engine>,
        events: &[Event],
        more: &[Write],
        moment: &Moment,
    ) -> Result<Option<Stepped>, Error> {
        let mut ids = moment.ids.clone();
        let mut engine = stored.value.clone();
        let mut effects = Effects::default();
        let mut refused = None;
        for event in events {
            match engine.apply(event.clone(), moment.now, &mut ids) {
                Ok(more) => effects.append(more),
                Err(refusal) => {
                    refused = Some(refusal);
                    break;
                }
            }
        }
        let more = if refused.is_some() { &[] } else { more };
        let nothing_to_write =
            effects.changes.is_empty() && effects.notices.is_empty() && engine == stored.value && more.is_empty();
        if nothing_to_write {
            lock.keep(stored);
            return Ok(Some(Stepped { engine, refused, is_written: false }));
        }
        engine.nonce = moment.ids.nonce();
        let set = change_set(&stored, &engine, &effects.changes, more, moment.now, &mut ids);
        let unpublished = Unpublished::begin(&self.ports, &engine.session);
        let is_committed = self.commit_step(set, &engine, stored.version).await;
        unpublished.end();
        if !is_committed? {
            return Ok(None);
        }
        let version = stored.version + 1;
        lock.keep(Stored { version, value: engine.clone() });
        self.publish(&engine, version, effects);
        Ok(Some(Stepped { engine, refused, is_written: true }))
    }

    async fn load_engine(&self, id: &SessionId) -> Result<Stored<Engine>, Error> {
        let found = self.ports.store.engine(id).await?;
        found.map(|(_, engine)| engine).ok_or_else(|| session_not_found(id.as_str()))
    }

    /// Commits a step. `false` when the race was lost. A commit whose outcome is unknown is looked up: the step
    /// happened if and only if the stored state has its nonce: another node's step may have left the same state otherwise.
    async fn commit_step(&self, set: ChangeSet, engine: &Engine, version: u64) -> Result<bool, Error> {
        match self.commit(set).await {
            Ok(Commit::Done) => Ok(true),
            Ok(Commit::Conflict { .. }) => Ok(false),
            Err(StoreError::Unknown(_)) => {
                let found = self.load_engine(&engine.session).await;
                // Nobody publishes what nobody knows of, so whoever watches has to look.
                let found = found.inspect_err(|_| self.ports.pubsub.missed(&Topic::Session(engine.session.clone())))?;
                Ok(found.version == version + 1 && found.value.nonce == engine.nonce)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tells those who watch. Only after the commit: what is told is durable. Also where there is nothing to tell, since
    /// other nodes find by the version whether they missed anything.
    pub(crate) fn publish(&self, engine: &Engine, version: u64, effects: Effects) {
        if effects.changes.iter().any(|change| work_of(&engine.session, change).is_some())
            || engine.next_deadline().is_some()
        {
            self.new_work.notify_waiters();
        }
        if let Some(alarm) = &self.alarm {
            alarm(&engine.session, engine.next_deadline());
        }
        let topic = Topic::Session(engine.session.clone());
        self.ports.pubsub.publish(&topic, Hint::Session { version, seq: engine.seq, notices: effects.notices });
        for event in effects.bus {
            self.ports.pubsub.publish(&Topic::User(event.user.clone()), Hint::Bus(event));
        }
    }
}

/// The rows of a step, under the guard of the version that it began with.
fn change_set(
    before: &Stored<Engine>,
    after: &Engine,
    changes: &[Change],
    more: &[Write],
    now: Timestamp,
    ids: &mut IdStream,
) -> ChangeSet {
    let mut set = ChangeSet::new().with(Write::SetEngine { engine: after.clone(), version: before.version });
    push_changes(&mut set, &after.session, changes, now, ids);
    let due_at = after.next_deadline();
    if before.value.next_deadline() != due_at {
        set.push(Write::SetDeadline { session: after.session.clone(), due_at });
    }
    for write in more {
        set.push(write.clone());
    }
    set
}

/// Adds the rows of an engine's durable effects; what is work to be done becomes jobs.
pub(crate) fn push_changes(
    set: &mut ChangeSet,
    session: &SessionId,
    changes: &[Change],
    now: Timestamp,
    ids: &mut IdStream,
) {
    for change in changes {
        set.push(match work_of(session, change) {
            Some((work, node)) => Write::AddJob(Job { id: ids.draw(), work, node, attempts: 0, run_at: now }),
            None => Write::Session { id: session.clone(), change: change.clone() },
        });
    }
}

/// The work that an effect orders, and the node that can do it.
fn work_of(session: &SessionId, change: &Change) -> Option<(Work, Option<NodeId>)> {
    let session = || session.clone();
    let (work, node) = match change {
        Change::SandboxOrdered { generation, node } => {
            (Work::StartSandbox { session: session(), generation: *generation }, node)
        }
        Change::SandboxHibernated { generation, node, sandbox } => {
            (Work::HibernateSandbox { session: session(), generation: *generation, sandbox: sandbox.clone() }, node)
        }
        Change::SandboxDismissed { generation, node, sandbox } => {
            (Work::StopSandbox { session: session(), generation: *generation, sandbox: sandbox.clone() }, node)
        }
        Change::ParentTold { parent, event } => {
            return Some((Work::TellParent { parent: parent.clone(), child: session(), event: event.clone() }, None));
        }
        Change::ChildrenStopped => return Some((Work::StopChildren { session: session() }, None)),
        _ => return None,
    };
    Some((work, node.clone()))
}

pub(crate) fn session_not_found(id: &str) -> Error {
    Error::NotFound { resource: "Session", id: id.to_owned() }
}

pub(crate) fn contended() -> Error {
    Error::Unavailable { message: "too many changes at once: try again".to_owned(), retry_after: 1 }
}
