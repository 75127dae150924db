//! The database of a Worker, from outside of it.

use reqwest::Method;

use super::{Done, answers, command, text, used};
use crate::harness::api::send;
use crate::harness::gateway::Gateway;
use crate::harness::host::WorkerFiles;
use crate::trials::Trials;

/// The variable of the Worker and of the command.
const VARIABLE: &str = "PORTWAY_TRANSFER_KEY";

const KEY: &str = "abcdef0123456789abcdef0123456789";

pub(super) fn add(trials: &mut Trials) {
    if WorkerFiles::find().is_some() {
        trials.add("transfers::a_database_leaves_a_worker_and_comes_to_another", leaves_and_comes);
    }
}

fn run(key: Option<&str>, arguments: &[&str]) -> Done {
    let mut command = command(arguments);
    match key {
        Some(key) => command.env(VARIABLE, key),
        None => command.env_remove(VARIABLE),
    };
    Done::of(&command.output().unwrap())
}

fn url(gateway: &Gateway) -> String {
    format!("http://{}", gateway.address())
}

async fn leaves_and_comes() {
    let (mut gateway, session) = used().await;
    let before = answers(&gateway.api(), &session).await;
    let from = url(&gateway);
    let file = format!("sqlite://{}", text(&gateway.scratch().join("copy.db")));
    let copy_out = ["copy", "--from", from.as_str(), "--to", file.as_str()];
    run(Some(KEY), &copy_out).assert_refused(1, &["serves a gateway", VARIABLE]);
    gateway.stop().await;

    let mut gateway = gateway.with_variable(VARIABLE, KEY);
    gateway.launch().await;
    for path in ["/health", "/api/sessions", "/transfer"] {
        send(gateway.api().anonymous(Method::GET, path)).await.expect(503);
    }
    run(None, &copy_out).assert_refused(2, &["openssl rand"]);
    run(Some(&KEY.replace('a', "b")), &copy_out).assert_refused(1, &["refuses the key"]);
    let out = run(Some(KEY), &copy_out);
    let status = run(Some(KEY), &["status", "--database", &from]);
    assert!(status.stdout.contains("D1 of the Worker"), "{status:?}");
    let backup = gateway.scratch().join("worker.portway");
    let backed_up = run(Some(KEY), &["backup", text(&backup), "--verify", "--database", &from]);
    assert_eq!(backed_up.digest(), out.digest());

    let mut other = Gateway::prepared("").with_variable(VARIABLE, KEY);
    other.launch().await;
    let to = url(&other);
    let back = run(Some(KEY), &["copy", "--from", &file, "--to", &to]);
    assert_eq!(back.digest(), out.digest());
    run(Some(KEY), &["copy", "--from", &file, "--to", &to]).assert_refused(2, &["empty"]);
    other.stop().await;
    let mut other = other.without_variable(VARIABLE);
    other.launch().await;
    assert_eq!(answers(&other.api(), &session).await, before);
}
