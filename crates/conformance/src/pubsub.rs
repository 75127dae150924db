//! Hints between nodes.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use portway_domain::engine::{BusEvent, Notice, StatusNotice};
use portway_domain::ids::{Id, IdStream, MessageId, SessionId, UserId};
use portway_domain::messages::{Segment, TextKind};
use portway_domain::questions::Question;
use portway_domain::runner_requests::{Differences, FailureCode, FileDiff, RunnerRequest, RunnerResponse};
use portway_domain::users::Profile;
use portway_domain::workspaces::FileStatus;
use portway_ports::pubsub::{
    Delivery, Hint, Presence, PubSub, Responded, RunnerAsked, SharedHint, Subscription, Topic,
};

use crate::failure::{Failure, Outcome};
use crate::fixture::at;

/// Nodes that tell each other what is published.
#[async_trait]
pub trait Nodes: Send + Sync {
    /// One more node. Where there is only one process, it is always the same.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be had.
    async fn join(&self) -> Result<Arc<dyn PubSub>, Failure>;

    /// Breaks every connection that hints take, once; answers whether there are any.
    async fn interrupt(&self) -> bool;

    /// Whether hints that a watcher has not read may already be on their way to it, out of reach of who tells them.
    fn read_ahead(&self) -> bool {
        false
    }
}

/// A case that runs.
type Running = BoxFuture<'static, Result<(), Failure>>;

/// One promise of [`PubSub`].
#[derive(Debug, Clone, Copy)]
pub struct PubSubCase {
    /// Concern and promise.
    pub name: &'static str,
    /// Checks the promise. It waits for hints, so it may not end where the promise is broken.
    pub run: fn(Arc<dyn Nodes>) -> Running,
}

macro_rules! list {
    ($($case:ident),* $(,)?) => {
        vec![$(PubSubCase {
            name: concat!("pubsub::", stringify!($case)),
            run: |nodes| Box::pin($case(nodes)),
        },)*]
    };
}

/// All cases of [`PubSub`].
#[must_use]
pub fn pubsub_cases() -> Vec<PubSubCase> {
    list![
        every_watcher_of_a_node_is_told_in_order,
        watchers_of_other_nodes_are_told_in_order,
        every_kind_of_hint_arrives_whole,
        topics_are_told_apart,
        nodes_that_take_turns_are_told_once,
        versions_without_news_are_not_told,
        what_nobody_knows_of_is_missed,
        a_large_hint_is_told_or_missed,
        a_slow_watcher_misses,
        what_a_broken_connection_may_have_lost_is_missed,
    ]
}

/// Stands for a topic of a case where trials share what tells hints: each case has the same ids whenever it runs.
#[must_use]
pub fn topic_of_trial(topic: &Topic, trial: &str) -> Topic {
    let own = |id: &str| format!("{trial}-{id}");
    let own = match topic {
        Topic::Session(id) => SessionId::parse(own(id.as_str())).map(Topic::Session),
        Topic::User(id) => UserId::parse(own(id.as_str())).map(Topic::User),
    };
    own.unwrap_or_else(|_| topic.clone())
}

fn draw<T: Id>() -> T {
    IdStream::new(at(0), [3; 32]).draw()
}

fn session() -> Topic {
    Topic::Session(draw())
}

fn title(version: u64) -> Hint {
    Hint::Session { version, seq: version + 1, notices: vec![Notice::Title(format!("\u{1F980} {version}"))] }
}

async fn hint(watch: &mut dyn Subscription) -> Outcome<Arc<SharedHint>> {
    match watch.next().await {
        Some(Delivery::Hint(hint)) => Ok(hint),
        other => Err(Failure::new(format!("no hint but {other:?}"))),
    }
}

async fn expect(watch: &mut dyn Subscription, versions: impl IntoIterator<Item = u64>) -> Outcome {
    for version in versions {
        check_eq!(**hint(watch).await?, title(version));
    }
    Ok(())
}

async fn every_watcher_of_a_node_is_told_in_order(nodes: Arc<dyn Nodes>) -> Outcome {
    let node = nodes.join().await?;
    let topic = session();
    node.publish(&topic, title(1));
    let mut watches = [node.subscribe(&topic).await, node.subscribe(&topic).await];
    for version in 2..=200 {
        node.publish(&topic, title(version));
    }
    for watch in &mut watches {
        expect(watch.as_mut(), 2..=200).await?;
    }
    Ok(())
}

