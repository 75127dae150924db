//! From one database to another, in one go or in two.

use std::path::Path;
use std::process::Stdio;

use rusqlite::{Connection, OpenFlags};

use super::{Done, answers, command, run, text, used};
use crate::doctor;
use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::harness::postgres::{POSTGRES, Schema, Server};
use crate::trials::Trials;

/// So many further rows have a table that a copy is killed in.
const ROWS: u32 = 60_000;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("db::a_copy_that_is_killed_goes_on", a_copy_that_is_killed_goes_on);
    trials.add("db::a_restoration_that_is_killed_begins_anew", a_restoration_that_is_killed_begins_anew);
    trials.add_for(POSTGRES, "db::to_postgres_and_back_is_the_same", to_postgres_and_back_is_the_same);
    trials.add_for(POSTGRES, "db::a_copy_to_a_server_in_use_is_refused", a_copy_to_a_server_in_use_is_refused);
}

/// A gateway on a file that was used and rests.
async fn rested() -> (Gateway, String) {
    let (mut gateway, session) = used().await;
    gateway.stop().await;
    (gateway, session)
}

/// A copy of its database in a file, with many rows more.
fn enlarge(gateway: &Gateway) -> String {
    let url = match gateway.schema() {
        Some(schema) => schema.url(),
        None => sqlite(&gateway.data().join("portway.db")),
    };
    let large = gateway.scratch().join("large.db");
    run(&["copy", "--from", &url, "--to", &sqlite(&large)]).digest();
    let database = Connection::open(&large).unwrap();
    let sql = format!(
        "INSERT INTO audit_log (session_id, seq, id, event_type, summary, created_at)
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS})
             SELECT (SELECT min(id) FROM sessions), 1000 + n, 'a' || n, 'x', 'Nothing happened 🦀', n FROM numbers"
    );
    database.execute_batch(&sql).unwrap();
    sqlite(&large)
}

fn sqlite(path: &Path) -> String {
    format!("sqlite://{}", text(path))
}

fn copy(from: &str, to: &str) -> Done {
    run(&["copy", "--from", from, "--to", to])
}

/// Kills a command once `reached` says that it is in the middle of the large table.
async fn kill_in_the_middle(arguments: &[&str], reached: impl AsyncFn() -> Option<String>) {
    let mut running = command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the command is in the middle", async || {
        assert_eq!(running.try_wait().unwrap(), None, "it ended before it was killed");
        reached().await.filter(|table| table == "audit_log")
    })
    .await;
    running.kill().unwrap();
    running.wait().unwrap();
}

/// The table that was reached in a file.
fn reached_in(path: &Path) -> Option<String> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    database.query_row("SELECT table_name FROM unfinished_transfer", [], |row| row.get(0)).ok()
}

async fn a_copy_that_is_killed_goes_on() {
    let (gateway, session) = rested().await;
    let from = enlarge(&gateway);
    let mut other = Gateway::prepared("").on_file();
    let path = other.data().join("portway.db");
    let to = sqlite(&path);
    kill_in_the_middle(&["copy", "--from", &from, "--to", &to], async || reached_in(&path)).await;
    let refused = other.try_launch().await.unwrap_err();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("holds a part of") && refused.stderr.contains("portway db copy"), "{refused:?}");
    for command in ["migrate", "status"] {
        let told = run(&[command, "--data", text(&other.data())]);
        assert!(format!("{told:?}").contains("holds a part of"), "{told:?}");
    }
    doctor::examine(&other.data(), &[]).assert_told("problem", "database", "holds a part of");
    let elsewhere = sqlite(&gateway.scratch().join("other.db"));
    copy(&from, &elsewhere).digest();
    copy(&elsewhere, &to).assert_refused(2, &["large.db only", "cannot go on"]);
    let done = copy(&from, &to);
    assert!(!done.stdout.contains(", 0 were written"), "{done:?}");
    let total: u64 = done.stdout.split(' ').next().unwrap().parse().unwrap();
    let now: u64 = done.stdout.split_once("databases, ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!(now < total && total > ROWS.into(), "{done:?}");
    let file = gateway.scratch().join("x.portway");
    let backup = run(&["backup", text(&file), "--database", &from]);
    assert_eq!(backup.digest(), done.digest());
    copy(&from, &to).assert_refused(2, &["not empty"]);
    other.launch().await;
    let found = answers(&other.api(), &session).await;
    assert_eq!(found[4]["hits"].as_array().map(Vec::len), Some(2), "{}", found[4]);
}

async fn a_restoration_that_is_killed_begins_anew() {
    let (gateway, session) = rested().await;
    let file = gateway.scratch().join("x.portway");
    let backup = run(&["backup", text(&file), "--database", &enlarge(&gateway)]);
    let mut other = Gateway::prepared("").on_file();
    let (data, path) = (other.data(), other.data().join("portway.db"));
    let restore = ["restore", text(&file), "--data", text(&data)];
    kill_in_the_middle(&restore, async || reached_in(&path)).await;
    let refused = other.try_launch().await.unwrap_err();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("holds a part of the backup"), "{refused:?}");
    copy(&sqlite(&gateway.scratch().join("large.db")), &sqlite(&path)).assert_refused(2, &["portway db restore"]);
    assert_eq!(run(&restore).digest(), backup.digest());
    other.launch().await;
    let found = answers(&other.api(), &session).await;
    assert_eq!(found[4]["hits"].as_array().map(Vec::len), Some(2), "{}", found[4]);
}

async fn to_postgres_and_back_is_the_same(server: Server) {
    let (gateway, session) = rested().await;
    let from = enlarge(&gateway);
    let mut other = Gateway::prepared("").on_server(server.clone());
    let schema = Schema::create(server).await;
    let to = schema.url();
    let reached = async || schema.text("SELECT table_name FROM unfinished_transfer").await;
    kill_in_the_middle(&["copy", "--from", &from, "--to", &to], reached).await;
    other = other.in_schema(schema);
    let refused = other.try_launch().await.unwrap_err();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("holds a part of"), "{refused:?}");
    let there = copy(&from, &to);
    let back = gateway.scratch().join("back.db");
    let back_again = copy(&to, &sqlite(&back));
    assert_eq!(there.digest(), back_again.digest());
    let original = gateway.scratch().join("original.portway");
    let returned = gateway.scratch().join("returned.portway");
    let original = run(&["backup", text(&original), "--database", &from]);
    let returned = run(&["backup", text(&returned), "--database", &sqlite(&back), "--verify"]);
    assert_eq!(original.digest(), returned.digest());
    assert_eq!(original.digest(), there.digest());
    other.launch().await;
    let found = answers(&other.api(), &session).await;
    assert_eq!(found[4]["hits"].as_array().map(Vec::len), Some(2), "{}", found[4]);
    // Row numbers go on behind those that were copied.
    let memory = serde_json::json!({"content": "Likes crabs", "category": "general"});
    other.api().post("/api/me/memories", &memory).await.expect(201);
    let session = other.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say needles again", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "needles again");
    other.stop().await;
}

async fn a_copy_to_a_server_in_use_is_refused(server: Server) {
    let (gateway, _) = rested().await;
    let from = enlarge(&gateway);
    let mut other = Gateway::prepared("").on_server(server);
    other.launch().await;
    let to = other.schema().unwrap().url();
    copy(&from, &to).assert_refused(2, &["works on the database", "stop that one"]);
    other.stop().await;
    copy(&from, &to).assert_refused(2, &["not empty", "users"]);
}
