//! Connections that end at the wrong moment, callers who leave, and others who are in the way.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use portway_adapters_postgres::PostgresDatabase;
use portway_sql::driver::{Read, SqlDriver, SqlError, Step, WriteOutcome};

use crate::fixture::{Fixture, bump, insert, statement, step};
use crate::proxy::Proxy;
use crate::scratch::execute;
use crate::server::{Guard, transaction_lock};

/// A step that waits for the guard.
fn wait(fixture: &Fixture) -> Step {
    step(&format!("SELECT {}", transaction_lock(&fixture.scratch)))
}

/// A read that waits for the guard.
fn waiting_read(fixture: &Fixture) -> Read {
    Read::bounded(vec![statement(&format!("SELECT {} AS lock", transaction_lock(&fixture.scratch)), vec![])])
}

/// Makes every commit that adds an item wait for the guard.
async fn slow_commits(fixture: &Fixture) {
    let sql = format!(
        "CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM {}; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION hold_up()",
        transaction_lock(&fixture.scratch)
    );
    fixture.scratch.run(&sql).await;
}

fn write(fixture: &Arc<Fixture>, steps: Vec<Step>) -> tokio::task::JoinHandle<Result<WriteOutcome, SqlError>> {
    let fixture = fixture.clone();
    tokio::spawn(async move { fixture.database.write(steps).await })
}

pub(crate) async fn a_server_that_is_gone_in_a_statement_is_tried_again() {
    let fixture = Arc::new(Fixture::new().await);
    let mut guard = Guard::hold(&fixture.scratch).await;
    let read = tokio::spawn({
        let fixture = fixture.clone();
        async move { fixture.database.read(waiting_read(&fixture)).await }
    });
    let first = guard.waiting(1).await;
    guard.end(&first).await;
    assert_ne!(guard.waiting(1).await, first);
    guard.release().await;
    assert_eq!(read.await.unwrap().unwrap()[0].len(), 1);
    fixture.remove().await;
}

pub(crate) async fn a_write_that_is_cut_off_before_its_commit_is_tried_again() {
    let fixture = Arc::new(Fixture::new().await);
    for steps in [vec![insert("a"), wait(&fixture)], vec![wait(&fixture)]] {
        let mut guard = Guard::hold(&fixture.scratch).await;
        let written = write(&fixture, steps);
        let first = guard.waiting(1).await;
        guard.end(&first).await;
        assert_ne!(guard.waiting(1).await, first);
        guard.release().await;
        assert!(matches!(written.await.unwrap(), Ok(WriteOutcome::Committed(_))));
    }
    assert_eq!(fixture.ids().await, ["a"]);
    fixture.remove().await;
}

pub(crate) async fn a_write_that_is_cut_off_again_and_again_is_unavailable_and_undone() {
    let fixture = Arc::new(Fixture::new().await);
    let mut guard = Guard::hold(&fixture.scratch).await;
    let written = write(&fixture, vec![insert("a"), wait(&fixture)]);
    for _ in 0..4 {
        let waiting = guard.waiting(1).await;
        guard.end(&waiting).await;
    }
    let error = written.await.unwrap().unwrap_err();
    assert!(matches!(error, SqlError::Unavailable(_)), "{error}");
    assert!(fixture.ids().await.is_empty());
    fixture.remove().await;
}

pub(crate) async fn a_connection_that_ends_in_the_commit_leaves_the_outcome_unknown() {
    let fixture = Arc::new(Fixture::new().await);
    slow_commits(&fixture).await;
    for steps in [vec![insert("a"), insert("b")], vec![insert("a")]] {
        let mut guard = Guard::hold(&fixture.scratch).await;
        let written = write(&fixture, steps);
        let waiting = guard.waiting(1).await;
        guard.end(&waiting).await;
        let error = written.await.unwrap().unwrap_err();
        assert!(matches!(error, SqlError::Unknown(_)), "{error}");
        assert!(fixture.ids().await.is_empty());
        guard.release().await;
    }
    fixture.must_commit(vec![insert("a")]).await;
    fixture.remove().await;
}

/// What a write ends in whose answer is lost.
async fn without_answer(steps: Vec<Step>, lost: &'static str) -> (Fixture, SqlError) {
    let fixture = Fixture::new().await;
    let proxy = Proxy::start(&fixture.scratch).await;
    let database = PostgresDatabase::open(&fixture.scratch.options_through(proxy.port)).await.unwrap();
    proxy.lose_answer_to(lost);
    let error = database.write(steps).await.unwrap_err();
    database.close().await;
    (fixture, error)
}

pub(crate) async fn a_commit_without_an_answer_is_unknown_and_there() {
    let (fixture, error) = without_answer(vec![insert("a"), insert("b")], "COMMIT").await;
    assert!(matches!(error, SqlError::Unknown(_)), "{error}");
    assert_eq!(fixture.ids().await, ["a", "b"]);
    fixture.remove().await;
}

