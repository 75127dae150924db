//! Starts the process of a runner.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use portway_ports::sandboxes::{SandboxError, SandboxOrder};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use super::ProcessSandboxOptions;

/// What of the gateway's own environment a runner gets. Everything else may hold secrets of the gateway.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

/// Starts a runner in `workspace` that writes to `log`. It does nothing before [`release`] lets it. It leads a new process group, so signals that a terminal sends to the
/// gateway do not reach it, and it goes on when its handle is dropped.
pub(super) fn launch(
    options: &ProcessSandboxOptions,
    gateway_url: &str,
    order: &SandboxOrder,
    workspace: &Path,
    log: File,
) -> Result<Child, SandboxError> {
    let agent = serde_json::to_string(&order.agent)
        .map_err(|error| SandboxError::Refused(format!("the agent's command cannot be written as JSON: {error}")))?;
    let second = log.try_clone().map_err(|error| SandboxError::Unavailable(format!("the runner's log: {error}")))?;
    let url = format!("{}/api/sessions/{}/ws", gateway_url.trim_end_matches('/'), order.session);
    let mut command = Command::new(program(&options.runner));
    command
        .args(&options.runner_args)
        .env_clear()
        .envs(INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("PORTWAY_RUNNER_URL", url)
        .env("PORTWAY_RUNNER_TOKEN", order.token.reveal())
        .env("PORTWAY_RUNNER_GENERATION", order.generation.to_string())
        .env("PORTWAY_RUNNER_AGENT", agent)
        .env("PORTWAY_RUNNER_WORKSPACE", workspace)
        .env("PORTWAY_RUNNER_START", "stdin")
        .envs(order.agent_session.iter().map(|session| ("PORTWAY_RUNNER_AGENT_SESSION", session)))
        .current_dir(workspace)
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(second)
        .process_group(0)
        .kill_on_drop(false);
    command.spawn().map_err(|error| not_started(&options.runner, &error))
}

/// Lets a runner begin. One whose gateway dies before that ends at once, so nobody finds a runner at work that no run file
/// tells of.
pub(super) async fn release(gate: Option<ChildStdin>) {
    if let Some(mut gate) = gate {
        // A runner that is gone already is noticed by whoever waits for it.
        let _ = gate.write_all(b"\n").await;
    }
}

/// A path is made absolute, because the child's current folder is another one; a bare name is left to the search path.
fn program(runner: &Path) -> PathBuf {
    if runner.components().count() > 1 {
        std::path::absolute(runner).unwrap_or_else(|_| runner.to_owned())
    } else {
        runner.to_owned()
    }
}

fn not_started(runner: &Path, error: &io::Error) -> SandboxError {
    let text = format!("the runner {} cannot be started: {error}", runner.display());
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidInput => SandboxError::Refused(text),
        ErrorKind::ArgumentListTooLong => {
            SandboxError::Refused("the agent's command and environment are too long for this system".to_owned())
        }
        _ => SandboxError::Unavailable(text),
    }
}
