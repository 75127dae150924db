//! Inserts, one commit each.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::database::hex;

const INSERT: &str = "INSERT INTO access_tokens (id, user_id, kind, name, prefix, token_hash, created_at, expires_at) \
    VALUES (?1, ?2, 'api', ?3, ?4, ?5, ?6, NULL)";

const SAY: &str = "INSERT INTO messages (session_id, id, seq, position, role, content, parts, author_id, is_open, \
    created_at) VALUES (?1, ?2, ?3, ?3, 'user', ?4, '[]', ?5, 0, ?6)";

const TOUCH: &str = "UPDATE sessions SET last_active_at = ?2 WHERE id = ?1";

const RENAME: &str = "UPDATE sessions SET title = ?2, last_active_at = ?3 WHERE id = ?1";

/// Behind the messages that are there.
static POSITION: AtomicI64 = AtomicI64::new(1_000);

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
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).ok()?;
        let now = jiff::Timestamp::now();
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let body = format!("sk_live_{millis:012x}{}", hex(&secret));
        let secret = format!("{body}{}", hex(&Sha256::digest(body.as_bytes())[..4]));
        Some(Self {
            id: new_id(millis)?,
            user,
            name,
            prefix: format!("{}...{}", &secret[..7], &secret[secret.len() - 4..]),
            hash: format!("{millis:012x}{}", &hex(&Sha256::digest(secret.as_bytes()))[12..]),
            secret,
            created_at: now.as_microsecond(),
        })
    }
}

/// A row of `messages`.
pub(crate) struct Said {
    pub(crate) id: String,
    session: String,
    author: String,
    content: String,
    created_at: i64,
}

impl Said {
    /// A new message; `None` without randomness.
    pub(crate) fn new(session: String, author: String, content: String) -> Option<Self> {
        let now = jiff::Timestamp::now();
        let id = new_id(u64::try_from(now.as_millisecond()).unwrap_or(0))?;
        Some(Self { id, session, author, content, created_at: now.as_microsecond() })
    }
}

fn new_id(millis: u64) -> Option<String> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).ok()?;
    Some(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string())
}

/// What is to be written.
enum Job {
    Key(Key),
    Said(Said),
    Rename { session: String, title: String },
}

/// A handle on the thread that writes.
pub(crate) struct Writer {
    jobs: mpsc::Sender<(Job, oneshot::Sender<bool>)>,
}

impl Writer {
    /// Starts the thread on a connection with the durability of the gateway's: write-ahead log, `synchronous = FULL`.
    pub(crate) fn start(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let connection = Connection::open(path)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000;")?;
        let (jobs, queue) = mpsc::channel::<(Job, oneshot::Sender<bool>)>();
        thread::Builder::new().name("writer".into()).spawn(move || {
            for (job, reply) in queue {
                let written = match &job {
                    Job::Key(key) => insert(&connection, key),
                    Job::Said(said) => say(&connection, said),
                    Job::Rename { session, title } => rename(&connection, session, title),
                };
                let _ = reply.send(written.is_ok());
            }
        })?;
        Ok(Self { jobs })
    }

    /// Writes a key; `true` once it is on disk.
    pub(crate) async fn insert(&self, key: Key) -> bool {
        self.write(Job::Key(key)).await
    }

    /// Writes a message; `true` once it is on disk.
    pub(crate) async fn say(&self, said: Said) -> bool {
        self.write(Job::Said(said)).await
    }

    /// Writes a title; `true` once it is on disk.
    pub(crate) async fn rename(&self, session: String, title: String) -> bool {
        self.write(Job::Rename { session, title }).await
    }

    async fn write(&self, job: Job) -> bool {
        let (reply, answer) = oneshot::channel();
        self.jobs.send((job, reply)).is_ok() && answer.await.unwrap_or(false)
    }
}

fn insert(connection: &Connection, key: &Key) -> rusqlite::Result<usize> {
    let mut statement = connection.prepare_cached(INSERT)?;
    statement.execute((&key.id, &key.user, &key.name, &key.prefix, &key.hash, key.created_at))
}

fn say(connection: &Connection, said: &Said) -> rusqlite::Result<usize> {
    let transaction = connection.unchecked_transaction()?;
    let position = POSITION.fetch_add(1, Ordering::Relaxed);
    let row = (&said.session, &said.id, position, &said.content, &said.author, said.created_at);
    transaction.prepare_cached(SAY)?.execute(row)?;
    let touched = transaction.prepare_cached(TOUCH)?.execute((&said.session, said.created_at))?;
    transaction.commit()?;
    Ok(touched)
}

fn rename(connection: &Connection, session: &str, title: &str) -> rusqlite::Result<usize> {
    let now = jiff::Timestamp::now().as_microsecond();
    connection.prepare_cached(RENAME)?.execute((session, title, now))
}
