//! Sessions that a session opens: opening them, ending them with it, and telling it how they fare.

use portway_domain::access::{Permission, Principal, SessionRole};
use portway_domain::children::{ChildEvent, ParentStop, SessionName};
use portway_domain::engine::{Engine, Event};
use portway_domain::ids::{SessionId, UserId};
use portway_domain::jobs::Job;
use portway_domain::sessions::Session;
use portway_domain::time::Timestamp;
use portway_ports::Stored;
use portway_ports::children::{ChildFilter, ChildPage, Family};
use portway_ports::pages::{MAX_PAGE, PageRequest};

use crate::error::Error;
use crate::locks::SessionLock;
use crate::sessions::{Fresh, NewSession};
use crate::steps::{MAX_ATTEMPTS, Moment, contended, session_not_found};
use crate::{Context, Services};

/// How often the children of a session are looked for that are still to be ended.
const ROUNDS: usize = 100;

/// A child that is to be opened, and on whose behalf.
pub(crate) struct Birth<'a> {
    /// The session that opens it.
    pub(crate) parent: &'a Session,
    /// Its owner, and how many live already.
    pub(crate) family: &'a Family,
    /// Who asked for it; the agent if absent.
    pub(crate) opener: Option<&'a Principal>,
    /// What it is to be.
    pub(crate) new: NewSession,
}

impl Services {
    /// Children of a session, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may look at.
    pub async fn children(
        &self,
        context: &Context,
        parent: &SessionId,
        filter: ChildFilter,
        page: PageRequest,
    ) -> Result<ChildPage, Error> {
        let seen = self.ports.store.children(context.token()?, parent, filter, page).await?;
        context.admit_to(seen.caller, seen.value.as_ref().map(|(access, _)| access), parent)?;
        seen.value.map(|(_, page)| page).ok_or_else(|| session_not_found(parent.as_str()))
    }

    /// Opens a child for a caller who takes part in the parent. It belongs to the owner of the parent; a caller who is not
    /// takes part in it.
    pub(crate) async fn open_child(
        &self,
        context: &Context,
        id: &SessionId,
        new: NewSession,
    ) -> Result<Session, Error> {
        let context = Context { permission: Permission::Session(SessionRole::Collaborator), ..context.clone() };
        let mut lock = self.locks.lock(id).await;
        for _ in 0..MAX_ATTEMPTS {
            // In this order: whoever opens another child after the state was read changes its version.
            let (principal, state) = self.acting(&context, id).await?;
            if let Some(session) = context.replay::<Session>(state.remembered.as_ref())? {
                return Ok(session);
            }
            self.check_directory(&context, &principal, &new)?;
            let family = self.family(id, None, &(&context).into()).await?;
            let parent = &state.access.session;
            let birth = Birth { parent, family: &family, opener: Some(&principal), new: new.clone() };
            let mut fresh = self.born(birth, &(&context).into())?;
            fresh.writes.extend(context.remember(&principal.user, &fresh.session)?);
            let opened = self.attach(&mut lock, state.engine, fresh, &principal.user, context.now).await?;
            if let Some(session) = opened {
                return Ok(session);
            }
        }
        Err(contended())
    }

    pub(crate) async fn family(&self, id: &SessionId, key: Option<&str>, moment: &Moment) -> Result<Family, Error> {
        let family = self.ports.store.family(id, key, moment.now).await?;
        family.ok_or_else(|| session_not_found(id.as_str()))
    }

    /// A child as it begins: what was not said is as in its parent.
    pub(crate) fn born(&self, birth: Birth<'_>, moment: &Moment) -> Result<Fresh, Error> {
        let Birth { parent, family, opener, new } = birth;
        if parent.status.is_ended() {
            return Err(Error::SessionEnded { status: parent.status.as_str() });
        }
        let limit = self.options.max_children;
        if family.live >= limit {
            return Err(Error::ChildQuota { live: family.live, limit });
        }
        let new = NewSession {
            workspace: if new.workspace.is_empty() { parent.workspace.clone() } else { new.workspace },
            agent: new.agent.or_else(|| Some(parent.agent.clone())),
            directory: new.directory.or_else(|| parent.directory.clone()),
            parent: Some(parent.id.clone()),
            ..new
        };
        self.agent_of(&new)?;
        self.fresh(moment, &family.owner, opener, new)
    }

    /// Writes a child together with what its parent knows of it, if that is still as it was read: one that has ended
    /// meanwhile gets none, and one that has got others has to be counted again. `None` when the race was lost.
    pub(crate) async fn attach(
        &self,
        lock: &mut SessionLock<'_>,
        parent: Stored<Engine>,
        fresh: Fresh,
        by: &UserId,
        now: Timestamp,
    ) -> Result<Option<Session>, Error> {
        let Fresh { session, engine, effects, writes, ids } = fresh;
        let event = Event::ChildOpened { child: session.id.clone(), title: session.title.clone(), by: by.clone() };
        let stepped = self.attempt(lock, parent, &[event], &writes, &Moment { now, ids }).await?;
        match stepped.map(|stepped| stepped.refused) {
            Some(Some(refusal)) => return Err(refusal.into()),
            Some(None) => {}
            // The rows of an attempt whose outcome is unknown have the same ids.
            None if self.ports.store.engine(&session.id).await?.is_some() => {}
            None => return Ok(None),
        }
        self.publish(&engine, 1, effects);
        Ok(Some(session))
    }

    /// Tells a session what a child has to say. The job is gone with the same commit, so this happens once.
    pub(crate) async fn notify_parent(
        &self,
        job: &Job,
        parent: &SessionId,
        child: &SessionId,
        event: &ChildEvent,
    ) -> Result<(), Error> {
        let Some((session, _)) = self.ports.store.engine(child).await? else {
            return self.complete(job).await;
        };
        let told = Event::ChildTold { child: name_of(&session), event: event.clone() };
        self.apply_and_complete(job, parent, told).await
    }

    /// Ends the children of a session that has ended. It gets no further ones, so there is an end of it; whatever was
    /// ended before a crash is so already.
    pub(crate) async fn stop_children(&self, job: &Job, parent: &SessionId) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let page = PageRequest::new(MAX_PAGE, None);
            let live = self.ports.store.children_of(parent, ChildFilter::Live, page).await?.page.items;
            if live.is_empty() {
                return self.complete(job).await;
            }
            for child in live {
                let stop = Event::StoppedByParent { reason: ParentStop::ParentEnded };
                self.apply(&child.id, vec![stop], Vec::new(), self.moment()).await?;
            }
        }
        Err(contended())
    }
}

/// A session as it is told to another one.
pub(crate) fn name_of(session: &Session) -> SessionName {
    SessionName { id: session.id.clone(), name: session.title.clone().unwrap_or_else(|| session.workspace.clone()) }
}
