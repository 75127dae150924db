//! `cargo xtask worker`: compiles Workers, runs the gateway in workerd, and the tests of both.

mod bench;
mod deployment;
mod pipeline;
mod versions;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;

use self::pipeline::Source;
use crate::agents::Variables;
use crate::failure::Failure;
use crate::npm::Packages;
use crate::process;
use crate::test::{test_agents, test_command};
use crate::workspace::Workspace;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Compile the gateway as a Worker that can be deployed, and print how large it is
    Build,
    /// Run the gateway in workerd on this machine; variables that begin with PORTWAY_ are its settings
    Dev {
        /// Where it listens
        #[arg(long, default_value_t = 8787)]
        port: u16,
        /// Folder for everything that is kept
        #[arg(long, default_value = "portway-data/worker")]
        data: PathBuf,
    },
    /// Run the conformance suites on D1, R2 and Durable Objects inside workerd
    Test {
        /// Only the trials whose names contain this
        filter: Option<String>,
    },
    /// Compile the gateway as it is deployed, and do all of that with wrangler but the upload
    DeployCheck,
    /// Measure the gateway beside a plain Worker in the same workerd, and write docs/benchmarks-worker.md
    Bench,
    /// Run those end-to-end tests against the gateway in workerd that it can pass
    E2e {
        /// Only the tests whose names contain this
        filter: Option<String>,
    },
}

/// What runs a Worker on this machine.
const MINIFLARE: &str = "node_modules/miniflare/dist/src/index.js";

/// What makes one file of all scripts of a Worker.
const ESBUILD: &str = "node_modules/esbuild/bin/esbuild";

/// All that a Worker takes to be built and run.
const TOOLS: Packages = Packages {
    name: "workerd",
    manifests: "crates/xtask/worker/tools",
    folder: "worker-tools",
    files: &[ESBUILD, MINIFLARE],
};

/// The conformance suite as a Worker, which is never deployed.
const CONFORMANCE: Source =
    Source { folder: "conformance-worker", classes: &["Topics", "Callers"], most_bytes: u64::MAX, features: &[] };

/// The gateway as a Worker.
const GATEWAY: Source = Source {
    folder: "host-wasm",
    classes: &["SessionAgent", "EventBus", "RateLimiter"],
    most_bytes: 1_500_000,
    features: &[],
};

/// The same, which breaks down when it is asked to.
const FRAGILE_GATEWAY: Source = Source { features: &["trials"], ..GATEWAY };

/// The same with what the conformance suite of MCP asks for.
const MCP_GATEWAY: Source = Source { features: &["mcp-conformance"], ..GATEWAY };

/// Runs the gateway in workerd.
const SERVE: &str = "crates/host-wasm/serve.mjs";

/// Runs the trials of that Worker.
const TRIALS: &str = "crates/conformance-worker/trials.mjs";

/// What the names of the port suite have and others have not.
const SUITE: &str = "d1::";

/// Does it, once all that it takes is installed.
pub(crate) fn run(workspace: &Workspace, action: &Action) -> Result<(), Failure> {
    install(workspace)?;
    match action {
        Action::Build => check_size(workspace),
        Action::DeployCheck => {
            let worker = pipeline::build_small(workspace, &GATEWAY)?;
            deployment::check(workspace)?;
            worker.check_size()
        }
        Action::Dev { port, data } => dev(workspace, *port, data),
        Action::Test { filter } => test(workspace, filter.as_deref()),
        Action::Bench => bench::run(workspace),
        Action::E2e { filter } => end_to_end(workspace, filter.as_deref(), &test_agents(workspace)?),
    }
}

/// Installs what builds and runs a Worker, unless it is there.
pub(crate) fn install(workspace: &Workspace) -> Result<(), Failure> {
    TOOLS.install(workspace).map(drop)
}

/// Compiles the gateway as it is deployed, and fails unless it is small enough.
pub(crate) fn check_size(workspace: &Workspace) -> Result<(), Failure> {
    pipeline::build_small(workspace, &GATEWAY)?.check_size()
}

/// Runs the trials whose names contain the filter.
pub(crate) fn test(workspace: &Workspace, filter: Option<&str>) -> Result<(), Failure> {
    process::run(&mut trials(workspace, filter)?)
}

/// Runs the port suite, and answers whether all of it passed and what was printed.
pub(crate) fn suite(workspace: &Workspace) -> Result<(bool, String), Failure> {
    process::capture(&mut trials(workspace, Some(SUITE))?)
}

/// Compiles the gateway with what the conformance suite of MCP asks for, and answers with what serves it, but for where its
/// data is and the port.
pub(crate) fn mcp_gateway(workspace: &Workspace) -> Result<Command, Failure> {
    Ok(serve(workspace, &pipeline::build_for_tests(workspace, &MCP_GATEWAY)?))
}

/// Compiles the gateway quickly and serves it until it is stopped.
fn dev(workspace: &Workspace, port: u16, data: &Path) -> Result<(), Failure> {
    let worker = pipeline::build_fast(workspace, &GATEWAY)?;
    process::run(serve(workspace, &worker).arg(data).arg(port.to_string()))
}

fn serve(workspace: &Workspace, worker: &Path) -> Command {
    let mut node = Command::new("node");
    node.current_dir(workspace.root()).arg(SERVE).arg(TOOLS.path(workspace, MINIFLARE)).arg(worker);
    node
}

/// Runs the end-to-end tests with workerd in the place of the native host.
pub(crate) fn end_to_end(workspace: &Workspace, filter: Option<&str>, agents: &Variables) -> Result<(), Failure> {
    let worker = pipeline::build_for_tests(workspace, &FRAGILE_GATEWAY)?;
    let mut tests = test_command(workspace, agents);
    tests.args(["--test", "e2e", "--"]).args(filter).env("PORTWAY_TEST_HOST", "worker");
    tests.env("PORTWAY_TEST_WORKER", worker).env("PORTWAY_TEST_WORKER_SCRIPT", workspace.root().join(SERVE));
    process::run(tests.env("PORTWAY_TEST_MINIFLARE", TOOLS.path(workspace, MINIFLARE)))
}

fn trials(workspace: &Workspace, filter: Option<&str>) -> Result<Command, Failure> {
    let worker = pipeline::build_for_tests(workspace, &CONFORMANCE)?;
    let mut node = Command::new("node");
    node.current_dir(workspace.root()).arg(TRIALS).arg(TOOLS.path(workspace, MINIFLARE)).arg(worker).args(filter);
    Ok(node)
}
