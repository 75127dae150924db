//! `git` in the workspace, asked as a program.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::descendants::Awaited;

/// Largest output that is read, in bytes.
const MAX_OUTPUT: u64 = 8 * 1024 * 1024;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Settings that are laid over those of the repository.
const SETTINGS: [&str; 3] = ["core.quotePath=false", "core.fsmonitor=false", "core.hooksPath=/dev/null"];

/// Variables that would make git look elsewhere than in the folder.
const ELSEWHERE: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"];

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

/// What becomes of an output that is larger than what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Refused,
    Cut,
}

/// What git prints for `arguments` in `folder`, which it does not change: no lock is taken, nobody is asked for a
/// password, and neither a pager nor a program that the repository names is started.
pub(crate) async fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    run(folder, arguments, b"", Excess::Refused).await
}

/// As [`git`], with a little to read on its standard input. Some commands change the repository then.
pub(crate) async fn git_with_input(folder: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
    run(folder, arguments, input, Excess::Refused).await
}

/// As [`git`], but only the beginning where it prints more than is read.
pub(crate) async fn git_beginning(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    run(folder, arguments, b"", Excess::Cut).await
}

async fn run(folder: &Path, arguments: &[&str], input: &[u8], excess: Excess) -> Result<Vec<u8>, GitError> {
    let command = || arguments.first().copied().unwrap_or_default().to_owned();
    let mut child = spawn(folder, arguments)?;
    let _awaited = child.id().and_then(|id| i32::try_from(id).ok()).map(Awaited::new);
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(GitError::Refused { command: command() });
    };
    let read = async {
        // Whether git wanted it shows in what becomes of the command.
        let _ = stdin.write_all(input).await;
        drop(stdin);
        let mut output = Vec::new();
        stdout.take(MAX_OUTPUT + 1).read_to_end(&mut output).await.map_err(GitError::Start)?;
        if output.len() as u64 > MAX_OUTPUT {
            output.pop();
            return if excess == Excess::Cut { Ok(output) } else { Err(GitError::TooLarge { command: command() }) };
        }
        let status = child.wait().await.map_err(GitError::Start)?;
        if status.success() { Ok(output) } else { Err(GitError::Refused { command: command() }) }
    };
    timeout(PATIENCE, read).await.unwrap_or_else(|_| Err(GitError::TimedOut { command: command() }))
}

fn spawn(folder: &Path, arguments: &[&str]) -> Result<Child, GitError> {
    let mut git = Command::new("git");
    for variable in ELSEWHERE {
        git.env_remove(variable);
    }
    git.args(["--no-optional-locks", "--no-pager"])
        .args(SETTINGS.iter().flat_map(|setting| ["-c", setting]))
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(GitError::Start)
}

/// What git prints as text, whatever its bytes are.
pub(crate) fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// The one line that git prints.
pub(crate) fn line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end_matches('\n').to_owned()
}
