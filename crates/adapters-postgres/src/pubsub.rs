//! Hints between the nodes that share a database, by `LISTEN` and `NOTIFY`.
//!
//! Watchers of the node that publishes are told at once. For other nodes a hint waits in a bounded outbox, from which one
//! task sends many at a time over a connection of its own, all on the channel of the schema; another task listens. Where
//! a hint does not get through as it is, others are told which version they missed; where not even that gets through,
//! they find out by reading the versions of what is watched every two seconds.
//!
//! While nobody else works on the database, nothing is sent and nothing is read.

mod company;
mod listener;
mod outbox;
mod payload;
mod pieces;
mod poller;
mod sender;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portway_ports::pubsub::{Hint, PubSub, Subscription, Topic};
use portway_ports::sessions::SessionStore;
use portway_pubsub::LocalPubSub;
use portway_sql::driver::SqlError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::company::Company;
use self::listener::Listener;
use self::outbox::{Greeting, Outbox};
use crate::database::PostgresDatabase;

/// How long what waits to be sent may take at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long others may take to answer whoever comes.
const WELCOME: Duration = Duration::from_secs(2);

/// Hints for watchers on all nodes that share a database.
///
/// A node costs three connections: one that sends, one that listens, and the one of [`PostgresDatabase::enter`].
pub struct PostgresPubSub {
    local: LocalPubSub,
    store: Arc<dyn SessionStore>,
    outbox: Arc<Outbox>,
    company: Arc<Company>,
    sender: Task,
    listener: Task,
    poller: Task,
}

impl fmt::Debug for PostgresPubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPubSub").field("local", &self.local).finish_non_exhaustive()
    }
}

impl PostgresPubSub {
    /// Begins to listen, and waits until the others that have entered the database know of it: from then on they tell
    /// everything. One that does not answer within two seconds is not waited for. `local` is told what other nodes publish;
    /// `store` is the one on the database; `name` is a text that no other node has, and that this one has not had before.
    ///
    /// # Errors
    /// [`SqlError::Unavailable`] when the server does not answer.
    pub async fn open(
        database: Arc<PostgresDatabase>,
        store: Arc<dyn SessionStore>,
        local: LocalPubSub,
        name: &str,
    ) -> Result<Self, SqlError> {
        let company = Arc::new(Company::new(database.clone()));
        let outbox = Arc::new(Outbox::default());
        let options = database.options();
        let listener = Listener::connect(options, name, local.clone(), company.clone(), outbox.clone()).await?;
        let listener = Task(tokio::spawn(listener.run()));
        let sender = Task(tokio::spawn(sender::run(options.hinting(), name.to_owned(), outbox.clone())));
        let poller = Task(tokio::spawn(poller::run(local.clone(), store.clone(), company.clone())));
        outbox.greet(Greeting::Hello);
        let others = database.others().await?;
        if !company.gathers(others, WELCOME).await {
            tracing::debug!(others, "not all that work on the database answer");
        }
        Ok(Self { local, store, outbox, company, sender, listener, poller })
    }

    /// Sends what waits to be sent, and ends. What is published later only reaches watchers of this node.
    pub async fn close(&self) {
        self.outbox.close();
        let sent = async {
            while !self.sender.0.is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(FAREWELL, sent).await.is_err() {
            tracing::debug!("the last hints were not sent in time");
        }
        self.listener.0.abort();
        self.poller.0.abort();
    }
}

#[async_trait]
impl PubSub for PostgresPubSub {
    fn publish(&self, topic: &Topic, hint: Hint) {
        let hint = Arc::new(hint);
        self.local.deliver(topic, hint.clone());
        if self.company.is_there() {
            self.outbox.push(topic, hint);
        }
    }

    /// Other nodes find out by themselves: see the poller.
    fn missed(&self, topic: &Topic) {
        self.local.missed(topic);
    }

    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription> {
        let subscription = self.local.subscribe(topic).await;
        // Whoever subscribes reads the state afterwards, and must be told what comes after it.
        if let Topic::Session(session) = topic
            && self.company.is_there()
        {
            match self.store.engine_versions(std::slice::from_ref(session)).await {
                Ok(found) => found.iter().for_each(|(_, version)| self.local.begin(topic, *version)),
                // The first version is what every watcher has read at least: whatever comes later leaves out some, so the
                // watcher reads again instead of missing what was lost meanwhile.
                Err(_) => self.local.begin(topic, 1),
            }
        }
        subscription
    }
}

/// Ends with whoever has it.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
