//! What no operation of the API can do yet, done in the database of a gateway that does not run.

use std::path::Path;

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

fn open(data: &Path) -> Connection {
    Connection::open(data.join("portway.db")).unwrap()
}

/// Lets every user have that many sessions.
pub(crate) fn allow_sessions(data: &Path, limit: u32) {
    let changed = open(data).execute("UPDATE users SET max_active_sessions = ?1", [limit]).unwrap();
    assert!(changed > 0, "there are no users");
}

/// Adds a member with that key.
pub(crate) fn add_member(data: &Path, name: &str, key: &str) {
    let database = open(data);
    let copied = database.execute(
        "INSERT INTO users (id, email, name, role, onboarding_completed, idle_timeout_seconds, model_preferences,
             queue_mode, version, created_at, updated_at)
         SELECT ?1, ?1 || '@localhost', ?1, 'member', onboarding_completed, idle_timeout_seconds, model_preferences,
             queue_mode, version, created_at, updated_at
         FROM users LIMIT 1",
        params![name],
    );
    assert_eq!(copied.unwrap(), 1);
    let hash: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let added = database.execute(
        "INSERT INTO access_tokens (id, user_id, kind, name, prefix, token_hash, created_at)
         SELECT ?1 || '-key', ?1, 'api', 'key', 'sk', ?2, created_at FROM users WHERE id = ?1",
        params![name, hash],
    );
    assert_eq!(added.unwrap(), 1);
}

/// Forgets every session.
pub(crate) fn forget_sessions(data: &Path) {
    let database = open(data);
    database.pragma_update(None, "foreign_keys", true).unwrap();
    assert!(database.execute("DELETE FROM sessions", []).unwrap() > 0, "there are no sessions");
}

/// Adds a job that failed often.
pub(crate) fn add_failing_job(data: &Path, error: &str) {
    let added = open(data).execute(
        "INSERT INTO jobs (id, kind, work, attempts, run_at, last_error)
         VALUES ('failing', 'stop-sandbox', '{\"kind\":\"stop-sandbox\",\"session\":\"x\",\"generation\":1}', 5,
             32503680000000000, ?1)",
        [error],
    );
    assert_eq!(added.unwrap(), 1);
}
