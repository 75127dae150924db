//! Being there for other nodes, and taking over from those that are gone.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portway_domain::engine::Event;
use portway_domain::ids::NodeId;
use portway_domain::time::Timestamp;

use crate::Services;
use crate::error::Error;

/// How long a node counts as there after it last said so.
pub const NODE_LEASE: Duration = Duration::from_secs(15);

/// How often a node says that it is there.
const BEAT: Duration = Duration::from_secs(5);

/// Sessions read at once.
const PAGE: u32 = 100;

/// Since when this node has been there without a break.
#[derive(Debug, Default)]
struct Standing {
    /// It counted as gone meanwhile: what only it could do was taken to be done.
    was_away: bool,
    since: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Standing {
    /// It was said at `now` that the node is there.
    fn said(&mut self, now: Timestamp) {
        let is_back = self.last.map(|last| now.since(last) >= NODE_LEASE);
        if is_back != Some(false) {
            self.since = Some(now);
        }
        self.was_away |= is_back == Some(true);
        self.last = Some(now);
    }

    /// Whether the node may judge others: while the store could not be reached, nobody could say that they are there.
    fn is_firm(&self, now: Timestamp) -> bool {
        let is_there = self.last.is_some_and(|last| now.since(last) < NODE_LEASE);
        is_there && self.since.is_some_and(|since| now.since(since) >= NODE_LEASE)
    }
}

impl Services {
    /// Tells other nodes on the store that this one is there, for a first time. Call it before anything that others may
    /// leave to this node, such as a request or [`Services::recover`]: what only it can do, any of them would take on.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn enter_node(&self) -> Result<(), Error> {
        Ok(self.ports.store.be_there(&self.node, self.ports.clock.now().plus(NODE_LEASE)).await?)
    }

    /// Tells other nodes on the store that this one is there, and takes over the sessions of those that are gone, until
    /// it is dropped. Run one per node, where several share a store; their clocks may differ by a few seconds.
    pub async fn run_node(self: Arc<Self>) {
        self.is_shared.store(true, Ordering::Relaxed);
        let standing = Mutex::default();
        // What is done for others may take long: nobody must take this node for gone meanwhile.
        tokio::join!(self.keep_saying(&standing), self.look_after_others(&standing));
    }

    async fn keep_saying(&self, standing: &Mutex<Standing>) {
        loop {
            let now = self.ports.clock.now();
            match self.ports.store.be_there(&self.node, now.plus(NODE_LEASE)).await {
                Ok(()) => locked(standing).said(now),
                Err(error) => tracing::warn!(%error, "this node cannot say that it is there"),
            }
            self.ports.clock.sleep(BEAT).await;
        }
    }

    async fn look_after_others(&self, standing: &Mutex<Standing>) {
        // What the node left behind when it was there before is known.
        let mut is_settled = false;
        loop {
            if let Err(error) = self.look_after(standing, &mut is_settled).await {
                tracing::warn!(%error, "this node cannot take over from others");
            }
            self.ports.clock.sleep(BEAT).await;
        }
    }

    async fn look_after(&self, standing: &Mutex<Standing>, is_settled: &mut bool) -> Result<(), Error> {
        let now = self.ports.clock.now();
        let has_neighbours = self.ports.store.has_other_nodes(&self.node, now).await?;
        self.has_neighbours.store(has_neighbours, Ordering::Relaxed);
        if !*is_settled {
            self.forget_earlier_presence().await?;
            *is_settled = true;
        }
        self.write_presence().await?;
        // Taken before the work: the node may be away again while that goes on.
        let was_away = std::mem::take(&mut locked(standing).was_away);
        if was_away && let Err(error) = self.stop_strays().await {
            locked(standing).was_away = true;
            return Err(error);
        }
        let now = self.ports.clock.now();
        let is_firm = locked(standing).is_firm(now);
        if is_firm { self.take_over(now).await } else { Ok(()) }
    }

    /// Takes over the sessions of all nodes that are gone at `now`.
    ///
    /// # Errors
    /// The store's failure; what was not done is done with the next call.
    pub async fn take_over(&self, now: Timestamp) -> Result<(), Error> {
        for node in self.ports.store.lost_nodes(now).await? {
            if node != self.node {
                tracing::warn!(%node, "a node is gone; its sessions go on without it");
                self.take_over_from(&node).await?;
                self.end_presence_of(&node).await?;
                self.ports.store.forget_node(&node, now).await?;
                self.new_work.notify_waiters();
            }
        }
        Ok(())
    }

    async fn take_over_from(&self, node: &NodeId) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.ports.store.sessions_of_node(node, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for id in &page {
                match self.apply(id, vec![Event::NodeLost { node: node.clone() }], Vec::new(), self.moment()).await {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Tells other nodes that this one is not there any more, and nobody through it. Call it when nothing else runs.
    ///
    /// # Errors
    /// The store's failure; others find out by themselves then.
    pub async fn leave_node(&self) -> Result<(), Error> {
        self.end_presence_of(&self.node).await?;
        Ok(self.ports.store.leave(&self.node).await?)
    }
}

fn locked(standing: &Mutex<Standing>) -> MutexGuard<'_, Standing> {
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}
