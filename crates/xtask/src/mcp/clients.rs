//! Clients of others, over HTTP and with `portway mcp`.

use std::fs;
use std::process::{Command, Stdio};

use super::{INSPECTOR, NODE_TOOLS, PYTHON_TOOLS, SHIPPED, node};
use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::process;
use crate::workspace::Workspace;

/// The client of PyPI has a session with an agent.
const SESSION: &str = "crates/xtask/mcp/client.py";

/// It is asked for all that a gateway with fixtures asks for.
const ASKED: &str = "crates/xtask/mcp/asked.py";

/// Lets each of them use a gateway as people run it.
pub(super) fn use_it(workspace: &Workspace, gateway: &Gateway) -> Result<(), Failure> {
    python(workspace, gateway, SESSION)?;
    let (url, key) = (format!("{}/mcp", gateway.url()), gateway.key());
    let header = format!("Authorization: Bearer {key}");
    inspect(workspace, "over HTTP", &[&url, "--transport", "http", "--header", &header])?;
    let binary = workspace.target(SHIPPED);
    let variables = [format!("PORTWAY_SERVER={}", gateway.url()), format!("PORTWAY_KEY={key}")];
    let arguments = ["-e", &variables[0], "-e", &variables[1], &binary.to_string_lossy(), "mcp"];
    inspect(workspace, "on standard input", &arguments)
}

/// Has one asked by a gateway with fixtures.
pub(super) fn be_asked(workspace: &Workspace, gateway: &Gateway) -> Result<(), Failure> {
    python(workspace, gateway, ASKED)
}

fn python(workspace: &Workspace, gateway: &Gateway, script: &str) -> Result<(), Failure> {
    let mut python = Command::new(PYTHON_TOOLS.program(workspace, "python"));
    // Nothing is written beside the scripts.
    python.arg("-B").arg(workspace.root().join(script)).env("PORTWAY_BINARY", workspace.target(SHIPPED));
    process::run(gateway.introduce(&mut python))
}

/// Has the inspector look for faults in the tools of a server, and tells what it says last.
fn inspect(workspace: &Workspace, way: &str, server: &[&str]) -> Result<(), Failure> {
    let home = workspace.target("mcp/clients/home");
    fs::create_dir_all(&home).map_err(Failure::file(&home))?;
    let mut inspector = node(workspace);
    inspector.arg(NODE_TOOLS.path(workspace, INSPECTOR)).arg("--cli").args(server);
    inspector.args(["--method", "tools/list", "--strict"]).env("HOME", home).stdin(Stdio::null());
    let output = inspector.output().map_err(|source| Failure::Start { program: "node".to_owned(), source })?;
    let tools = String::from_utf8_lossy(&output.stdout).matches("\"inputSchema\"").count();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || tools == 0 {
        return Err(Failure::Environment(format!("the inspector {way} is not content: {said}")));
    }
    println!("Inspector {way}: {tools} tools. {}", said.trim().lines().next_back().unwrap_or_default());
    Ok(())
}
