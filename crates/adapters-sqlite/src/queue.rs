//! The way from callers to database threads: bounded, first in first out.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// A bounded queue that async callers fill and threads empty.
///
/// What was accepted is always handed out, also after the queue was closed.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    room: Semaphore,
}

struct State<T> {
    items: VecDeque<T>,
    sleeping: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(length: usize) -> Self {
        Self {
            state: Mutex::new(State { items: VecDeque::new(), sleeping: 0, closed: false }),
            filled: Condvar::new(),
            room: Semaphore::new(length),
        }
    }

    /// Waits for room and adds an item. False when the queue is closed.
    pub(crate) async fn push(&self, item: T) -> bool {
        let Ok(permit) = self.room.acquire().await else {
            return false;
        };
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        // Given back by the thread that takes the item.
        permit.forget();
        state.items.push_back(item);
        let wake = state.sleeping > 0;
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        true
    }

    /// Waits for items and takes up to `most` of them. Nothing means: closed and empty.
    pub(crate) fn take(&self, most: usize) -> Vec<T> {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return Vec::new();
            }
            state.sleeping += 1;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping -= 1;
        }
        let count = state.items.len().min(most);
        let taken = state.items.drain(..count).collect();
        drop(state);
        self.room.add_permits(count);
        taken
    }

    /// Takes up to `most` of what waits now: the items at the front that are of the wanted kind.
    pub(crate) fn take_waiting(&self, most: usize, is_wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut state = self.lock();
        let count = state.items.iter().take(most).take_while(|item| is_wanted(item)).count();
        let taken = state.items.drain(..count).collect();
        drop(state);
        self.room.add_permits(count);
        taken
    }

    /// Accepts nothing any more, and lets the threads finish what was accepted.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn what_waits_is_taken_together_and_in_order() {
        let queue = Queue::new(8);
        for item in 0..5 {
            assert!(queue.push(item).await);
        }
        assert_eq!(queue.take(3), [0, 1, 2]);
        assert_eq!(queue.take(3), [3, 4]);
    }

    #[tokio::test]
    async fn what_waits_is_taken_without_waiting_and_only_as_far_as_it_is_wanted() {
        let queue = Queue::new(4);
        assert!(queue.take_waiting(4, |_| true).is_empty());
        for item in [2, 4, 5, 6] {
            assert!(queue.push(item).await);
        }
        assert_eq!(queue.take_waiting(1, |item| item % 2 == 0), [2]);
        assert_eq!(queue.take_waiting(4, |item| item % 2 == 0), [4]);
        assert_eq!(queue.take(4), [5, 6]);
        assert_eq!(queue.room.available_permits(), 4);
    }

    #[tokio::test]
    async fn a_full_queue_makes_callers_wait_until_there_is_room() {
        let queue = Arc::new(Queue::new(1));
        assert!(queue.push(1).await);
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.push(2).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert_eq!(queue.take(8), [1]);
        assert!(waiting.await.unwrap());
        assert_eq!(queue.take(8), [2]);
    }

    #[tokio::test]
    async fn a_closed_queue_refuses_and_hands_out_the_rest() {
        let queue = Queue::new(8);
        assert!(queue.push(1).await);
        queue.close();
        assert!(!queue.push(2).await);
        assert_eq!(queue.take(8), [1]);
        assert!(queue.take(8).is_empty());
    }
}
