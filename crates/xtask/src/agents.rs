//! The agents that the end-to-end tests talk to, installed from npm at the versions of a committed lock file.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

const MANIFESTS: &str = "crates/host-node/tests/agents";
const LOCK: &str = "package-lock.json";
/// Copy of the lock file of what is installed, written last.
const INSTALLED: &str = "installed-lock.json";
const AGENT: &str = "node_modules/@agentclientprotocol/sdk/dist/examples/agent.js";

/// Installs the agents unless they are there, and returns the path of the ACP example agent.
pub(crate) fn install(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let folder = workspace.target("test-agents");
    let agent = folder.join(AGENT);
    let wanted = workspace.read(&format!("{MANIFESTS}/{LOCK}"))?;
    let is_installed = fs::read_to_string(folder.join(INSTALLED)).is_ok_and(|lock| lock == wanted);
    if is_installed && agent.is_file() {
        println!("already installed");
        return Ok(agent);
    }
    let manifest = workspace.read(&format!("{MANIFESTS}/package.json"))?;
    fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    for (name, text) in [("package.json", &manifest), (LOCK, &wanted)] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Failure::file(&path))?;
    }
    process::run(Command::new("node").arg("--version"))?;
    process::run(Command::new("npm").current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    if !agent.is_file() {
        return Err(Failure::Environment(format!("npm installed no {AGENT}")));
    }
    let stamp = folder.join(INSTALLED);
    fs::write(&stamp, wanted).map_err(Failure::file(&stamp))?;
    Ok(agent)
}
