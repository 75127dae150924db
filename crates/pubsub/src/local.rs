//! Watchers by topic.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::task::{Context, Poll};

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_ports::pubsub::{Delivery, Hint, PubSub, SharedHint, Subscription, Topic};

use crate::queue::Queue;

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
    topics: HashMap<Topic, Watchers>,
}

/// Who watches a topic: never nobody.
#[derive(Default)]
struct Watchers {
    queues: Vec<Arc<Queue>>,
    /// Version up to which the watchers of a session were told everything; 0 while that is not known. Only kept for hints
    /// that may come out of order.
    told: Mutex<u64>,
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
        self.topics.read().topics.len()
    }

    /// Whether somebody watches `topic`.
    #[must_use]
    pub fn is_watched(&self, topic: &Topic) -> bool {
        self.topics.read().topics.contains_key(topic)
    }

    /// The sessions that somebody watches, in no order.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionId> {
        let session = |topic: &Topic| match topic {
            Topic::Session(id) => Some(id.clone()),
            Topic::User(_) => None,
        };
        self.topics.read().topics.keys().filter_map(session).collect()
    }

    /// As [`PubSub::publish`], for hints that come from several processes: those of a session are told in the order of
    /// their versions. One that comes late is dropped, and where one is left out watchers get [`Delivery::Missed`].
    pub fn deliver(&self, topic: &Topic, hint: Arc<Hint>) {
        if let Some(watchers) = self.topics.read().topics.get(topic) {
            watchers.deliver(&hint);
        }
    }

    /// A hint about `topic` was lost; for a session, the one of that version. Whoever was not told about that version or
    /// a later one gets [`Delivery::Missed`].
    pub fn lost(&self, topic: &Topic, version: Option<u64>) {
        if let Some(watchers) = self.topics.read().topics.get(topic) {
            watchers.lost(version);
        }
    }

    /// Nobody knows what was lost: all watchers get [`Delivery::Missed`].
    pub fn lost_all(&self) {
        for watchers in self.topics.read().topics.values() {
            watchers.lost(None);
        }
    }

    /// Somebody who has just begun to watch reads the session in that version or a later one, and is to be told what comes
    /// after it; without effect on those whose place is known.
    pub fn begin(&self, topic: &Topic, version: u64) {
        if let Some(watchers) = self.topics.read().topics.get(topic) {
            let mut told = watchers.told();
            *told = if *told == 0 { version } else { *told };
        }
    }

    /// The session has that version. Watchers that were told less get [`Delivery::Missed`]; those of whom nothing is known
    /// count as told.
    pub fn reached(&self, topic: &Topic, version: u64) {
        if let Some(watchers) = self.topics.read().topics.get(topic) {
            watchers.reached(version);
        }
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
        if let Some(watchers) = self.topics.read().topics.get(topic) {
            watchers.push(&Arc::new(hint));
        }
    }

    fn missed(&self, topic: &Topic) {
        self.lost(topic, None);
    }

    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription> {
        let queue = Arc::new(Queue::default());
        let mut watched = self.topics.write();
        if watched.closed {
            queue.close();
        } else {
            watched.topics.entry(topic.clone()).or_default().queues.push(Arc::clone(&queue));
        }
        Box::new(LocalSubscription { topic: topic.clone(), queue, topics: Arc::downgrade(&self.topics) })
    }
}

impl Topics {
    fn read(&self) -> RwLockReadGuard<'_, Watched> {
        self.watched.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Watched> {
        self.watched.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut watched = self.write();
        watched.closed = true;
        for watchers in std::mem::take(&mut watched.topics).into_values() {
            watchers.queues.iter().for_each(|queue| queue.close());
        }
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        self.close();
    }
}

impl Watchers {
    fn told(&self) -> MutexGuard<'_, u64> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A version without anything to tell wakes nobody.
    fn push(&self, hint: &Arc<Hint>) {
        if matches!(&**hint, Hint::Session { notices, .. } if notices.is_empty()) {
            return;
        }
        let shared = Arc::new(SharedHint::new(Arc::clone(hint)));
        for queue in &self.queues {
            queue.push(Arc::clone(&shared));
        }
    }

    fn miss(&self) {
        self.queues.iter().for_each(|queue| queue.miss());
    }

    fn deliver(&self, hint: &Arc<Hint>) {
        let Hint::Session { version, .. } = &**hint else {
            return self.push(hint);
        };
        // Held until the queues have it, so that nothing overtakes it.
        let mut told = self.told();
        if *version <= *told {
            return;
        }
        if *told == 0 || *version == *told + 1 {
            self.push(hint);
        } else {
            self.miss();
        }
        *told = *version;
    }

    fn lost(&self, version: Option<u64>) {
        let mut told = self.told();
        match version {
            Some(version) if version <= *told => {}
            Some(version) => {
                *told = version;
                self.miss();
            }
            None => self.miss(),
        }
    }

