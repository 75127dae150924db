//! The program itself.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;

use crate::gateway::{Stage, TOKEN, within};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portway-runner"));
    command.env_clear().stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn sigterm_ends_it_well() {
    let stage = Stage::new().await;
    let agent = serde_json::json!({
        "command": [env!("CARGO_BIN_EXE_portway-runner"), "demo-agent"],
    });
    let mut runner = program()
        .env("PORTWAY_RUNNER_URL", stage.url())
        .env("PORTWAY_RUNNER_TOKEN", TOKEN)
        .env("PORTWAY_RUNNER_GENERATION", "3")
        .env("PORTWAY_RUNNER_AGENT", agent.to_string())
        .env("PORTWAY_RUNNER_WORKSPACE", &stage.workspace)
        .spawn()
        .unwrap();
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    let pid = Pid::from_raw(i32::try_from(runner.id().unwrap()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let status = within(runner.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_wrong_environment_is_explained() {
    let output = within(program().output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("PORTWAY_RUNNER_URL is not set"), "{text}");
}
