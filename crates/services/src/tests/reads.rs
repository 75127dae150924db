//! How often a request asks the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::memories::MAX_MEMORIES;
use portway_domain::search::Query;
use portway_ports::memories::MemoryFilter;
use portway_ports::pages::PageRequest;
use portway_ports::search::MessageSearch;
use portway_ports::sessions::{MessageRange, SessionFilter};
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Step, WriteOutcome};
use portway_sql::row::Row;

use super::world::World;
use crate::prompts::NewPrompt;
use crate::sessions::NewSession;

/// Reads and writes that came through.
#[derive(Default)]
struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
}

struct CountingDriver {
    inner: Arc<dyn SqlDriver>,
    counts: Arc<Counts>,
}

#[async_trait]
impl SqlDriver for CountingDriver {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        self.counts.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read(read).await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        self.counts.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.write(steps).await
    }
}

/// Reads and writes of what was done.
async fn asked<T>(counts: &Counts, done: impl Future<Output = T>) -> (usize, usize) {
    let look = || (counts.reads.load(Ordering::SeqCst), counts.writes.load(Ordering::SeqCst));
    let (reads, writes) = look();
    done.await;
    let now = look();
    (now.0 - reads, now.1 - writes)
}

async fn counted() -> (World, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let known = counts.clone();
    let world = World::over(|inner| Arc::new(CountingDriver { inner, counts: known })).await;
    (world, counts)
}

#[tokio::test]
async fn what_only_reads_asks_once() {
    let (world, counts) = counted().await;
    let id = world.open().await.id;
    let (services, signed_in) = (&world.services, world.signed_in());
    let viewer = world.context(Permission::Session(SessionRole::Viewer));
    let page = PageRequest::new(20, None);
    let range = MessageRange { after: 0, limit: 50 };
    let memories = MemoryFilter::new(None, Some(Query::parse("word")), MAX_MEMORIES);
    let search = MessageSearch::new(Query::parse("word"), None, 20);
    let asked = [
        ("me", asked(&counts, services.me(&signed_in)).await),
        ("keys", asked(&counts, services.tokens(&signed_in)).await),
        ("sessions", asked(&counts, services.list_sessions(&signed_in, SessionFilter::default(), page)).await),
        ("session", asked(&counts, services.session(&viewer, &id)).await),
        ("messages", asked(&counts, services.messages(&viewer, &id, range)).await),
        ("transcript", asked(&counts, services.transcript(&viewer, &id)).await),
        ("watch", asked(&counts, services.watch_session(&viewer, &id)).await),
        ("presence", asked(&counts, services.present(&id)).await),
        ("memories", asked(&counts, services.memories(&signed_in, &memories)).await),
        ("search", asked(&counts, services.search_messages(&signed_in, &search)).await),
    ];
    for (what, asked) in asked {
        // Who is there is known without the store, as long as nobody else is on it.
        assert_eq!(asked, (usize::from(what != "presence"), 0), "{what}");
    }
}

#[tokio::test]
async fn what_writes_asks_once_and_writes_once() {
    let (world, counts) = counted().await;
    let id = world.open_ready().await;
    let services = &world.services;
    let new = NewSession { workspace: "w".to_owned(), ..NewSession::default() };
    let say = NewPrompt { content: "hello".to_owned(), ..NewPrompt::default() };
    let asked = [
        ("prompt", asked(&counts, services.prompt(&world.as_owner(), &id, say)).await),
        ("rename", asked(&counts, services.rename_session(&world.as_owner(), &id, "title".to_owned())).await),
        ("key", asked(&counts, services.make_token(&world.signed_in(), "key".to_owned(), None)).await),
        ("session", asked(&counts, services.open_session(&world.signed_in(), new)).await),
    ];
    for (what, asked) in asked {
        assert_eq!(asked, (1, 1), "{what}");
    }
}
