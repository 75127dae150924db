//! What waits for one watcher.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use portway_ports::pubsub::{Delivery, SharedHint};
use tokio::sync::Notify;

/// How many hints wait for one watcher before they are given up for [`Delivery::Missed`].
pub(crate) const MAX_WAITING: usize = 1_024;

/// A drained queue gives its memory back when it has room for more than this.
const KEPT_CAPACITY: usize = 64;

/// What waits for one watcher.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Hints were given up. They were older than all of `hints`.
    missed: bool,
    hints: VecDeque<Arc<SharedHint>>,
    closed: bool,
}

impl Queue {
    pub(crate) fn push(&self, hint: Arc<SharedHint>) {
        let mut waiting = self.waiting();
        if waiting.hints.len() < MAX_WAITING {
            waiting.hints.push_back(hint);
        } else {
            waiting.give_up();
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Something was lost on its way here.
    pub(crate) fn miss(&self) {
        self.waiting().give_up();
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    /// The next delivery, or none any more, unless there is none yet.
    pub(crate) fn take(&self) -> Poll<Option<Delivery>> {
        let mut waiting = self.waiting();
        if std::mem::take(&mut waiting.missed) {
            return Poll::Ready(Some(Delivery::Missed));
        }
        let hint = waiting.hints.pop_front();
        if waiting.hints.is_empty() && waiting.hints.capacity() > KEPT_CAPACITY {
            waiting.hints = VecDeque::new();
        }
        match hint {
            Some(hint) => Poll::Ready(Some(Delivery::Hint(hint))),
            None if waiting.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    pub(crate) async fn next(&self) -> Option<Delivery> {
        loop {
            // Looks first, so a wake-up that was lost with a dropped call loses nothing else.
            if let Poll::Ready(delivery) = self.take() {
                return delivery;
            }
            self.changed.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The watcher has to read the state again anyway, which holds all that waited.
    fn give_up(&mut self) {
        self.hints = VecDeque::new();
        self.missed = true;
    }
}
