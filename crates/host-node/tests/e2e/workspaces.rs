//! What sessions change in their workspaces.

use std::path::Path;
use std::process::Command;

use portway_protocol::server::ServerFrame;
use serde_json::{Value, json};

use crate::harness::api::Api;
use crate::harness::eventually;
use crate::harness::gateway::{Gateway, gateways_are_two};
use crate::harness::session::Session;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("workspaces::what_a_session_changed_is_listed", what_a_session_changed_is_listed);
    if !gateways_are_two() {
        trials.add("workspaces::where_it_began_outlives_the_runner", where_it_began_outlives_the_runner);
        trials.add("workspaces::watchers_are_told", watchers_are_told);
    }
}

/// A folder with a repository, whatever the settings of the machine.
pub(crate) struct Checkout {
    folder: tempfile::TempDir,
}

impl Checkout {
    pub(crate) fn new() -> Self {
        let checkout = Self { folder: tempfile::tempdir().unwrap() };
        checkout.git(&["init", "-q", "-b", "main"]);
        std::fs::write(checkout.path().join("NOTES.md"), "remember the milk\n").unwrap();
        checkout.commit();
        checkout
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn git(&self, arguments: &[&str]) {
        let done = Command::new("git")
            .args(["-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "commit.gpgSign=false"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .status()
            .unwrap();
        assert!(done.success(), "{arguments:?}");
    }

    /// Commits everything.
    pub(crate) fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    /// The body that opens a session in it.
    pub(crate) fn opening(&self) -> Value {
        json!({"workspace": "test", "agent": "demo", "directory": self.path()})
    }

    async fn session(&self, api: &Api) -> Session {
        api.session(self.opening()).await
    }
}

async fn files(session: &Session) -> Vec<Value> {
    let answer = session.api.get(&session.path("/files-changed")).await.expect(200);
    answer["files"].as_array().unwrap().clone()
}

/// Waits until git said something.
pub(crate) async fn says(session: &Session) {
    eventually("the git state", async || (git_state(session).await != Value::Null).then_some(())).await;
}

async fn git_state(session: &Session) -> Value {
    session.api.get(&session.path("/git-state")).await.expect(200)["gitState"].clone()
}

/// Path, status, and lines of each file.
fn short(files: &[Value]) -> Vec<String> {
    let show =
        |file: &Value| format!("{} {} +{} -{}", file["filePath"], file["status"], file["additions"], file["deletions"]);
    files.iter().map(show).collect()
}

async fn lists(session: &Session, expected: &[&str]) {
    eventually(&format!("{expected:?}"), async || (short(&files(session).await) == expected).then_some(())).await;
}

async fn what_a_session_changed_is_listed() {
    let gateway = Gateway::start("").await;
    let plain = gateway.api().demo_session().await;
    let checkout = Checkout::new();
    let session = checkout.session(&gateway.api()).await;
    says(&session).await;
    assert_eq!(files(&session).await, Vec::<Value>::new());

    session.prompt("/tally one").await;
    lists(&session, &[r#""tally.log" "added" +1 -0"#]).await;
    let file = files(&session).await.remove(0);
    assert_eq!(file["id"], format!("{}:tally.log", session.id));
    assert_eq!(file["sessionId"], session.id.as_str());
    let created = file["createdAt"].clone();
    assert!(created.as_str().is_some_and(|time| time.ends_with('Z')), "{file}");

    std::fs::write(checkout.path().join("NOTES.md"), "").unwrap();
    checkout.git(&["checkout", "-q", "-b", "tidy"]);
    checkout.commit();
    session.prompt("/tally two").await;
    lists(&session, &[r#""NOTES.md" "modified" +0 -1"#, r#""tally.log" "added" +2 -0"#]).await;
    assert_eq!(files(&session).await[1]["createdAt"], created, "it was there before");
    eventually("the branch", async || (git_state(&session).await["branch"] == "tidy").then_some(())).await;
    let state = git_state(&session).await;
    assert_eq!((&state["baseBranch"], &state["commitCount"]), (&json!("main"), &json!(1)));
    assert_eq!((&state["prNumber"], &state["agentAuthored"]), (&Value::Null, &json!(false)));
    assert!(state["updatedAt"].as_str() > state["createdAt"].as_str(), "{state}");

    std::fs::remove_file(checkout.path().join("tally.log")).unwrap();
    session.prompt("/say done").await;
    lists(&session, &[r#""NOTES.md" "modified" +0 -1"#]).await;
    session.terminate().await;
    lists(&session, &[r#""NOTES.md" "modified" +0 -1"#]).await;

    assert_eq!(git_state(&plain).await, Value::Null, "its folder is no repository");
    assert_eq!(files(&plain).await, Vec::<Value>::new());
    let path = plain.path("/git-state").replace(&plain.id, "nobody");
    plain.api.get(&path).await.refused(404, "NOT_FOUND");
}

async fn where_it_began_outlives_the_runner() {
    let mut gateway = Gateway::start("").await;
    let checkout = Checkout::new();
    let session = checkout.session(&gateway.api()).await;
    session.prompt("/tally one").await;
    lists(&session, &[r#""tally.log" "added" +1 -0"#]).await;
    checkout.commit();
    gateway.stop_with_sandbox(&session).await;
    gateway.launch().await;
    let session = Session::new(gateway.api(), &session.id);
    session.prompt("/tally two").await;
    lists(&session, &[r#""tally.log" "added" +2 -0"#]).await;
    eventually("the commit", async || (git_state(&session).await["commitCount"] == 1).then_some(())).await;
}

async fn watchers_are_told() {
    let gateway = Gateway::start("").await;
    let checkout = Checkout::new();
    let session = checkout.session(&gateway.api()).await;
    let mut socket = session.socket().await;
    session.prompt("/tally one").await;
    let told = socket
        .wait_for("the files", |frame| match frame {
            ServerFrame::FilesChanged { files } => Some(files.clone()),
            _ => None,
        })
        .await;
    assert_eq!(told.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["tally.log"]);
    assert_eq!(short(&files(&session).await), [r#""tally.log" "added" +1 -0"#], "it was durable before");
}
