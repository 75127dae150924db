//! Deleting sessions for good.
//!
//! A session that is to be deleted ends at once, and the job in the same change set does the rest: whatever a crash leaves
//! undone is done by the job's next attempt. Until its rows are gone the session reads as one that has ended.

use std::time::Duration;

use portway_domain::access::{Permission, SessionRole};
use portway_domain::attachments::OBJECTS;
use portway_domain::children::ParentStop;
use portway_domain::engine::{Engine, Event, Notice};
use portway_domain::ids::SessionId;
use portway_domain::jobs::{Job, MAX_ATTEMPTS, Work};
use portway_ports::Stored;
use portway_ports::children::ChildFilter;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::objects::{MAX_OBJECT_PAGE, ObjectKey};
use portway_ports::pages::{MAX_PAGE, PageRequest};
use portway_ports::pubsub::{Hint, Topic};
use portway_ports::sandboxes::SandboxRef;

use crate::error::Error;
use crate::jobs::completion;
use crate::sessions::actor;
use crate::steps::{self, Moment, contended};
use crate::unpublished::Unpublished;
use crate::{Context, Services};

/// Messages that are removed at once: nobody else writes meanwhile.
const MESSAGES: u32 = 500;

/// Between two of them, for whoever waits.
const PAUSE: Duration = Duration::from_millis(10);

/// What became of some sessions that were to be deleted.
#[derive(Debug, Default)]
pub struct Deletions {
    /// How many are deleted.
    pub deleted: u32,
    /// Those that are not, and why.
    pub failed: Vec<(SessionId, Error)>,
}

impl Services {
    /// Deletes sessions of the caller with all that is kept of them, and those that they opened. They end at once; the rest
    /// is done soon after this returns. Those that are not the caller's own are passed over.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn delete_sessions(&self, context: &Context, ids: &[SessionId]) -> Result<Deletions, Error> {
        self.principal(context).await?;
        let mut deletions = Deletions::default();
        for id in ids {
            match self.order_deletion(context, id).await {
                Ok(()) => deletions.deleted += 1,
                Err(Error::NotFound { .. }) => {}
                Err(error) => deletions.failed.push((id.clone(), error)),
            }
        }
        Ok(deletions)
    }

    async fn order_deletion(&self, context: &Context, id: &SessionId) -> Result<(), Error> {
        // Ids of jobs are known everywhere, so each session has a moment of its own.
        let moment = self.moment();
        let context =
            Context { permission: Permission::Session(SessionRole::Owner), idempotency: None, ..context.clone() };
        let mut lock = self.locks.lock(id).await;
        for _ in 0..steps::MAX_ATTEMPTS {
            let (principal, state) = self.acting(&context, id).await?;
            let ended = [Event::Terminated { by: actor(&principal) }];
            let job = deletion(&state.engine.value, &moment);
            if self.attempt(&mut lock, state.engine, &ended, &[Write::AddJob(job)], &later(&moment)).await?.is_some() {
                self.new_work.notify_waiters();
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Deletes a session. Everything in it can be done twice.
    pub(crate) async fn delete_session(&self, job: &Job, id: &SessionId) -> Result<(), Error> {
        let Some((_, engine)) = self.ports.store.engine(id).await? else {
            return self.complete(job).await;
        };
        let engine = engine.value;
        self.delete_children(id).await?;
        if engine.runner.generation > 0 {
            let sandbox = SandboxRef {
                session: id.clone(),
                generation: engine.runner.generation,
                id: engine.runner.sandbox.clone(),
            };
            self.ports.sandboxes.stop(&sandbox).await.map_err(|error| unavailable(&error))?;
        }
        match self.ports.sandboxes.delete_workspace(id).await {
            Ok(_) => {}
            Err(error) if job.attempts < MAX_ATTEMPTS => return Err(unavailable(&error)),
            Err(error) => tracing::warn!(session = %id, %error, "the files of a session that is deleted stay"),
        }
        self.delete_objects(id).await?;
        while !self.ports.store.newest_messages(id, 1).await?.is_empty() {
            self.commit(ChangeSet::new().with(Write::RemoveMessages { session: id.clone(), limit: MESSAGES })).await?;
            self.ports.clock.sleep(PAUSE).await;
        }
        self.delete_rows(job, id).await
    }

    /// Orders the same for the sessions that it opened; there are no further ones, since it has ended.
    async fn delete_children(&self, parent: &SessionId) -> Result<(), Error> {
        let mut after = None;
        loop {
            let request = PageRequest::new(MAX_PAGE, after);
            let page = self.ports.store.children_of(parent, ChildFilter::All, request).await?.page;
            for child in page.items {
                let Some((_, engine)) = self.ports.store.engine(&child.id).await? else { continue };
                let moment = self.moment();
                let job = Write::AddJob(deletion(&engine.value, &moment));
                let stopped = Event::StoppedByParent { reason: ParentStop::ParentEnded };
                match self.apply(&child.id, vec![stopped], vec![job], later(&moment)).await {
                    Ok(_) | Err(Error::NotFound { .. }) => self.new_work.notify_waiters(),
                    Err(error) => return Err(error),
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn delete_objects(&self, id: &SessionId) -> Result<(), Error> {
        let folder = ObjectKey::parse(format!("{OBJECTS}/{id}"))
            .map_err(|error| Error::Internal(format!("the objects of session {id}: {error}")))?;
        loop {
            let page = self.ports.objects.list(&folder, None, MAX_OBJECT_PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            for object in page {
                self.ports.objects.delete(&object.key).await?;
            }
        }
    }

    async fn delete_rows(&self, job: &Job, id: &SessionId) -> Result<(), Error> {
        // Nobody steps the session meanwhile, and nobody has a state of it afterwards.
        let mut lock = self.locks.lock(id).await;
        let Some((_, last)) = self.ports.store.engine(id).await? else {
            return self.complete(job).await;
        };
        let rows = ChangeSet::new().with(Write::RemoveSession { id: id.clone() }).with(completion(job));
        // Where the outcome is not known nobody does this again, since the job may have gone with the rows.
        let unpublished = Unpublished::begin(&self.ports, id);
        let committed = self.commit(rows).await?;
        unpublished.end();
        if committed == Commit::Done {
            lock.take();
            self.tell_everybody_gone(&last);
        }
        // Otherwise the lease ran out, and somebody else has the job now.
        Ok(())
    }

    /// Whoever has it open reads it again, and finds that it is gone.
    fn tell_everybody_gone(&self, last: &Stored<Engine>) {
        let (engine, version) = (&last.value, last.version + 1);
        let users = [&engine.owner].into_iter().chain(engine.participants.keys());
        let notices = users.map(|user| Notice::AccessWithdrawn { user: user.clone() }).collect();
        let topic = Topic::Session(engine.session.clone());
        self.ports.pubsub.publish(&topic, Hint::Session { version, seq: engine.seq, notices });
    }
}

/// The work of deleting a session: its files are where its last sandbox was.
fn deletion(engine: &Engine, moment: &Moment) -> Job {
    let work = Work::DeleteSession { session: engine.session.clone() };
    let (id, node) = (moment.ids.clone().draw(), engine.runner.node.clone());
    Job { id, work, node, attempts: 0, run_at: moment.now }
}

/// The same moment, after the id of the job was drawn.
fn later(moment: &Moment) -> Moment {
    let mut ids = moment.ids.clone();
    ids.draw_text();
    Moment { now: moment.now, ids }
}

fn unavailable(error: &impl ToString) -> Error {
    Error::Unavailable { message: error.to_string(), retry_after: 1 }
}
