//! `portway doctor` on folders of all kinds.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::database;
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("doctor::a_running_gateway_is_healthy", a_running_gateway_is_healthy);
    trials.add("doctor::a_stopped_gateway_is_healthy", a_stopped_gateway_is_healthy);
    trials.add("doctor::what_is_wrong_is_told_all_at_once", what_is_wrong_is_told_all_at_once);
    trials.add("doctor::a_damaged_database_is_told", a_damaged_database_is_told);
    trials.add("doctor::stray_runners_and_failing_jobs_are_told", stray_runners_and_failing_jobs_are_told);
    trials.add("doctor::wrong_usage_has_a_code_of_its_own", wrong_usage_has_a_code_of_its_own);
}

/// What it found.
pub(crate) struct Diagnosis {
    pub(crate) code: Option<i32>,
    findings: Vec<Value>,
    pub(crate) text: String,
}

impl Diagnosis {
    /// Messages of that level.
    pub(crate) fn messages(&self, level: &str) -> Vec<&str> {
        let found = self.findings.iter().filter(|finding| finding["level"] == level);
        found.map(|finding| finding["message"].as_str().unwrap()).collect()
    }

    fn assert_healthy(&self) {
        assert_eq!((self.code, self.messages("problem")), (Some(0), vec![]), "{}", self.text);
    }

    pub(crate) fn assert_told_fine(&self, check: &str, part: &str) {
        let told = self.findings.iter().any(|finding| {
            finding["level"] == "fine"
                && finding["check"] == check
                && finding["message"].as_str().unwrap().contains(part)
        });
        assert!(told, "fine {check} {part:?} is not in\n{}", self.text);
    }

    pub(crate) fn assert_told(&self, level: &str, check: &str, part: &str) {
        let told = self.findings.iter().any(|finding| {
            finding["level"] == level
                && finding["check"] == check
                && finding["message"].as_str().unwrap().contains(part)
                && finding["advice"].as_str().is_some_and(|advice| !advice.is_empty())
        });
        assert!(told, "{level} {check} {part:?} is not in\n{}", self.text);
    }
}

pub(crate) fn run(data: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portway"));
    for name in ["PORTWAY_DATA", "PORTWAY_CONFIG", "PORTWAY_LISTEN", "DATABASE_URL"] {
        command.env_remove(name);
    }
    command.arg("doctor").args(arguments).arg("--data").arg(data).output().unwrap()
}

pub(crate) fn examine(data: &Path, arguments: &[&str]) -> Diagnosis {
    let output = run(data, &[&["--json"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    assert_eq!(report["healthy"], output.status.code() == Some(0));
    Diagnosis { code: output.status.code(), findings: report["findings"].as_array().unwrap().clone(), text }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn prepared(config: &str) -> Gateway {
    let gateway = Gateway::prepared(config).on_file();
    set_mode(&gateway.data(), 0o700);
    gateway
}

async fn a_running_gateway_is_healthy() {
    let mut gateway = prepared("");
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    let mut socket = session.socket().await;
    let prompt = socket.prompt("/say hello", None).await;
    socket.answer_to(&prompt).await;
    let listen = gateway.address().to_string();
    let found = examine(&gateway.data(), &["--listen", &listen]);
    found.assert_healthy();
    let fine = found.messages("fine").join("\n");
    for part in ["is ready at", "1 running", "1 runners live", "without damage", "on disk after", "goes evenly"] {
        assert!(fine.contains(part), "{part} is not in\n{fine}");
    }
    let text = run(&gateway.data(), &["--listen", &listen]);
    assert!(String::from_utf8(text.stdout).unwrap().ends_with("\nNothing is wrong.\n"));
    // The gateway goes on as if nobody had looked.
    let prompt = socket.prompt("/say again", None).await;
    assert_eq!(socket.answer_to(&prompt).await.content, "again");
    let elsewhere = examine(&gateway.data(), &["--listen", "127.0.0.1:9"]);
    elsewhere.assert_told("problem", "gateway", "does not answer");
    assert_eq!(elsewhere.code, Some(1));
}

async fn a_stopped_gateway_is_healthy() {
    let mut gateway = prepared("");
    gateway.launch().await;
    gateway.api().demo_session().await;
    gateway.stop().await;
    let before = std::fs::read(gateway.data().join("portway.db")).unwrap();
    let found = examine(&gateway.data(), &[]);
    found.assert_healthy();
    assert!(found.messages("fine").contains(&"none runs on this folder"), "{}", found.text);
    assert!(std::fs::read(gateway.data().join("portway.db")).unwrap() == before, "nothing is changed");
    gateway.launch().await;
    gateway.api().get("/api/auth/me").await.expect(200);
}

async fn what_is_wrong_is_told_all_at_once() {
    let config = "default_agent = \"nobody\"\n[agents.\"a b\"]\ncommand = [\"x\"]\n";
    let gateway = Gateway::prepared(config);
    set_mode(&gateway.data(), 0o755);
    let found = examine(&gateway.data(), &[]);
    assert_eq!(found.code, Some(1));
    found.assert_told("problem", "configuration", "names no agent");
    found.assert_told("problem", "configuration", "1 to 100");
    found.assert_told("problem", "data folder", "open to others");
    found.assert_told("note", "database", "does not exist");
    let config = "[agents.mine]\ncommand = [\"no-such-program\"]\n";
    std::fs::write(gateway.data().join("portway.toml"), config).unwrap();
    examine(&gateway.data(), &[]).assert_told("problem", "agents", "no-such-program");
    let absent = examine(&gateway.data().join("none"), &[]);
    absent.assert_told("problem", "data folder", "does not exist");
    assert!(!gateway.data().join("none").exists());
}

async fn a_damaged_database_is_told() {
    let mut gateway = prepared("");
    gateway.launch().await;
    gateway.stop().await;
    let path = gateway.data().join("portway.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let found = examine(&gateway.data(), &[]);
    assert_eq!(found.code, Some(1));
    assert!(found.findings.iter().any(|finding| finding["check"] == "database" && finding["level"] == "problem"));
    std::fs::write(&path, "no database at all").unwrap();
    assert_eq!(examine(&gateway.data(), &[]).code, Some(1));
}

async fn stray_runners_and_failing_jobs_are_told() {
    let mut gateway = prepared("");
    gateway.launch().await;
    let session = gateway.api().demo_session().await;
    // A runner that was only just started ends with its gateway.
    session.reaches("running").await;
    let runner = gateway.runner(&session.id).await;
    gateway.kill9().await;
    let crashed = examine(&gateway.data(), &[]);
    crashed.assert_healthy();
    crashed.assert_told("note", "processes", "no gateway runs");
    database::forget_sessions(&gateway).await;
    database::add_failing_job(&gateway, "the disk is on fire").await;
    let found = examine(&gateway.data(), &[]);
    found.assert_told("note", "processes", &format!("runner {runner} of session {} lives", session.id));
    found.assert_told("problem", "work", "the disk is on fire");
    assert_eq!(found.code, Some(1));
}

async fn wrong_usage_has_a_code_of_its_own() {
    let gateway = prepared("");
    assert_eq!(run(&gateway.data(), &["--jsno"]).status.code(), Some(2));
    assert_eq!(run(&gateway.data(), &["--listen", "here"]).status.code(), Some(2));
}
