//! Hints between nodes, where something is missing.

use std::sync::Arc;
use std::time::Duration;

use portway_adapters_postgres::{PostgresDatabase, PostgresPubSub};
use portway_domain::access::Role;
use portway_domain::engine::{Engine, Notice};
use portway_domain::ids::{IdStream, SessionId, UserId};
use portway_domain::sessions::{QueueMode, Session, SessionStatus};
use portway_domain::time::Timestamp;
use portway_domain::users::User;
use portway_ports::commit::{ChangeSet, Committer, Write};
use portway_ports::pubsub::{Delivery, Hint, Presence, PubSub, Subscription, Topic};
use portway_pubsub::LocalPubSub;
use portway_sql::SqlStore;
use portway_sql::migrations::POSTGRES;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::scratch::Scratch;
use crate::server::Guard;

/// How long a hint may take. What nobody tells is looked for every two seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at what nobody announces.
const LOOK: Duration = Duration::from_millis(5);

struct Node {
    database: Arc<PostgresDatabase>,
    store: Arc<SqlStore>,
    pubsub: PostgresPubSub,
}

impl Node {
    async fn join(scratch: &Scratch, name: &str) -> Self {
        let database = Arc::new(PostgresDatabase::open(&scratch.options()).await.unwrap());
        database.migrate(POSTGRES).await.unwrap();
        database.enter().await.unwrap();
        database.share().await.unwrap();
        let store = Arc::new(SqlStore::new(database.clone()));
        let opened = PostgresPubSub::open(database.clone(), store.clone(), LocalPubSub::new(), name).await;
        Self { database, store, pubsub: opened.unwrap() }
    }

    async fn close(self) {
        self.pubsub.close().await;
        self.database.close().await;
    }
}

fn titled(version: u64) -> Hint {
    Hint::Session { version, seq: version, notices: vec![Notice::Title(version.to_string())] }
}

/// What comes next of a topic.
async fn next(watch: &mut Box<dyn Subscription>) -> Option<Delivery> {
    tokio::time::timeout(PATIENCE, watch.next()).await.expect("nothing was told")
}

/// A session that the store has.
async fn session(store: &SqlStore) -> Engine {
    let now = Timestamp::from_millis(0);
    let mut ids = IdStream::new(now, [5; 32]);
    let user = User::new(ids.draw(), "a@example.org".to_owned(), Role::Member, now);
    let id: SessionId = ids.draw();
    let engine = Engine::new(id.clone(), user.id.clone(), QueueMode::Followup, now);
    let session = Session {
        id,
        owner: user.id.clone(),
        workspace: "w".to_owned(),
        status: SessionStatus::Initializing,
        title: None,
        agent: "demo".to_owned(),
        directory: None,
        metadata: None,
        error_message: None,
        created_at: now,
        last_active_at: now,
        parent: None,
    };
    let set = ChangeSet::new().with(Write::AddUser(user)).with(Write::AddSession { session, engine: engine.clone() });
    store.commit(set).await.unwrap();
    engine
}

/// A node ended after a commit and before its hint.
pub(crate) async fn a_version_that_nobody_told_is_found() {
    let scratch = Scratch::create().await;
    let [one, two] = [Node::join(&scratch, "one").await, Node::join(&scratch, "two").await];
    let engine = session(&one.store).await;
    let topic = Topic::Session(engine.session.clone());
    let mut watch = two.pubsub.subscribe(&topic).await;
    let step = |version| ChangeSet::new().with(Write::SetEngine { engine: engine.clone(), version });
    one.store.commit(step(1)).await.unwrap();
    assert!(matches!(next(&mut watch).await, Some(Delivery::Missed)));
    // The next one is told, and nobody looks it up again.
    one.store.commit(step(2)).await.unwrap();
    one.pubsub.publish(&topic, titled(3));
    let Some(Delivery::Hint(hint)) = next(&mut watch).await else { panic!("it was told") };
    assert_eq!(**hint, titled(3));
    // One is left out, and the one after it shows that.
    one.store.commit(step(3)).await.unwrap();
    one.store.commit(step(4)).await.unwrap();
    one.pubsub.publish(&topic, titled(5));
    assert!(matches!(next(&mut watch).await, Some(Delivery::Missed)));
    one.close().await;
    two.close().await;
    scratch.remove().await;
}

