//! `portway agents`, and well-known agents that are installed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("agents_command::lists_what_is_there_and_what_is_missing", lists_what_is_there_and_what_is_missing);
    trials.add("agents_command::refuses_a_wrong_configuration", refuses_a_wrong_configuration);
    trials.add("agents_command::agrees_with_a_gateway", agrees_with_a_gateway);
}

/// Runs it with a `PATH` of one folder.
fn list(data: &Path, programs: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portway"));
    command.arg("agents").args(arguments).env_clear().env("PATH", programs).env("PORTWAY_DATA", data);
    command.envs(variables.iter().copied()).output().unwrap()
}

fn install(programs: &Path, name: &str) {
    std::fs::create_dir_all(programs).unwrap();
    std::os::unix::fs::symlink("/bin/sh", programs.join(name)).unwrap();
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn lists_what_is_there_and_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, programs) = (folder.path().join("data"), folder.path().join("programs"));
    install(&programs, "codex-acp");
    let text = stdout(&list(&data, &programs, &[], &[]));
    assert!(!data.exists(), "it changes nothing");
    let codex = text.lines().find(|line| line.starts_with("codex ")).unwrap();
    assert!(codex.contains("found") && codex.contains("codex-acp"), "{text}");
    assert!(text.contains("npm install -g @google/gemini-cli"), "{text}");
    assert!(text.contains("codex login"), "{text}");

    let secret = [("OPENAI_API_KEY", "sk-planted")];
    let json = stdout(&list(&data, &programs, &["--json"], &secret));
    assert!(!json.contains("sk-planted"), "{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["defaultAgent"], "demo");
    let offered: Vec<&str> = json["agents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|agent| agent["offered"] == true)
        .map(|agent| agent["name"].as_str().unwrap())
        .collect();
    assert_eq!(offered, ["demo", "codex"]);
}

async fn refuses_a_wrong_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("portway.toml"), "[agents.mine]\npass_env = [\"PORTWAY_KEY\"]\n").unwrap();
    let output = list(folder.path(), folder.path(), &[], &[]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("[agents.mine] command: expected") && stderr.contains("PORTWAY_KEY"), "{stderr}");
}

/// Configured agents are offered by a gateway too, presets among them.
async fn agrees_with_a_gateway() {
    let config = "default_agent = \"demo\"\n[agents.mine]\ncommand = [\"mine\"]\n[agents.codex]\npass_env = []\n";
    let gateway = Gateway::start(config).await;
    let offered = gateway.api().get("/api/agents").await.expect(200);
    let names: Vec<&str> =
        offered["agents"].as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap()).collect();
    for name in ["codex", "demo", "mine"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let programs = gateway.scratch().join("programs");
    let text = stdout(&list(&gateway.data(), &programs, &[], &[]));
    assert!(text.contains("[agents.codex].command") && text.contains("[agents.mine].command"), "{text}");
}