async fn watchers_of_other_nodes_are_told_in_order(nodes: Arc<dyn Nodes>) -> Outcome {
    let [one, two, three] = [nodes.join().await?, nodes.join().await?, nodes.join().await?];
    let topic = session();
    let mut watches = [two.subscribe(&topic).await, three.subscribe(&topic).await, three.subscribe(&topic).await];
    for version in 1..=300 {
        one.publish(&topic, title(version));
    }
    for watch in &mut watches {
        expect(watch.as_mut(), 1..=300).await?;
    }
    Ok(())
}

fn kinds() -> Outcome<[Hint; 6]> {
    let message: MessageId = draw();
    let segment = Segment {
        message,
        part: 1,
        offset: 7,
        kind: TextKind::Reasoning,
        text: "\u{0}\"quoted\"\n\u{1F980}".to_owned(),
    };
    let question = Question::asked(draw(), "May I?", Vec::new(), at(1));
    let notices = vec![
        Notice::Chunk(segment),
        Notice::Question(question),
        Notice::Status(StatusNotice::QueueCleared { cleared: 3 }),
        Notice::Commands,
        Notice::RunnerReplaced { connection: "c".to_owned() },
    ];
    let user =
        Profile { id: draw(), name: Some("Ada".to_owned()), email: "ada@example.org".to_owned(), avatar_url: None };
    let bus = BusEvent {
        kind: "session.started".to_owned(),
        session: draw(),
        user: draw(),
        data: [("deep".to_owned(), serde_json::json!([1, null]))].into_iter().collect(),
        at: at(5),
    };
    let request = RunnerRequest::Review;
    let (request_id, connection) = ("r".to_owned(), "c".to_owned());
    // Larger than what a node may be able to say at once; nobody could read it again.
    let large = FileDiff {
        path: "a \"b\"".to_owned(),
        status: FileStatus::Modified,
        diff: Some("-\u{1F980}\"\\\n".repeat(20_000)),
        is_cut: false,
    };
    let response = RunnerResponse::Diff(Differences { files: vec![large], omitted: 1 });
    let failed = RunnerResponse::failed(FailureCode::Unavailable, "nobody");
    Ok([
        Hint::RunnerAsked(RunnerAsked { request_id: request_id.clone(), connection, request: request.clone() }),
        Hint::RunnerAnswered { request_id: request_id.clone(), response },
        Hint::Responded(Responded { request_id, request, response: failed }),
        Hint::Session { version: u64::from(u32::MAX), seq: u64::from(u32::MAX), notices },
        Hint::Presence(Presence { user: draw(), joined: true, users: vec![user] }),
        Hint::Bus(bus),
    ])
}

async fn every_kind_of_hint_arrives_whole(nodes: Arc<dyn Nodes>) -> Outcome {
    let (one, two) = (nodes.join().await?, nodes.join().await?);
    let topic = session();
    let mut watches = [one.subscribe(&topic).await, two.subscribe(&topic).await];
    for hint in kinds()? {
        one.publish(&topic, hint);
    }
    for watch in &mut watches {
        for expected in kinds()? {
            check_eq!(**hint(watch.as_mut()).await?, expected);
        }
    }
    Ok(())
}

async fn topics_are_told_apart(nodes: Arc<dyn Nodes>) -> Outcome {
    let (one, two) = (nodes.join().await?, nodes.join().await?);
    // The same text names a session and a user.
    let topics = [
        Topic::Session(SessionId::parse("x")?),
        Topic::Session(SessionId::parse("X")?),
        Topic::User(UserId::parse("x")?),
    ];
    let mut watches = Vec::new();
    for topic in &topics {
        watches.push(two.subscribe(topic).await);
    }
    for (version, topic) in (1..).zip(&topics) {
        one.publish(topic, title(version));
    }
    for (version, watch) in (1..).zip(&mut watches) {
        expect(watch.as_mut(), [version]).await?;
    }
    Ok(())
}

async fn nodes_that_take_turns_are_told_once(nodes: Arc<dyn Nodes>) -> Outcome {
    let both = [nodes.join().await?, nodes.join().await?];
    let topic = session();
    let mut watches = [both[0].subscribe(&topic).await, both[1].subscribe(&topic).await];
    for (version, node) in (1..=20).zip(both.iter().cycle()) {
        node.publish(&topic, title(version));
        for watch in &mut watches {
            expect(watch.as_mut(), [version]).await?;
        }
    }
    Ok(())
}

