//! The program itself.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::gateway::{Stage, TOKEN, read, within};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portway-runner"));
    command.env_clear().stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A runner with an agent of that command.
fn start(stage: &Stage, command: &[&str]) -> Child {
    let agent = serde_json::json!({"command": command});
    program()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PORTWAY_RUNNER_URL", stage.url())
        .env("PORTWAY_RUNNER_TOKEN", TOKEN)
        .env("PORTWAY_RUNNER_GENERATION", "3")
        .env("PORTWAY_RUNNER_AGENT", agent.to_string())
        .env("PORTWAY_RUNNER_WORKSPACE", &stage.workspace)
        .spawn()
        .unwrap()
}

async fn terminate(mut runner: Child) {
    let pid = Pid::from_raw(i32::try_from(runner.id().unwrap()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    let status = within(runner.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn sigterm_ends_it_well() {
    let stage = Stage::new().await;
    let runner = start(&stage, &[env!("CARGO_BIN_EXE_portway-runner"), "demo-agent"]);
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    terminate(runner).await;
}

/// Waits until the agent has written a number to that file.
async fn number(stage: &Stage, name: &str) -> i32 {
    within(async {
        loop {
            match read(&stage.workspace, name).filter(|text| text.ends_with('\n')) {
                Some(text) => return text.trim().parse().unwrap(),
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_an_agent_leaves_behind_is_collected_and_ended() {
    // Both lose their parent at once, and have a session of their own.
    let script = r#"
setsid sh -c 'echo $$ > lasting.txt; exec sleep 1000' >/dev/null 2>&1 </dev/null &
setsid sh -c 'echo $$ > ending.txt; read -r line < gate' >/dev/null 2>&1 </dev/null &
"#;
    let stage = Stage::new().await;
    nix::unistd::mkfifo(&stage.workspace.join("gate"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let agent = format!("sh -c '{}'; exec sleep 1000", script.replace('\'', r"'\''"));
    let runner = start(&stage, &["sh", "-c", &agent]);
    let _gateway = stage.gateway().await;
    let (lasting, ending) = (number(&stage, "lasting.txt").await, number(&stage, "ending.txt").await);
    let exists = |pid: i32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    assert!(exists(lasting) && exists(ending));

    std::fs::write(stage.workspace.join("gate"), "go\n").unwrap();
    within(async {
        while exists(ending) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(exists(lasting), "nobody ends it as long as the runner lives");
    terminate(runner).await;
    assert!(!exists(lasting));
}

#[tokio::test]
async fn a_wrong_environment_is_explained() {
    let output = within(program().output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("PORTWAY_RUNNER_URL is not set"), "{text}");
}
