//! Reads, each on the thread that asks.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row as SqlRow};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::views::{Detail, DetailSession, LiveStatus, Page, Row, Session, timestamp};

// The lookup as a subquery: what is left of a join when the statistics say that the tables are tiny is a scan.
const CALLER: &str = "SELECT id, email, name, avatar_url FROM users WHERE id = (SELECT user_id FROM access_tokens \
    WHERE token_hash = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2))";

const SESSIONS: &str = "SELECT id, owner_id, workspace, status, title, agent, directory, metadata, error_message, \
    created_at, last_active_at FROM sessions WHERE owner_id = ?1 ORDER BY created_at DESC, id DESC LIMIT ?2";

const SESSION: &str = "SELECT s.id, s.owner_id, s.workspace, s.status, s.title, s.agent, s.directory, s.metadata, \
    s.error_message, s.created_at, s.last_active_at, e.state, \
    (SELECT count(*) FROM messages m WHERE m.session_id = s.id) \
    FROM sessions s JOIN engines e ON e.session_id = s.id WHERE s.id = ?1 AND s.owner_id = ?2";

const OWNS: &str = "SELECT 1 FROM sessions WHERE id = ?1 AND owner_id = ?2";

thread_local! {
    static READER: OnceCell<Connection> = const { OnceCell::new() };
}

/// The database file.
pub(crate) struct Database {
    path: PathBuf,
}

/// Who asks.
pub(crate) struct Caller {
    pub(crate) user: String,
    email: String,
    name: Option<String>,
    avatar_url: Option<String>,
}

/// What the state of a session's engine has to say about it.
#[derive(Deserialize)]
struct State {
    status: String,
    runner: Runner,
    turn: Option<IgnoredAny>,
    queue: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Runner {
    generation: u32,
    link: Link,
}

#[derive(Deserialize)]
struct Link {
    state: String,
}

impl Database {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        READER.with(|reader| match reader.get() {
            Some(connection) => read(connection),
            None => {
                let connection = open(&self.path)?;
                read(reader.get_or_init(|| connection))
            }
        })
    }

    /// Who presents the token of that hash.
    pub(crate) fn caller(&self, hash: &str) -> rusqlite::Result<Option<Caller>> {
        let now = jiff::Timestamp::now().as_microsecond();
        self.read(|connection| {
            let mut statement = connection.prepare_cached(CALLER)?;
            let row = |row: &SqlRow<'_>| {
                Ok(Caller { user: row.get(0)?, email: row.get(1)?, name: row.get(2)?, avatar_url: row.get(3)? })
            };
            statement.query_row((hash, now), row).optional()
        })
    }

    /// The first page of the caller's sessions, newest first.
    pub(crate) fn sessions(&self, caller: &Caller, limit: u32) -> rusqlite::Result<Page> {
        let mut rows = self.read(|connection| {
            let mut statement = connection.prepare_cached(SESSIONS)?;
            let row = |row: &SqlRow<'_>| Ok((session(row)?, row.get::<_, i64>(9)?));
            statement.query_map((&caller.user, limit + 1), row)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let last = rows.last().filter(|_| has_more);
        let cursor = last.map(|(session, created_at)| format!("{created_at}.{}", session.id));
        let row = |session: Session| Row {
            is_owner: session.user_id == caller.user,
            session,
            owner_name: caller.name.clone(),
            owner_email: caller.email.clone(),
            owner_avatar_url: caller.avatar_url.clone(),
            participant_count: 0,
            participants: [],
        };
        Ok(Page { sessions: rows.into_iter().map(|(session, _)| row(session)).collect(), cursor, has_more })
    }

    /// Whether a session is the caller's.
    pub(crate) fn owns(&self, caller: &Caller, session: &str) -> rusqlite::Result<bool> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(OWNS)?;
            statement.exists((session, &caller.user))
        })
    }

    /// One session of the caller.
    pub(crate) fn session(&self, caller: &Caller, id: &str) -> rusqlite::Result<Option<Detail>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(SESSION)?;
            let row = |row: &SqlRow<'_>| {
                let state = row.get_ref(11)?.as_str()?;
                let state: State = serde_json::from_str(state).map_err(|_| rusqlite::Error::InvalidQuery)?;
                Ok(detail(session(row)?, &state, row.get(12)?))
            };
            statement.query_row((id, &caller.user), row).optional()
        })
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Otherwise some statements would be compiled anew for every value that is bound to them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}

fn session(row: &SqlRow<'_>) -> rusqlite::Result<Session> {
    let metadata = row.get_ref(7)?.as_str_or_null()?.and_then(|text| serde_json::from_str(text).ok());
    Ok(Session {
        id: row.get(0)?,
        user_id: row.get(1)?,
        workspace: row.get(2)?,
        status: row.get(3)?,
        title: row.get(4)?,
        agent: row.get(5)?,
        directory: row.get(6)?,
        metadata,
        error_message: row.get(8)?,
        purpose: "interactive",
        created_at: timestamp(row.get(9)?),
        last_active_at: timestamp(row.get(10)?),
    })
}

fn detail(session: Session, state: &State, message_count: i64) -> Detail {
    let link = state.runner.link.state.as_str();
    let (sandbox, connected, busy) = (link != "none", link == "connected", state.turn.is_some());
    let agent_state = match (connected, busy) {
        (true, true) => "busy",
        (true, false) if sandbox => "idle",
        _ => "standby",
    };
    let do_status = LiveStatus {
        session_id: session.id.clone(),
        user_id: session.user_id.clone(),
        workspace: session.workspace.clone(),
        status: state.status.clone(),
        lifecycle_status: state.status.clone(),
        sandbox_id: sandbox.then(|| format!("{}.{}", session.id, state.runner.generation)),
        tunnel_urls: None,
        tunnels: None,
        runner_connected: connected,
        runner_busy: busy,
        agent_state,
        sandbox_state: if sandbox { "running" } else { "stopped" },
        joint_state: agent_state,
        message_count,
        queued_prompts: state.queue.len(),
        connected_clients: 0,
        connected_users: [],
        running_started_at: None,
    };
    Detail { session: DetailSession { session, tunnels: None }, do_status }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