async fn versions_without_news_are_not_told(nodes: Arc<dyn Nodes>) -> Outcome {
    let (one, two) = (nodes.join().await?, nodes.join().await?);
    let topic = session();
    let mut watches = [one.subscribe(&topic).await, two.subscribe(&topic).await];
    one.publish(&topic, title(1));
    one.publish(&topic, Hint::Session { version: 2, seq: 3, notices: Vec::new() });
    one.publish(&topic, title(3));
    for watch in &mut watches {
        expect(watch.as_mut(), [1, 3]).await?;
    }
    Ok(())
}

async fn a_large_hint_is_told_or_missed(nodes: Arc<dyn Nodes>) -> Outcome {
    let (one, two) = (nodes.join().await?, nodes.join().await?);
    let topic = session();
    let mut here = one.subscribe(&topic).await;
    let mut there = two.subscribe(&topic).await;
    let large = Hint::Session { version: 2, seq: 3, notices: vec![Notice::Title("\u{1F980}".repeat(100_000))] };
    one.publish(&topic, title(1));
    one.publish(&topic, large.clone());
    one.publish(&topic, title(3));
    expect(here.as_mut(), [1]).await?;
    check_eq!(**hint(here.as_mut()).await?, large);
    expect(here.as_mut(), [3]).await?;
    match there.next().await {
        // Missed may take the place of what came before it as well.
        Some(Delivery::Missed) => return expect(there.as_mut(), [3]).await,
        Some(Delivery::Hint(first)) => check_eq!(**first, title(1)),
        None => return Err(Failure::new("the watch ended")),
    }
    match there.next().await {
        Some(Delivery::Missed) => {}
        Some(Delivery::Hint(second)) => check!(**second == large),
        None => return Err(Failure::new("the watch ended")),
    }
    expect(there.as_mut(), [3]).await
}

async fn what_nobody_knows_of_is_missed(nodes: Arc<dyn Nodes>) -> Outcome {
    let node = nodes.join().await?;
    let (topic, other) = (session(), Topic::User(draw()));
    let (mut watch, mut elsewhere) = (node.subscribe(&topic).await, node.subscribe(&other).await);
    node.missed(&topic);
    node.publish(&other, title(1));
    check!(matches!(watch.next().await, Some(Delivery::Missed)));
    expect(elsewhere.as_mut(), [1]).await
}

async fn a_slow_watcher_misses(nodes: Arc<dyn Nodes>) -> Outcome {
    const MANY: u64 = 20_000;
    let (one, two) = (nodes.join().await?, nodes.join().await?);
    let topic = session();
    let mut here = one.subscribe(&topic).await;
    let mut there = two.subscribe(&topic).await;
    for version in 1..=MANY {
        one.publish(&topic, title(version));
    }
    // Somebody who does not read misses some; one whose hints come from afar may just get them all.
    match nodes.read_ahead() {
        true => check!(read_until_missed(here.as_mut(), MANY).await?),
        false => check!(matches!(here.next().await, Some(Delivery::Missed))),
    }
    read_until_missed(there.as_mut(), MANY).await.map(drop)
}

/// Reads hints up to that version or until something was missed, and answers whether it was.
async fn read_until_missed(watch: &mut dyn Subscription, last: u64) -> Outcome<bool> {
    for version in 1..=last {
        match watch.next().await {
            Some(Delivery::Missed) => return Ok(true),
            Some(Delivery::Hint(found)) => check_eq!(**found, title(version)),
            None => return Err(Failure::new("the watch ended")),
        }
    }
    Ok(false)
}

async fn what_a_broken_connection_may_have_lost_is_missed(nodes: Arc<dyn Nodes>) -> Outcome {
    let (one, two) = (nodes.join().await?, nodes.join().await?);
    let topic = session();
    let mut watches = [one.subscribe(&topic).await, two.subscribe(&topic).await];
    one.publish(&topic, title(1));
    for watch in &mut watches {
        expect(watch.as_mut(), [1]).await?;
    }
    if !nodes.interrupt().await {
        return Ok(());
    }
    for watch in &mut watches {
        check!(matches!(watch.next().await, Some(Delivery::Missed)));
    }
    // Whoever sends may notice only now; what it could not send is read again.
    one.publish(&topic, title(2));
    let next = watches[1].next().await;
    match next {
        Some(Delivery::Hint(hint)) => check_eq!(**hint, title(2)),
        Some(Delivery::Missed) => {}
        None => return Err(Failure::new("the watch ended")),
    }
    Ok(())
}
