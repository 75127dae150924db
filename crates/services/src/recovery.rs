//! Taking sessions over when a node starts, and leaving them in order when it stops.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portway_domain::engine::{Engine, Event, Link};
use portway_domain::ids::SessionId;
use portway_ports::Stored;
use portway_ports::sandboxes::SandboxRef;

use crate::Services;
use crate::error::Error;

/// Sessions read at once.
const PAGE: u32 = 100;

/// Who works on a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenancy {
    /// This process alone: what it finds half done was left behind by one that is gone.
    Alone,
    /// Other nodes as well. What this node does not know may be theirs: it keeps its hands off their leases of jobs, and
    /// off sandboxes that never were here.
    Shared,
}

/// Whether it makes sense to ask where sandboxes are: once nobody answered, each further question would only take time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Everything,
    Nothing,
}

impl Services {
    /// Takes over what an earlier process left behind: sandboxes that live get time for their runners to come back, the
    /// others are reported gone, and those that no session wants are stopped. Where others work on the store, that is only
    /// done for what was on this node; the leases of others run out by themselves then. Call it before anything else runs.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn recover(self: &Arc<Self>, tenancy: Tenancy) -> Result<(), Error> {
        self.is_leaving.store(false, Ordering::SeqCst);
        let own = (tenancy == Tenancy::Shared).then_some(&self.node);
        self.ports.store.release_leases(own).await?;
        self.stop_strays().await?;
        let mut asks = Asks::Everything;
        for id in self.sessions_with_sandbox().await? {
            self.recover_session(&id, tenancy, &mut asks).await?;
        }
        Ok(())
    }

    /// Stops the sandboxes on this node that no session wants, such as those of sessions that ended while it was not there.
    pub(crate) async fn stop_strays(&self) -> Result<(), Error> {
        let found = self.ports.sandboxes.on_this_node().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it is not known which sandboxes are here");
            Vec::new()
        });
        for sandbox in found {
            if self.wants_sandbox(&sandbox.session, sandbox.generation).await? {
                continue;
            }
            if let Err(error) = self.ports.sandboxes.stop(&sandbox).await {
                tracing::warn!(session = %sandbox.session, %error, "a stray sandbox could not be stopped");
            }
        }
        Ok(())
    }

    /// Every session that has a sandbox or waits for one.
    async fn sessions_with_sandbox(&self) -> Result<Vec<SessionId>, Error> {
        let mut all: Vec<SessionId> = Vec::new();
        loop {
            let mut page = self.ports.store.sessions_with_sandbox(all.last(), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.append(&mut page);
        }
    }

    async fn recover_session(self: &Arc<Self>, id: &SessionId, tenancy: Tenancy, asks: &mut Asks) -> Result<(), Error> {
        let Some((_, engine)) = self.ports.store.engine(id).await? else {
            return Ok(());
        };
        if tenancy == Tenancy::Shared && !self.looks_after(&engine.value) {
            return Ok(());
        }
        let sandbox = sandbox_of(&engine.value);
        let started = !matches!(engine.value.runner.link, Link::Starting { .. });
        if self.may_live(&sandbox, asks).await {
            self.apply(id, vec![Event::GatewayRestarted], Vec::new(), self.moment()).await?;
            self.watch_sandbox(sandbox);
        } else if started && (tenancy == Tenancy::Alone || self.ports.sandboxes.was_here(&sandbox).await) {
            self.sandbox_gone(id, sandbox.generation, "it was gone when the gateway started".to_owned()).await;
        }
        Ok(())
    }

    /// Whether a sandbox lives, or that cannot be found out: its runner may come back, or else time tells.
    async fn may_live(&self, sandbox: &SandboxRef, asks: &mut Asks) -> bool {
        if *asks == Asks::Nothing {
            return true;
        }
        self.ports.sandboxes.is_alive(sandbox).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it is not known which sandboxes live; all get time to come back");
            *asks = Asks::Nothing;
            true
        })
    }

    /// Whether a sandbox that every node can reach is one of this node.
    fn looks_after(&self, engine: &Engine) -> bool {
        self.ports.sandboxes.stay_with_node() || engine.runner.node.as_ref() == Some(&self.node)
    }

    /// Puts all sandboxes of this node away because the node goes down, also those that are being started: the work of
    /// stopping them is ordered, and the sessions go on with new ones when there is something to do.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn retire_sandboxes(&self, tenancy: Tenancy) -> Result<(), Error> {
        // Before anybody looks which sandboxes live: one that comes later sees it.
        self.is_leaving.store(true, Ordering::SeqCst);
        for id in self.sessions_with_sandbox().await? {
            if tenancy == Tenancy::Alone || self.is_here(&id).await? {
                self.apply(&id, vec![Event::SandboxRetired], Vec::new(), self.moment()).await?;
            }
        }
        Ok(())
    }

    /// Whether the sandbox of a session is one of this node.
    async fn is_here(&self, id: &SessionId) -> Result<bool, Error> {
        let Some((_, engine)) = self.ports.store.engine(id).await? else {
            return Ok(false);
        };
        if !self.looks_after(&engine.value) {
            return Ok(false);
        }
        Ok(self.ports.sandboxes.is_alive(&sandbox_of(&engine.value)).await.unwrap_or(true))
    }

    /// Whether work that was ordered is left for this node to be done, such as stopping a sandbox.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn has_work(&self) -> Result<bool, Error> {
        Ok(self.ports.store.next_job_at(&self.node, self.ports.clock.now()).await?.is_some())
    }

    /// Whether a sandbox of that session and generation is wanted on this node; one that is not can be stopped.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn wants_sandbox(&self, id: &SessionId, generation: u32) -> Result<bool, Error> {
        let found = self.ports.store.engine(id).await?;
        Ok(found.is_some_and(|(_, Stored { value: engine, .. })| {
            let is_elsewhere = engine.runner.node.is_some_and(|node| node != self.node);
            engine.runner.link != Link::None && engine.runner.generation == generation && !is_elsewhere
        }))
    }
}

pub(crate) fn sandbox_of(engine: &Engine) -> SandboxRef {
    let runner = &engine.runner;
    SandboxRef { session: engine.session.clone(), generation: runner.generation, id: runner.sandbox.clone() }
}
