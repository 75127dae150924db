//! Publish and subscribe within one process.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::task::Poll;

use async_trait::async_trait;
use portway_ports::pubsub::{Delivery, Hint, PubSub, Subscription, Topic};
use tokio::sync::Notify;

/// How many hints wait for one watcher before they are given up for [`Delivery::Missed`].
const MAX_WAITING: usize = 1_024;

/// A drained queue gives its memory back when it has room for more than this.
const KEPT_CAPACITY: usize = 64;

/// Hints for watchers in this process. Clones share the watchers; when the last clone goes, all watches end.
///
/// A watcher that lets 1,024 hints wait gets [`Delivery::Missed`] instead of all of them. Watchers have queues of their
/// own that grow as needed, so one that has nothing to read costs a few hundred bytes.
#[derive(Clone, Default)]
pub struct LocalPubSub {
    topics: Arc<Topics>,
}

#[derive(Default)]
struct Topics {
    watched: RwLock<Watched>,
}

#[derive(Default)]
struct Watched {
    closed: bool,
    /// No list is empty.
    queues: HashMap<Topic, Vec<Arc<Queue>>>,
}

/// What waits for one watcher.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Hints were given up. They were older than all of `hints`.
    missed: bool,
    hints: VecDeque<Arc<Hint>>,
    closed: bool,
}

impl LocalPubSub {
    /// Without any watcher.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all watches, and every later one at once. Watchers still get what waits for them.
    pub fn close(&self) {
        self.topics.close();
    }

    /// How many topics are watched.
    #[must_use]
    pub fn topics(&self) -> usize {
        let watched = self.topics.watched.read().unwrap_or_else(PoisonError::into_inner);
        watched.queues.len()
    }
}

impl fmt::Debug for LocalPubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPubSub").field("topics", &self.topics()).finish()
    }
}

#[async_trait]
impl PubSub for LocalPubSub {
    fn publish(&self, topic: &Topic, hint: Hint) {
        let watched = self.topics.watched.read().unwrap_or_else(PoisonError::into_inner);
        let Some(queues) = watched.queues.get(topic) else { return };
        let hint = Arc::new(hint);
        for queue in queues {
            queue.push(Arc::clone(&hint));
        }
    }

    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription> {
        let queue = Arc::new(Queue::default());
        let mut watched = self.topics.watched.write().unwrap_or_else(PoisonError::into_inner);
        if watched.closed {
            queue.close();
        } else {
            watched.queues.entry(topic.clone()).or_default().push(Arc::clone(&queue));
        }
        Box::new(LocalSubscription { topic: topic.clone(), queue, topics: Arc::downgrade(&self.topics) })
    }
}

impl Topics {
    fn close(&self) {
        let mut watched = self.watched.write().unwrap_or_else(PoisonError::into_inner);
        watched.closed = true;
        for queue in std::mem::take(&mut watched.queues).into_values().flatten() {
            queue.close();
        }
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn push(&self, hint: Arc<Hint>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.hints.len() < MAX_WAITING {
            waiting.hints.push_back(hint);
        } else {
            // The watcher has to read the state again anyway, which holds all that waited.
            waiting.hints = VecDeque::new();
            waiting.missed = true;
        }
        drop(waiting);
        self.changed.notify_one();
    }

    fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_one();
    }

    /// The next delivery, or none any more, unless there is none yet.
    fn take(&self) -> Poll<Option<Delivery>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
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
}

struct LocalSubscription {
    topic: Topic,
    queue: Arc<Queue>,
    /// Weak, so a watcher does not keep the watches from ending.
    topics: Weak<Topics>,
}

#[async_trait]
impl Subscription for LocalSubscription {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            // Looks first, so a wake-up that was lost with a dropped call loses nothing else.
            if let Poll::Ready(delivery) = self.queue.take() {
                return delivery;
            }
            self.queue.changed.notified().await;
        }
    }
}

