//! `git` in the workspace, asked as a program.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

/// Largest output that is read, in bytes.
const MAX_OUTPUT: u64 = 8 * 1024 * 1024;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why git did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// There is no program of that name, or it cannot be started.
    #[error("git cannot be started: {0}")]
    Start(#[source] io::Error),
    /// It said no; for example because the folder is in no repository.
    #[error("git {command} failed")]
    Refused { command: String },
    /// It went on for too long and was ended.
    #[error("git {command} took longer than {} s", PATIENCE.as_secs())]
    TimedOut { command: String },
    /// It said more than is read.
    #[error("git {command} said more than {MAX_OUTPUT} bytes")]
    TooLarge { command: String },
}

/// What git prints for `arguments` in `folder`, which it does not change: no lock is taken, nobody is asked for a
/// password, and neither a pager nor a program that the repository names is started.
pub(crate) async fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let command = || arguments.first().copied().unwrap_or_default().to_owned();
    let mut child = Command::new("git")
        .args(["--no-optional-locks", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", "--no-pager"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(GitError::Start)?;
    let Some(stdout) = child.stdout.take() else {
        return Err(GitError::Refused { command: command() });
    };
    let read = async {
        let mut output = Vec::new();
        stdout.take(MAX_OUTPUT + 1).read_to_end(&mut output).await.map_err(GitError::Start)?;
        if output.len() as u64 > MAX_OUTPUT {
            return Err(GitError::TooLarge { command: command() });
        }
        let status = child.wait().await.map_err(GitError::Start)?;
        if status.success() { Ok(output) } else { Err(GitError::Refused { command: command() }) }
    };
    timeout(PATIENCE, read).await.unwrap_or_else(|_| Err(GitError::TimedOut { command: command() }))
}