    fn reached(&self, version: u64) {
        let mut told = self.told();
        if version <= *told {
            return;
        }
        if *told > 0 {
            self.miss();
        }
        *told = version;
    }
}

struct LocalSubscription {
    topic: Topic,
    queue: Arc<Queue>,
    /// Weak, so a watcher does not keep the watches from ending.
    topics: Weak<Topics>,
}

impl Subscription for LocalSubscription {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.queue.poll_next(cx)
    }
}

impl Drop for LocalSubscription {
    fn drop(&mut self) {
        let Some(topics) = self.topics.upgrade() else { return };
        let mut watched = topics.write();
        if let Some(watchers) = watched.topics.get_mut(&self.topic) {
            watchers.queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
            if watchers.queues.is_empty() {
                watched.topics.remove(&self.topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::MAX_WAITING;
    use portway_domain::engine::Notice;
    use portway_domain::ids::UserId;
    use portway_ports::pubsub::{Form, Presence};

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
            Delivery::Hint(hint) => match &**hint {
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
    async fn what_is_sent_is_written_once_for_all_watchers() {
        let hub = LocalPubSub::new();
        let mut watches = [hub.subscribe(&topic("one")).await, hub.subscribe(&topic("one")).await];
        hub.publish(&topic("one"), hint(1));
        let mut written = 0;
        for watch in &mut watches {
            let Some(Delivery::Hint(hint)) = watch.next().await else { panic!("it was told") };
            for form in [Form::Plain, Form::Sequenced] {
                let texts = hint.texts(form, |_| {
                    written += 1;
                    vec![Some(format!("{form:?}").into()), None]
                });
                assert_eq!(texts, [Some(format!("{form:?}").into()), None]);
            }
        }
        assert_eq!(written, 2);
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
    #[expect(clippy::disallowed_methods, reason = "tests run on tokio")]
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

    fn step(version: u64) -> Arc<Hint> {
        Arc::new(Hint::Session { version, seq: version, notices: vec![Notice::Title(version.to_string())] })
    }

    fn silent(version: u64) -> Arc<Hint> {
        Arc::new(Hint::Session { version, seq: version, notices: Vec::new() })
    }

    /// Versions that wait for the watcher; `None` for `Missed`.
    async fn versions(watch: &mut dyn Subscription) -> Vec<Option<u64>> {
        let mut found = Vec::new();
        loop {
            let delivery = tokio::select! {
                biased;
                delivery = watch.next() => delivery.expect("the watch ended"),
                () = std::future::ready(()) => return found,
            };
            found.push(match delivery {
                Delivery::Hint(hint) => match &**hint {
                    Hint::Session { version, .. } => Some(*version),
                    other => panic!("{other:?}"),
                },
                Delivery::Missed => None,
            });
        }
    }

    #[tokio::test]
    async fn versions_are_told_in_order_and_a_gap_is_told() {
        let hub = LocalPubSub::new();
        let mut watch = hub.subscribe(&topic("one")).await;
        for version in [4, 5, 5, 4, 6, 8, 7, 9] {
            hub.deliver(&topic("one"), step(version));
        }
        assert_eq!(versions(watch.as_mut()).await, [None, Some(9)], "what waited is part of what is read again");
        hub.deliver(&topic("one"), silent(10));
        hub.deliver(&topic("one"), step(11));
        assert_eq!(versions(watch.as_mut()).await, [Some(11)], "a silent version closes the gap");
    }

    #[tokio::test]
    async fn who_may_have_read_less_than_was_told_reads_again() {
        let hub = LocalPubSub::new();
        let mut watch = hub.subscribe(&topic("one")).await;
        // All that is known is that the watcher reads the first version or a later one.
        hub.begin(&topic("one"), 1);
        hub.deliver(&topic("one"), step(9));
        hub.deliver(&topic("one"), step(10));
        assert_eq!(versions(watch.as_mut()).await, [None, Some(10)]);
    }

    #[tokio::test]
    async fn only_who_was_not_told_missed_what_was_lost() {
        let hub = LocalPubSub::new();
        let mut watch = hub.subscribe(&topic("one")).await;
        hub.reached(&topic("one"), 4);
        assert_eq!(versions(watch.as_mut()).await, [], "whoever comes reads the state");
        hub.deliver(&topic("one"), step(5));
        hub.lost(&topic("one"), Some(5));
        hub.reached(&topic("one"), 5);
        assert_eq!(versions(watch.as_mut()).await, [Some(5)]);
        hub.reached(&topic("one"), 6);
        assert_eq!(versions(watch.as_mut()).await, [None]);
        hub.deliver(&topic("one"), step(6));
        hub.deliver(&topic("one"), step(7));
        assert_eq!(versions(watch.as_mut()).await, [Some(7)]);
        hub.lost(&topic("one"), Some(8));
        hub.deliver(&topic("one"), step(9));
        assert_eq!(versions(watch.as_mut()).await, [None, Some(9)]);
        hub.lost_all();
        assert_eq!(versions(watch.as_mut()).await, [None]);
    }
}