impl Drop for LocalSubscription {
    fn drop(&mut self) {
        let Some(topics) = self.topics.upgrade() else { return };
        let mut watched = topics.watched.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(queues) = watched.queues.get_mut(&self.topic) {
            queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
            if queues.is_empty() {
                watched.queues.remove(&self.topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portway_domain::ids::{SessionId, UserId};
    use portway_ports::pubsub::Presence;

    fn topic(name: &str) -> Topic {
        Topic::Session(SessionId::parse(name).unwrap())
    }

    fn hint(number: u64) -> Hint {
        let user = UserId::parse(number.to_string()).unwrap();
        Hint::Presence(Presence { user, joined: true, users: Vec::new() })
    }

    /// The number of the next hint; `None` for `Missed`.
    async fn number(watch: &mut dyn Subscription) -> Option<u64> {
        match watch.next().await.expect("the watch ended") {
            Delivery::Hint(hint) => match hint.as_ref() {
                Hint::Presence(presence) => Some(presence.user.as_str().parse().unwrap()),
                other => panic!("{other:?}"),
            },
            Delivery::Missed => None,
        }
    }

    #[tokio::test]
    async fn every_watcher_gets_the_hints_of_its_topic_in_order() {
        let hub = LocalPubSub::new();
        let (one, two) = (topic("one"), topic("two"));
        hub.publish(&one, hint(0));
        let mut watches = [hub.subscribe(&one).await, hub.subscribe(&one).await];
        let mut other = hub.subscribe(&two).await;
        for count in 1..=100 {
            hub.publish(&one, hint(count));
        }
        hub.publish(&two, hint(7));
        for watch in &mut watches {
            for count in 1..=100 {
                assert_eq!(number(watch.as_mut()).await, Some(count));
            }
        }
        assert_eq!(number(other.as_mut()).await, Some(7));
    }

    #[tokio::test]
    async fn a_slow_watcher_misses_and_then_goes_on() {
        let hub = LocalPubSub::new();
        let one = topic("one");
        let mut slow = hub.subscribe(&one).await;
        let mut quick = hub.subscribe(&one).await;
        let bound = u64::try_from(MAX_WAITING).unwrap();
        for count in 1..=bound + 3 {
            hub.publish(&one, hint(count));
            assert_eq!(number(quick.as_mut()).await, Some(count));
        }
        assert_eq!(number(slow.as_mut()).await, None);
        assert_eq!(number(slow.as_mut()).await, Some(bound + 2));
        assert_eq!(number(slow.as_mut()).await, Some(bound + 3));
    }

    #[tokio::test]
    async fn a_full_queue_is_not_yet_late() {
        let hub = LocalPubSub::new();
        let mut watch = hub.subscribe(&topic("one")).await;
        let bound = u64::try_from(MAX_WAITING).unwrap();
        (1..=bound).for_each(|count| hub.publish(&topic("one"), hint(count)));
        for count in 1..=bound {
            assert_eq!(number(watch.as_mut()).await, Some(count));
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_published_after_subscribing_arrives() {
        let hub = LocalPubSub::new();
        for count in 0..500 {
            let mut watch = hub.subscribe(&topic("one")).await;
            let publisher = hub.clone();
            let published = tokio::spawn(async move { publisher.publish(&topic("one"), hint(count)) });
            assert_eq!(number(watch.as_mut()).await, Some(count));
            published.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_dropped_wait_loses_nothing() {
        let hub = LocalPubSub::new();
        let mut watch = hub.subscribe(&topic("one")).await;
        tokio::select! {
            biased;
            _ = watch.next() => panic!("nothing was published"),
            () = std::future::ready(()) => {}
        }
        hub.publish(&topic("one"), hint(1));
        assert_eq!(number(watch.as_mut()).await, Some(1));
    }

    #[tokio::test]
    async fn topics_without_watchers_are_forgotten() {
        let hub = LocalPubSub::new();
        let first = hub.subscribe(&topic("one")).await;
        let second = hub.subscribe(&topic("one")).await;
        let other = hub.subscribe(&topic("two")).await;
        assert_eq!(hub.topics(), 2);
        drop((first, other));
        assert_eq!(hub.topics(), 1);
        drop(second);
        assert_eq!(hub.topics(), 0);
    }

    #[tokio::test]
    async fn watches_end_with_the_system() {
        let hub = LocalPubSub::new();
        let mut watch = hub.subscribe(&topic("one")).await;
        hub.publish(&topic("one"), hint(1));
        hub.close();
        assert_eq!(number(watch.as_mut()).await, Some(1));
        assert!(watch.next().await.is_none());
        assert!(hub.subscribe(&topic("one")).await.next().await.is_none());

        let hub = LocalPubSub::new();
        let mut watch = hub.subscribe(&topic("one")).await;
        drop(hub);
        assert!(watch.next().await.is_none());
    }
}
