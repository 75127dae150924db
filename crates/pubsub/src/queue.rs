//! What waits for one watcher.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use portway_ports::pubsub::{Delivery, SharedHint};

/// How many hints wait for one watcher before they are given up for [`Delivery::Missed`].
pub(crate) const MAX_WAITING: usize = 1_024;

/// A drained queue gives its memory back when it has room for more than this.
const KEPT_CAPACITY: usize = 64;

/// What waits for one watcher.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Hints were given up. They were older than all of `hints`.
    missed: bool,
    hints: VecDeque<Arc<SharedHint>>,
    closed: bool,
    /// Whoever found nothing.
    watcher: Option<Waker>,
}

impl Queue {
    pub(crate) fn push(&self, hint: Arc<SharedHint>) {
        self.change(|waiting| {
            if waiting.hints.len() < MAX_WAITING {
                waiting.hints.push_back(hint);
            } else {
                waiting.give_up();
            }
        });
    }

    /// Something was lost on its way here.
    pub(crate) fn miss(&self) {
        self.change(Waiting::give_up);
    }

    pub(crate) fn close(&self) {
        self.change(|waiting| waiting.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting();
        change(&mut waiting);
        let watcher = waiting.watcher.take();
        drop(waiting);
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }

    /// The next delivery, or none any more. Where there is none yet the caller is woken when there is; the latest caller
    /// alone, since each queue has one watcher.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let mut waiting = self.waiting();
        let next = waiting.take();
        if next.is_pending() {
            match &mut waiting.watcher {
                Some(watcher) => watcher.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        next
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Poll<Option<Delivery>> {
        if std::mem::take(&mut self.missed) {
            return Poll::Ready(Some(Delivery::Missed));
        }
        let hint = self.hints.pop_front();
        if self.hints.is_empty() && self.hints.capacity() > KEPT_CAPACITY {
            self.hints = VecDeque::new();
        }
        match hint {
            Some(hint) => Poll::Ready(Some(Delivery::Hint(hint))),
            None if self.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// The watcher has to read the state again anyway, which holds all that waited.
    fn give_up(&mut self) {
        self.hints = VecDeque::new();
        self.missed = true;
    }
}