/// A node ended after it deleted a session and before its hint.
pub(crate) async fn an_end_that_nobody_told_is_found() {
    let scratch = Scratch::create().await;
    let [one, two] = [Node::join(&scratch, "one").await, Node::join(&scratch, "two").await];
    let id = session(&one.store).await.session;
    let mut watch = two.pubsub.subscribe(&Topic::Session(id.clone())).await;
    one.store.commit(ChangeSet::new().with(Write::RemoveSession { id })).await.unwrap();
    assert!(matches!(next(&mut watch).await, Some(Delivery::Missed)));
    one.close().await;
    two.close().await;
    scratch.remove().await;
}

/// Somebody began to watch while nobody else was there, so the watch has no place yet.
pub(crate) async fn a_version_that_a_newcomer_did_not_tell_is_found() {
    let scratch = Scratch::create().await;
    let one = Node::join(&scratch, "one").await;
    let engine = session(&one.store).await;
    let mut watch = one.pubsub.subscribe(&Topic::Session(engine.session.clone())).await;
    let two = Node::join(&scratch, "two").await;
    two.store.commit(ChangeSet::new().with(Write::SetEngine { engine, version: 1 })).await.unwrap();
    assert!(matches!(next(&mut watch).await, Some(Delivery::Missed)));
    one.close().await;
    two.close().await;
    scratch.remove().await;
}

/// When a node last sent something.
async fn last_said(scratch: &Scratch, other: &mut PgConnection) -> String {
    let name = &scratch.name;
    let text = "SELECT query_start::text FROM pg_stat_activity WHERE query LIKE '%pg_notify%' AND application_name";
    sqlx::query_scalar(AssertSqlSafe(format!("{text} = '{name}'"))).fetch_one(other).await.unwrap()
}

pub(crate) async fn alone_nothing_is_sent() {
    let scratch = Scratch::create().await;
    let one = Node::join(&scratch, "one").await;
    // The first thing that it says: that it is there.
    Guard::hold(&scratch).await.until(1, "query LIKE '%pg_notify%' AND state = 'idle'").await;
    let mut other = scratch.other().await;
    let first = last_said(&scratch, &mut other).await;
    let topic = Topic::Session(session(&one.store).await.session);
    let mut watch = one.pubsub.subscribe(&topic).await;
    for version in 2..=100 {
        one.pubsub.publish(&topic, titled(version));
        assert!(matches!(next(&mut watch).await, Some(Delivery::Hint(_))));
    }
    assert_eq!(last_said(&scratch, &mut other).await, first);
    assert!(!one.database.has_company());
    let two = Node::join(&scratch, "two").await;
    let mut far = two.pubsub.subscribe(&topic).await;
    while !one.database.has_company() {
        tokio::time::sleep(LOOK).await;
    }
    one.pubsub.publish(&topic, titled(101));
    assert!(next(&mut far).await.is_some());
    two.close().await;
    while one.database.has_company() {
        tokio::time::sleep(LOOK).await;
    }
    one.close().await;
    scratch.remove().await;
}

/// Nobody could find out later what such a hint told: it has no version.
pub(crate) async fn who_has_come_is_told_everything() {
    let scratch = Scratch::create().await;
    let one = Node::join(&scratch, "one").await;
    let two = Node::join(&scratch, "two").await;
    let user: UserId = IdStream::new(Timestamp::from_millis(0), [5; 32]).draw();
    let event = Hint::Presence(Presence { user: user.clone(), joined: true, users: Vec::new() });
    let topic = Topic::User(user);
    let mut watch = two.pubsub.subscribe(&topic).await;
    one.pubsub.publish(&topic, event.clone());
    let Some(Delivery::Hint(hint)) = next(&mut watch).await else { panic!("it was told") };
    assert_eq!(**hint, event);
    one.close().await;
    two.close().await;
    scratch.remove().await;
}
