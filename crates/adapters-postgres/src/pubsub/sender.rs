//! Sends what waits, over a connection of its own.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::{sleep, timeout};

use super::outbox::Outbox;
use super::payload;
use crate::session::trusted;

/// The channel of the schema. The name of a channel may have 63 bytes, as that of a schema.
pub(super) const CHANNEL: &str = "'portway_' || md5(current_schema())";

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait after a failure; twice as long after the next one, and so on.
const AGAIN: Duration = Duration::from_millis(50);

/// But not longer.
const AT_MOST: Duration = Duration::from_secs(5);

/// Sends until the outbox is closed and empty.
pub(super) async fn run(connect: PgConnectOptions, name: String, outbox: Arc<Outbox>) {
    let mut line = Line { connect, connection: None };
    let mut pause = AGAIN;
    while let Some(batch) = outbox.next().await {
        match line.send(payload::write(&name, &batch)).await {
            Ok(()) => pause = AGAIN,
            Err(error) => {
                tracing::debug!(%error, "hints for other nodes could not be sent");
                outbox.give_back(batch);
                if outbox.is_closed() {
                    return;
                }
                sleep(pause).await;
                pause = (2 * pause).min(AT_MOST);
            }
        }
    }
    line.close().await;
}

/// The server does not answer.
pub(super) fn silent() -> sqlx::Error {
    sqlx::Error::Io(ErrorKind::TimedOut.into())
}

struct Line {
    connect: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Line {
    async fn send(&mut self, texts: Vec<String>) -> Result<(), sqlx::Error> {
        // Taken out, so that a connection of which nobody knows how it is is not used again.
        let connection = self.connection.take();
        let sending = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => self.connect.connect().await?,
            };
            let notify = trusted(format!("SELECT pg_notify({CHANNEL}, text) FROM unnest($1) AS texts (text)"));
            sqlx::query(notify).bind(texts).execute(&mut connection).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        match timeout(PATIENCE, sending).await {
            Ok(sent) => {
                self.connection = Some(sent?);
                Ok(())
            }
            Err(_) => Err(silent()),
        }
    }

    async fn close(self) {
        if let Some(connection) = self.connection {
            let _ = timeout(PATIENCE, connection.close()).await;
        }
    }
}
