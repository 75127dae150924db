//! Hints that wait to be sent to other nodes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portway_ports::pubsub::{Hint, Topic};
use tokio::sync::Notify;

/// Most hints that wait; with more, others are told to read again instead.
const MAX_WAITING: usize = 4_096;

/// Most topics that others are told to read again; with more, they are told to read everything again.
const MAX_LOST: usize = 4_096;

/// Most hints that are sent at once.
const BATCH: usize = 256;

/// What waits to be sent. Never blocks whoever adds to it.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    all: Batch,
    closed: bool,
}

/// That this node is there, said beside what it has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Greeting {
    /// To somebody who asked.
    Answer,
    /// To everybody, who are asked to answer.
    Hello,
}

/// What is sent at once: what is lost first.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) greeting: Option<Greeting>,
    /// Nobody knows any more what was lost.
    pub(super) lost_all: bool,
    /// Topics about which hints could not be sent, with the newest version among them.
    pub(super) lost: HashMap<Topic, Option<u64>>,
    /// Hints in order. None is about a topic that was lost after it was published.
    pub(super) hints: VecDeque<(Topic, Arc<Hint>)>,
}

impl Outbox {
    /// Adds a hint.
    pub(super) fn push(&self, topic: &Topic, hint: Arc<Hint>) {
        let mut waiting = self.waiting();
        if waiting.closed {
            return;
        }
        if waiting.all.hints.len() >= MAX_WAITING {
            waiting.all.lose_hints();
        }
        waiting.all.hints.push_back((topic.clone(), hint));
        drop(waiting);
        self.changed.notify_one();
    }

    /// Says that this node is there.
    pub(super) fn greet(&self, greeting: Greeting) {
        self.waiting().all.greet(Some(greeting));
        self.changed.notify_one();
    }

    /// What to send next, as soon as there is something; `None` once it is closed and empty.
    pub(super) async fn next(&self) -> Option<Batch> {
        loop {
            if let Some(batch) = self.take() {
                return batch.is_filled().then_some(batch);
            }
            self.changed.notified().await;
        }
    }

    fn take(&self) -> Option<Batch> {
        let mut waiting = self.waiting();
        if !waiting.all.is_filled() && !waiting.closed {
            return None;
        }
        let mut batch = std::mem::take(&mut waiting.all);
        waiting.all.hints = batch.hints.split_off(batch.hints.len().min(BATCH));
        Some(batch)
    }

    /// A batch that may not have been sent: others are told to read again what it was about.
    pub(super) fn give_back(&self, mut batch: Batch) {
        batch.lose_hints();
        let mut waiting = self.waiting();
        waiting.all.greet(batch.greeting);
        waiting.all.lost_all |= batch.lost_all;
        for (topic, version) in batch.lost {
            waiting.all.lose(topic, version);
        }
    }

    /// Nothing is added any more.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.waiting().closed
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn is_filled(&self) -> bool {
        self.greeting.is_some() || self.lost_all || !self.lost.is_empty() || !self.hints.is_empty()
    }

    fn greet(&mut self, greeting: Option<Greeting>) {
        self.greeting = self.greeting.max(greeting);
    }

    fn lose_hints(&mut self) {
        for (topic, hint) in std::mem::take(&mut self.hints) {
            self.lose(topic, version(&hint));
        }
    }

    fn lose(&mut self, topic: Topic, version: Option<u64>) {
        let newest = self.lost.entry(topic).or_default();
        *newest = (*newest).max(version);
        if self.lost.len() > MAX_LOST {
            self.lost.clear();
            self.lost_all = true;
        }
    }
}

/// The version that a hint tells of.
pub(super) fn version(hint: &Hint) -> Option<u64> {
    match hint {
        Hint::Session { version, .. } => Some(*version),
        Hint::Presence(_) | Hint::Bus(_) | Hint::RunnerAsked(_) | Hint::RunnerAnswered { .. } | Hint::Responded(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: usize) -> Topic {
        serde_json::from_value(serde_json::json!({"Session": name.to_string()})).unwrap()
    }

    fn hint(version: u64) -> Arc<Hint> {
        Arc::new(Hint::Session { version, seq: 0, notices: Vec::new() })
    }

    #[tokio::test]
    async fn hints_come_out_in_order_and_in_portions() {
        let outbox = Outbox::default();
        (1..=300).for_each(|version| outbox.push(&topic(1), hint(version)));
        outbox.close();
        outbox.push(&topic(1), hint(301));
        let mut versions = Vec::new();
        while let Some(batch) = outbox.next().await {
            assert!(batch.hints.len() <= BATCH && batch.lost.is_empty() && !batch.lost_all);
            versions.extend(batch.hints.iter().filter_map(|(_, hint)| version(hint)));
        }
        assert!(versions.into_iter().eq(1..=300));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_read_again() {
        let outbox = Outbox::default();
        let bound = u64::try_from(MAX_WAITING).unwrap();
        (1..=bound).for_each(|version| outbox.push(&topic(1), hint(version)));
        outbox.push(&topic(2), hint(7));
        let batch = outbox.next().await.unwrap();
        assert_eq!(batch.lost, HashMap::from([(topic(1), Some(bound))]));
        assert_eq!(batch.hints.len(), 1);
        outbox.push(&topic(2), hint(8));
        outbox.give_back(batch);
        let batch = outbox.next().await.unwrap();
        assert_eq!(batch.lost, HashMap::from([(topic(1), Some(bound)), (topic(2), Some(7))]));
        assert_eq!(batch.hints.iter().filter_map(|(_, hint)| version(hint)).collect::<Vec<_>>(), [8]);
    }

    #[tokio::test]
    async fn the_list_of_what_is_lost_is_bounded() {
        let outbox = Outbox::default();
        for number in 0..=2 * MAX_WAITING + MAX_LOST {
            outbox.push(&topic(number), hint(1));
        }
        let batch = outbox.next().await.unwrap();
        assert!(batch.lost_all && batch.lost.len() <= MAX_LOST && batch.hints.len() <= BATCH);
    }
}
