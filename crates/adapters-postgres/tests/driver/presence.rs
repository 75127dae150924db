//! Who else works on the database.

use std::sync::Arc;

use portway_adapters_postgres::PostgresDatabase;

use crate::scratch::Scratch;
use crate::server::Guard;

/// Connections that have a lock on the database, whether alone or with others.
const PRESENT: &str = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)";

async fn open(scratch: &Scratch) -> Arc<PostgresDatabase> {
    Arc::new(PostgresDatabase::open(&scratch.options()).await.unwrap())
}

/// Enters while others go on.
fn entering(database: &Arc<PostgresDatabase>) -> tokio::task::JoinHandle<bool> {
    let database = database.clone();
    tokio::spawn(async move { database.enter().await.unwrap() })
}

pub(crate) async fn the_first_is_alone_until_it_lets_others_in() {
    let scratch = Scratch::create().await;
    let (first, second) = (open(&scratch).await, open(&scratch).await);
    assert!(first.enter().await.unwrap());
    let entering = entering(&second);
    // Long enough for it to come in, if it could.
    let mut guard = Guard::hold(&scratch).await;
    guard.until(2, "query LIKE '%advisory%'").await;
    assert!(!entering.is_finished());
    first.share().await.unwrap();
    assert!(!entering.await.unwrap());
    assert!(!first.is_alone().await && !second.is_alone().await);
    second.share().await.unwrap();
    first.close().await;
    second.close().await;
    scratch.remove().await;
}

pub(crate) async fn somebody_who_is_gone_is_not_there() {
    let scratch = Scratch::create().await;
    for _ in 0..3 {
        let database = open(&scratch).await;
        assert!(database.enter().await.unwrap());
        database.share().await.unwrap();
        // Not closed: it ends as in a crash.
        drop(database);
    }
    scratch.remove().await;
}

pub(crate) async fn the_last_is_alone_again() {
    let scratch = Scratch::create().await;
    let (first, second, third) = (open(&scratch).await, open(&scratch).await, open(&scratch).await);
    assert!(first.enter().await.unwrap());
    first.share().await.unwrap();
    assert!(!second.enter().await.unwrap());
    first.close().await;
    // The server takes a moment to notice.
    while !second.is_alone().await {
        tokio::task::yield_now().await;
    }
    let entering = entering(&third);
    second.close().await;
    assert!(entering.await.unwrap(), "it waited until the other one was done");
    third.close().await;
    scratch.remove().await;
}

pub(crate) async fn a_lost_lock_is_taken_anew() {
    let scratch = Scratch::create().await;
    let (first, second) = (open(&scratch).await, open(&scratch).await);
    assert!(first.enter().await.unwrap());
    first.share().await.unwrap();
    let mut guard = Guard::hold(&scratch).await;
    let present = guard.until(1, PRESENT).await;
    guard.end(&present).await;
    assert_ne!(guard.until(1, PRESENT).await, present);
    assert!(!second.enter().await.unwrap());
    first.close().await;
    second.close().await;
    scratch.remove().await;
}
