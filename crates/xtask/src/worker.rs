//! `cargo xtask worker`: compiles Workers, and runs the conformance suite in workerd.

mod pipeline;
mod versions;

use std::process::Command;

use clap::Subcommand;

use crate::failure::Failure;
use crate::npm::Packages;
use crate::process;
use crate::workspace::Workspace;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Compile the conformance suite as small as a Worker gets, and print how small that is
    Build,
    /// Run the conformance suite on D1 inside workerd
    Test {
        /// Only the trials whose names contain this
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

/// Folder of the crate that is the conformance suite as a Worker.
const CONFORMANCE: &str = "conformance-worker";

/// Runs the trials of that Worker.
const TRIALS: &str = "crates/conformance-worker/trials.mjs";

/// What the names of the port suite have and others have not.
const SUITE: &str = "d1::";

/// Does it, once all that it takes is installed.
pub(crate) fn run(workspace: &Workspace, action: &Action) -> Result<(), Failure> {
    install(workspace)?;
    match action {
        Action::Build => pipeline::build_small(workspace, CONFORMANCE),
        Action::Test { filter } => test(workspace, filter.as_deref()),
    }
}

/// Installs what builds and runs a Worker, unless it is there.
pub(crate) fn install(workspace: &Workspace) -> Result<(), Failure> {
    TOOLS.install(workspace).map(drop)
}

/// Runs the trials whose names contain the filter.
pub(crate) fn test(workspace: &Workspace, filter: Option<&str>) -> Result<(), Failure> {
    process::run(&mut trials(workspace, filter)?)
}

/// Runs the port suite, and answers whether all of it passed and what was printed.
pub(crate) fn suite(workspace: &Workspace) -> Result<(bool, String), Failure> {
    process::capture(&mut trials(workspace, Some(SUITE))?)
}

fn trials(workspace: &Workspace, filter: Option<&str>) -> Result<Command, Failure> {
    let worker = pipeline::build_fast(workspace, CONFORMANCE)?;
    let mut node = Command::new("node");
    node.current_dir(workspace.root()).arg(TRIALS).arg(TOOLS.path(workspace, MINIFLARE)).arg(worker).args(filter);
    Ok(node)
}
