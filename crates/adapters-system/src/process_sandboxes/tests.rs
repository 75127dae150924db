//! With shell scripts in the place of runners.

mod ending;
mod recovery;
mod starting;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use portway_domain::ids::{SessionId, UserId};
use portway_domain::tokens::TokenSecret;
use portway_ports::sandboxes::{AgentCommand, SandboxOrder, SandboxRef};

use super::process::ProcessTable;
use super::{ProcessSandboxOptions, ProcessSandboxes};

/// Nothing here takes as long as this.
const LONG: Duration = Duration::from_secs(30);

/// A data folder, and sandboxes whose runner is a script.
struct Place {
    scratch: tempfile::TempDir,
    script: &'static str,
}

impl Place {
    /// The script begins in its workspace and must end by itself within a minute.
    fn new(script: &'static str) -> Self {
        Self { scratch: tempfile::tempdir().unwrap(), script }
    }

    fn options(&self) -> ProcessSandboxOptions {
        ProcessSandboxOptions {
            runner_args: vec!["-c".into(), self.script.into()],
            ..ProcessSandboxOptions::new(self.scratch.path(), "/bin/sh", "ws://127.0.0.1:1/")
        }
    }

    fn open(&self) -> ProcessSandboxes {
        ProcessSandboxes::open(self.options()).unwrap()
    }

    /// A file in the workspace of the session `s`.
    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join("workspaces/s").join(name)
    }

    /// The number that a script wrote to a file.
    async fn pid(&self, name: &str) -> i32 {
        self.until(|| fs::read_to_string(self.file(name)).ok()?.strip_suffix('\n')?.parse().ok()).await
    }

    async fn until<T>(&self, condition: impl FnMut() -> Option<T>) -> T {
        until(condition).await
    }

    fn run_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.scratch.path().join("run")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Waits for a condition that another process fulfils.
async fn until<T>(mut condition: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = condition() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, found).await.expect("it took too long")
}

fn session() -> SessionId {
    SessionId::parse("s").unwrap()
}

fn sandbox(generation: u32) -> SandboxRef {
    SandboxRef::new(session(), generation)
}

fn order(generation: u32) -> SandboxOrder {
    SandboxOrder {
        session: session(),
        owner: UserId::parse("u").unwrap(),
        generation,
        agent_name: "agent".to_owned(),
        agent: AgentCommand {
            command: vec!["agent".to_owned(), "--acp".to_owned()],
            env: BTreeMap::from([("KEY".to_owned(), "value".to_owned())]),
            auth_method: None,
            mode: None,
        },
        directory: None,
        token: TokenSecret::runner([1; 32]),
        key: None,
        agent_session: None,
        snapshot: None,
    }
}

/// Whether a process with this number runs.
fn runs(pid: i32) -> bool {
    ProcessTable::read().row(pid).is_some()
}
