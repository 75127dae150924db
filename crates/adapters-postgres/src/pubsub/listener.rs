//! Hears what other nodes say, over a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use portway_ports::pubsub::{Hint, Topic};
use portway_pubsub::LocalPubSub;
use portway_sql::driver::SqlError;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::company::Company;
use super::outbox::{Greeting, Outbox};
use super::payload::{self, Heard, Item};
use super::pieces::{Assembled, Assembly};
use super::sender::{CHANNEL, silent};
use crate::error::Failure;
use crate::options::PostgresOptions;
use crate::session::trusted;

/// A connection that is silent for so long is asked whether it lives.
const QUIET: Duration = Duration::from_secs(10);

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait after a failure; twice as long after the next one, and so on.
const AGAIN: Duration = Duration::from_millis(50);

/// But not longer.
const AT_MOST: Duration = Duration::from_secs(5);

/// Listens from the beginning on.
pub(super) struct Listener {
    connect: PgConnectOptions,
    name: String,
    local: LocalPubSub,
    company: Arc<Company>,
    outbox: Arc<Outbox>,
    line: PgListener,
    assembly: Assembly,
}

impl Listener {
    pub(super) async fn connect(
        options: &PostgresOptions,
        name: &str,
        local: LocalPubSub,
        company: Arc<Company>,
        outbox: Arc<Outbox>,
    ) -> Result<Self, SqlError> {
        let connect = options.hinting();
        let line = listen(&connect).await.map_err(|error| Failure::from(error).into_error())?;
        Ok(Self { connect, name: name.to_owned(), local, company, outbox, line, assembly: Assembly::default() })
    }

    /// Listens for ever.
    pub(super) async fn run(mut self) {
        loop {
            self.hear().await;
            tracing::debug!("the connection for hints of other nodes broke");
            let mut pause = AGAIN;
            self.line = loop {
                match listen(&self.connect).await {
                    Ok(line) => break line,
                    Err(error) => tracing::debug!(%error, "hints of other nodes cannot be heard"),
                }
                sleep(pause).await;
                pause = (2 * pause).min(AT_MOST);
            };
            // Whatever was said meanwhile, nobody heard.
            self.assembly.clear();
            self.local.lost_all();
        }
    }

    /// Listens until the connection breaks.
    async fn hear(&mut self) {
        loop {
            match timeout(QUIET, self.line.try_recv()).await {
                Ok(Ok(Some(said))) => self.told(said.payload()),
                Ok(Ok(None) | Err(_)) => return,
                Err(_) => {
                    let asking = sqlx::query("SELECT 1").execute(&mut self.line);
                    if !matches!(timeout(PATIENCE, asking).await, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    fn told(&mut self, text: &str) {
        match payload::read(&self.name, text) {
            Heard::Self_ => {}
            Heard::Other { from, items } => {
                self.company.heard(Some(from));
                items.into_iter().for_each(|item| self.deliver(item));
            }
            Heard::Unknown => {
                self.company.heard(None);
                self.local.lost_all();
            }
        }
    }

    fn deliver(&mut self, item: Item<serde_json::Value>) {
        match item {
            // Only now, when this node knows of the other one and tells it everything.
            Item::Hello => self.outbox.greet(Greeting::Answer),
            Item::Hint(topic, value) if self.local.is_watched(&topic) => self.hint(&topic, payload::hint(value)),
            Item::Piece(topic, piece) if self.local.is_watched(&topic) => match self.assembly.add(piece) {
                Assembled::Whole(text) => self.hint(&topic, serde_json::from_str(&text).ok()),
                Assembled::Broken => self.local.lost(&topic, None),
                Assembled::More => {}
            },
            Item::Hint(..) | Item::Piece(..) => {}
            Item::Lost(topic, version) => self.local.lost(&topic, version),
            Item::LostAll => self.local.lost_all(),
        }
    }

    /// A hint was heard; one that cannot be read counts as lost.
    fn hint(&self, topic: &Topic, hint: Option<Hint>) {
        match hint {
            Some(hint) => self.local.deliver(topic, Arc::new(hint)),
            None => self.local.lost(topic, None),
        }
    }
}

async fn listen(connect: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let listening = async {
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(connect.clone());
        let mut line = PgListener::connect_with(&pool).await?;
        line.eager_reconnect(false);
        let channel: String = sqlx::query_scalar(trusted(format!("SELECT {CHANNEL}"))).fetch_one(&mut line).await?;
        line.listen(&channel).await?;
        Ok(line)
    };
    timeout(PATIENCE, listening).await.unwrap_or_else(|_| Err(silent()))
}
