//! One step at a time per session within this process.
//!
//! Correctness does not rest on it: the version guard of the commit decides between nodes. It keeps steps of one
//! process from conflicting, and holds the state that was committed last, so that a busy session is not read again for
//! every step.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portway_domain::engine::Engine;
use portway_domain::ids::SessionId;
use portway_ports::Stored;
use tokio::sync::OwnedMutexGuard;

type Slot = Arc<tokio::sync::Mutex<Option<Stored<Engine>>>>;

/// The locks of all sessions that are being stepped.
#[derive(Default)]
pub(crate) struct SessionLocks {
    slots: Mutex<HashMap<SessionId, Slot>>,
}

/// The right to step one session, and its state if it is known.
pub(crate) struct SessionLock<'a> {
    locks: &'a SessionLocks,
    id: SessionId,
    slot: Option<OwnedMutexGuard<Option<Stored<Engine>>>>,
}

impl SessionLocks {
    pub(crate) async fn lock(&self, id: &SessionId) -> SessionLock<'_> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(id.clone()).or_default().clone()
        };
        SessionLock { locks: self, id: id.clone(), slot: Some(slot.lock_owned().await) }
    }

    /// How many sessions are being stepped or have a turn going on that this process stepped last.
    pub(crate) fn held(&self) -> usize {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl SessionLock<'_> {
    /// The state that was committed last, taken out: put the newer one back after its commit.
    pub(crate) fn take(&mut self) -> Option<Stored<Engine>> {
        self.slot.as_mut().and_then(|slot| slot.take())
    }

    /// Keeps the committed state for the next step, in the place of an older one. Only sessions in which something is
    /// going on are kept.
    pub(crate) fn keep(&mut self, state: Stored<Engine>) {
        if let Some(slot) = self.slot.as_mut() {
            **slot = Some(state).filter(|state| state.value.turn.is_some());
        }
    }
}

impl Drop for SessionLock<'_> {
    fn drop(&mut self) {
        let mut slots = self.locks.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = self.slot.as_ref().is_none_or(|slot| slot.is_none());
        self.slot = None;
        // The map alone owns a lock that nobody holds or waits for.
        let unused = slots.get(&self.id).is_some_and(|slot| Arc::strong_count(slot) == 1);
        if empty && unused {
            slots.remove(&self.id);
        }
    }
}
