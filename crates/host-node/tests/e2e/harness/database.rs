//! What no operation of the API can do yet, done in the database of a gateway that does not run.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::gateway::Gateway;
use super::host::{WorkerFiles, database_file};

/// Runs SQL that both databases understand.
async fn run(gateway: &Gateway, sql: &str) {
    match gateway.schema() {
        Some(schema) => schema.run(sql).await,
        None => {
            let file = match WorkerFiles::find() {
                Some(_) => database_file(&gateway.data()),
                None => gateway.data().join("portway.db"),
            };
            let database = Connection::open(file).unwrap();
            database.pragma_update(None, "foreign_keys", true).unwrap();
            database.execute_batch(sql).unwrap();
        }
    }
}

/// Lets every user have that many sessions.
pub(crate) async fn allow_sessions(gateway: &Gateway, limit: u32) {
    run(gateway, &format!("UPDATE users SET max_active_sessions = {limit}")).await;
}

/// Adds a member with that key.
pub(crate) async fn add_member(gateway: &Gateway, name: &str, key: &str) {
    let hash: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let sql = format!(
        "INSERT INTO users (id, email, name, role, onboarding_completed, idle_timeout_seconds, model_preferences,
             queue_mode, version, created_at, updated_at)
         SELECT '{name}', '{name}@localhost', '{name}', 'member', onboarding_completed, idle_timeout_seconds,
             model_preferences, queue_mode, version, created_at, updated_at
         FROM users LIMIT 1;
         INSERT INTO access_tokens (id, user_id, kind, name, prefix, token_hash, created_at)
         SELECT '{name}-key', '{name}', 'api', 'key', 'sk', '{hash}', created_at FROM users WHERE id = '{name}'"
    );
    run(gateway, &sql).await;
}

/// Forgets every session.
pub(crate) async fn forget_sessions(gateway: &Gateway) {
    run(gateway, "DELETE FROM sessions").await;
}

/// Adds a job that failed often, to be tried again at once.
pub(crate) async fn add_failing_job(gateway: &Gateway, error: &str) {
    let work = r#"{"kind":"stop-sandbox","session":"x","generation":1}"#;
    let sql = format!(
        "INSERT INTO jobs (id, kind, work, attempts, run_at, last_error)
         SELECT 'failing', 'stop-sandbox', '{work}', 5, created_at, '{error}' FROM users LIMIT 1"
    );
    run(gateway, &sql).await;
}
