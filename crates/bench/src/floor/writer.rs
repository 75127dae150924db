//! Inserts, one commit each.

use std::path::Path;
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::database::hex;

const INSERT: &str = "INSERT INTO access_tokens (id, user_id, kind, name, prefix, token_hash, created_at, expires_at) \
    VALUES (?1, ?2, 'api', ?3, ?4, ?5, ?6, NULL)";

/// A row of `access_tokens` and the secret that it belongs to.
pub(crate) struct Key {
    pub(crate) id: String,
    user: String,
    pub(crate) name: String,
    pub(crate) prefix: String,
    hash: String,
    pub(crate) secret: String,
    pub(crate) created_at: i64,
}

impl Key {
    /// A new key; `None` without randomness.
    pub(crate) fn new(user: String, name: String) -> Option<Self> {
        let (mut secret, mut random) = ([0; 32], [0; 10]);
        getrandom::fill(&mut secret).ok()?;
        getrandom::fill(&mut random).ok()?;
        let now = jiff::Timestamp::now();
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let body = format!("sk_live_{millis:012x}{}", hex(&secret));
        let secret = format!("{body}{}", hex(&Sha256::digest(body.as_bytes())[..4]));
        Some(Self {
            id: uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string(),
            user,
            name,
            prefix: format!("{}...{}", &secret[..7], &secret[secret.len() - 4..]),
            hash: format!("{millis:012x}{}", &hex(&Sha256::digest(secret.as_bytes()))[12..]),
            secret,
            created_at: now.as_microsecond(),
        })
    }
}

/// A handle on the thread that writes.
pub(crate) struct Writer {
    jobs: mpsc::Sender<(Key, oneshot::Sender<bool>)>,
}

impl Writer {
    /// Starts the thread on a connection with the durability of the gateway's: write-ahead log, `synchronous = FULL`.
    pub(crate) fn start(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let connection = Connection::open(path)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000;")?;
        let (jobs, queue) = mpsc::channel::<(Key, oneshot::Sender<bool>)>();
        thread::Builder::new().name("writer".into()).spawn(move || {
            for (key, reply) in queue {
                let _ = reply.send(insert(&connection, &key).is_ok());
            }
        })?;
        Ok(Self { jobs })
    }

    /// Writes a key; `true` once it is on disk.
    pub(crate) async fn insert(&self, key: Key) -> bool {
        let (reply, answer) = oneshot::channel();
        self.jobs.send((key, reply)).is_ok() && answer.await.unwrap_or(false)
    }
}

fn insert(connection: &Connection, key: &Key) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(INSERT)?;
    statement.execute((&key.id, &key.user, &key.name, &key.prefix, &key.hash, key.created_at))
}
