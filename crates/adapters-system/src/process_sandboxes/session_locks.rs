//! One lock per session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use portway_domain::ids::SessionId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Lets starts and stops of one session happen one after the other. Sessions that nobody holds take no memory.
#[derive(Debug, Default)]
pub(super) struct SessionLocks {
    held: Mutex<HashMap<SessionId, Arc<AsyncMutex<()>>>>,
}

/// The lock is held until this is dropped.
#[derive(Debug)]
pub(super) struct SessionGuard<'locks> {
    locks: &'locks SessionLocks,
    session: SessionId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl SessionLocks {
    pub(super) async fn lock(&self, session: &SessionId) -> SessionGuard<'_> {
        let lock = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(held.entry(session.clone()).or_default())
        };
        // Made before the wait, so that a wait which is given up clears the map too.
        let mut guard = SessionGuard { locks: self, session: session.clone(), guard: None };
        guard.guard = Some(lock.lock_owned().await);
        guard
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut held = self.locks.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Others who hold or await it have handles of their own.
        if held.get(&self.session).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            held.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_wait_for_themselves_only_and_leave_nothing() {
        let locks = SessionLocks::default();
        let (one, two) = (SessionId::parse("one").unwrap(), SessionId::parse("two").unwrap());
        let held = locks.lock(&one).await;
        let other = locks.lock(&two).await;
        {
            let second = locks.lock(&one);
            tokio::pin!(second);
            tokio::select! {
                biased;
                _ = &mut second => panic!("it is held"),
                () = std::future::ready(()) => {}
            }
            drop(held);
            drop(second.await);
        }
        drop(other);
        assert!(locks.held.lock().unwrap().is_empty());
    }
}