pub(crate) async fn a_single_step_without_an_answer_is_unknown_and_there() {
    let (fixture, error) = without_answer(vec![insert("the lost one")], "the lost one").await;
    assert!(matches!(error, SqlError::Unknown(_)), "{error}");
    assert_eq!(fixture.ids().await, ["the lost one"]);
    fixture.remove().await;
}

pub(crate) async fn a_step_without_an_answer_is_tried_again_with_all_others() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::start(&fixture.scratch).await;
    let database = PostgresDatabase::open(&fixture.scratch.options_through(proxy.port)).await.unwrap();
    proxy.lose_answer_to("the lost one");
    let outcome = database.write(vec![insert("a"), insert("the lost one")]).await;
    assert!(matches!(outcome, Ok(WriteOutcome::Committed(_))), "{outcome:?}");
    assert_eq!(fixture.ids().await, ["a", "the lost one"]);
    database.close().await;
    fixture.remove().await;
}

pub(crate) async fn connections_that_were_ended_at_rest_are_replaced() {
    let fixture = Arc::new(Fixture::new().await);
    let mut guard = Guard::hold(&fixture.scratch).await;
    for round in 0..3 {
        // As many connections as there may be.
        let busy: Vec<_> = (0..8).map(|_| write(&fixture, vec![wait(&fixture)])).collect();
        guard.waiting(8).await;
        guard.release().await;
        for written in busy {
            written.await.unwrap().unwrap();
        }
        guard = Guard::hold(&fixture.scratch).await;
        let all = guard.processes("true").await;
        assert!(all.len() >= 8, "{all:?}");
        guard.end(&all).await;
        fixture.must_commit(vec![insert(&format!("{round}-alone"))]).await;
        fixture.must_commit(vec![insert(&format!("{round}-together")), insert(&format!("{round}-too"))]).await;
        assert_eq!(fixture.ids().await.len(), 3 * (round + 1));
    }
    fixture.remove().await;
}

pub(crate) async fn dropped_futures_leave_nothing_open_and_nothing_half_done() {
    let fixture = Arc::new(Fixture::with(|options| options.connections(2)).await);
    for number in 0..60 {
        let steps = vec![insert(&format!("{number:02}-a")), insert(&format!("{number:02}-b"))];
        let mut written = Box::pin(fixture.database.write(steps));
        let mut read = Box::pin(fixture.database.read(Read::bounded(vec![statement("SELECT 1 AS one", vec![]); 2])));
        for _ in 0..number % 12 {
            let poll = std::future::poll_fn(|context| {
                Poll::Ready(written.as_mut().poll(context).is_ready() || read.as_mut().poll(context).is_ready())
            });
            if poll.await {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let mut guard = Guard::hold(&fixture.scratch).await;
    guard.until(0, "state <> 'idle'").await;
    let ids = fixture.ids().await;
    assert!(
        ids.len().is_multiple_of(2) && ids.iter().filter(|id| id.ends_with("-a")).count() * 2 == ids.len(),
        "{ids:?}"
    );
    fixture.must_commit(vec![insert("x"), insert("y")]).await;
    let prepared = statement("SELECT count(*) AS n FROM pg_prepared_statements", vec![]);
    let prepared: i64 = fixture.database.read(Read::bounded(vec![prepared])).await.unwrap()[0][0].get("n").unwrap();
    assert!(prepared <= 4, "{prepared} statements, though there are four texts");
    fixture.remove().await;
}

pub(crate) async fn a_server_that_falls_silent_is_given_up() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::start(&fixture.scratch).await;
    let options = fixture.scratch.options_through(proxy.port).statement_timeout(Duration::from_secs(1));
    let database = PostgresDatabase::open(&options.acquire_timeout(Duration::from_secs(3))).await.unwrap();
    let one = || Read::bounded(vec![statement("SELECT 1 AS one", vec![])]);
    database.read(one()).await.unwrap();
    database.write(vec![insert("a")]).await.unwrap();
    proxy.fall_silent();
    let error = database.read(one()).await.unwrap_err();
    assert!(matches!(error, SqlError::Unavailable(_)), "{error}");
    let error = database.write(vec![insert("b")]).await.unwrap_err();
    assert!(matches!(error, SqlError::Unknown(_)), "it may have been applied: {error}");
    let error = database.write(vec![insert("c"), insert("d")]).await.unwrap_err();
    assert!(matches!(error, SqlError::Unavailable(_)), "{error}");
    assert_eq!(fixture.ids().await, ["a", "b"]);
    fixture.remove().await;
}

pub(crate) async fn statements_that_do_not_fit_any_more_are_prepared_anew() {
    let fixture = Arc::new(Fixture::new().await);
    fixture.must_commit(vec![insert("a")]).await;
    let touch = || statement("UPDATE items SET version = 2 WHERE id = 'a' RETURNING score", vec![]);
    let read = || Read::bounded(vec![statement("SELECT score FROM items", vec![])]);
    let mut guard = Guard::hold(&fixture.scratch).await;
    let busy: Vec<_> =
        (0..4).map(|_| write(&fixture, vec![Step::new(touch()), step("SELECT 1"), wait(&fixture)])).collect();
    // Three wait for the row, and so have prepared what they wait with.
    guard.waiting(4).await;
    guard.release().await;
    for written in busy {
        written.await.unwrap().unwrap();
    }
    fixture.database.read(read()).await.unwrap();
    fixture.scratch.run("ALTER TABLE items ALTER COLUMN score TYPE INTEGER").await;
    fixture.database.read(read()).await.unwrap();
    for steps in [vec![Step::new(touch())], vec![Step::new(touch()), step("SELECT 1")]] {
        fixture.must_commit(steps).await;
    }
    fixture.remove().await;
}

pub(crate) async fn a_deadlock_is_nobodys_problem() {
    let mut fixture = Fixture::new().await;
    fixture.must_commit(vec![insert("a"), insert("b")]).await;
    fixture.database.close().await;
    let options = fixture.scratch.options_with("options=-c%20deadlock_timeout%3D20ms");
    fixture.database = PostgresDatabase::open(&options).await.unwrap();
    let fixture = Arc::new(fixture);
    let mut guard = Guard::hold(&fixture.scratch).await;
    let raise = |id: &str| step(&format!("UPDATE items SET version = version + 1 WHERE id = '{id}'"));
    // Both hold a row and want the other one's.
    let shared = || step(&format!("SELECT {}", transaction_lock(&fixture.scratch).replace("lock(", "lock_shared(")));
    let one = write(&fixture, vec![raise("a"), shared(), raise("b")]);
    let two = write(&fixture, vec![raise("b"), shared(), raise("a")]);
    guard.waiting(2).await;
    guard.release().await;
    for written in [one, two] {
        assert!(matches!(written.await.unwrap(), Ok(WriteOutcome::Committed(_))));
    }
    fixture.must_commit(vec![bump("a", 3), bump("b", 3)]).await;
    fixture.remove().await;
}

pub(crate) async fn a_lock_that_is_held_too_long_is_unavailable() {
    let fixture = Fixture::with(|options| options.lock_timeout(Duration::from_millis(50))).await;
    fixture.must_commit(vec![insert("a")]).await;
    let mut other = fixture.scratch.other().await;
    execute(&mut other, "BEGIN; UPDATE items SET version = 1").await;
    for steps in [vec![bump("a", 1)], vec![insert("b"), bump("a", 1)]] {
        let error = fixture.database.write(steps).await.unwrap_err();
        assert!(matches!(error, SqlError::Unavailable(_)), "{error}");
    }
    assert_eq!(fixture.ids().await, ["a"]);
    execute(&mut other, "ROLLBACK").await;
    fixture.must_commit(vec![insert("b"), bump("a", 1)]).await;
    fixture.remove().await;
}

pub(crate) async fn a_statement_that_takes_too_long_is_unavailable() {
    let fixture = Fixture::with(|options| options.statement_timeout(Duration::from_secs(1))).await;
    let endless = "SELECT pg_sleep(3600) AS nothing";
    for count in [1, 2] {
        let error = fixture.database.read(Read::bounded(vec![statement(endless, vec![]); count])).await.unwrap_err();
        assert!(matches!(error, SqlError::Unavailable(_)), "{error}");
        let mut steps = vec![insert("a"); count - 1];
        steps.push(step(endless));
        let error = fixture.database.write(steps).await.unwrap_err();
        assert!(matches!(error, SqlError::Unavailable(_)), "{error}");
    }
    assert!(fixture.ids().await.is_empty());
    fixture.remove().await;
}

pub(crate) async fn without_a_free_connection_the_answer_is_unavailable() {
    // Long enough to open a connection on a busy machine.
    let wait = Duration::from_secs(3);
    let fixture = Arc::new(Fixture::with(|options| options.connections(1).acquire_timeout(wait)).await);
    let mut guard = Guard::hold(&fixture.scratch).await;
    let busy = tokio::spawn({
        let fixture = fixture.clone();
        async move { fixture.database.read(waiting_read(&fixture)).await }
    });
    guard.waiting(1).await;
    let one = Read::bounded(vec![statement("SELECT 1 AS one", vec![])]);
    let error = fixture.database.read(one.clone()).await.unwrap_err();
    assert!(matches!(&error, SqlError::Unavailable(text) if text.contains("connection")), "{error}");
    guard.release().await;
    busy.await.unwrap().unwrap();
    fixture.database.read(one).await.unwrap();
    fixture.remove().await;
}
