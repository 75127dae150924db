//! The gateway as a Worker beside a plain one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{ESBUILD, GATEWAY, MINIFLARE, TOOLS, pipeline};
use crate::failure::Failure;
use crate::npm::Packages;
use crate::process;
use crate::workspace::Workspace;

/// What the plain Worker is written with.
const FRAMEWORK: Packages = Packages {
    name: "hono",
    manifests: "crates/bench/worker",
    folder: "worker-bench",
    files: &["node_modules/hono/dist/index.js"],
};

const PLAIN: &str = "crates/bench/worker/plain.ts";

const BENCH: &str = "crates/bench/worker/bench.mjs";

const DOCUMENT: &str = "docs/benchmarks-worker.md";

const ROUNDS: &str = "3";

const INTRODUCTION: &str = "# What requests cost on a Worker

Written by `cargo xtask worker bench`: the gateway as it is deployed, and beside it a plain Worker in TypeScript with Hono
that gives the same answers the straightforward way (`crates/bench/worker/plain.ts`): one query finds the caller, one does
what the route is for. Both run in one workerd on this machine, on one D1 database with a hundred sessions, and are asked in
turns, eight requests at once. What is shown is the processor time of workerd per request, with everything that it imitates
of the platform, such as the database; medians of three rounds of a thousand requests.

";

/// Measures both and writes the document.
pub(super) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let gateway = pipeline::build_small(workspace, &GATEWAY)?;
    let plain = bundle(workspace)?;
    let mut bench = Command::new("node");
    bench.current_dir(workspace.root()).arg(BENCH).arg(TOOLS.path(workspace, MINIFLARE));
    let table = process::output(bench.arg(gateway.folder).arg(plain).arg(ROUNDS))?;
    let document = workspace.root().join(DOCUMENT);
    fs::write(&document, format!("{INTRODUCTION}{table}")).map_err(Failure::file(&document))?;
    println!("{table}");
    Ok(())
}

/// Makes one script of the plain Worker.
fn bundle(workspace: &Workspace) -> Result<PathBuf, Failure> {
    FRAMEWORK.install(workspace)?;
    let script = workspace.target(FRAMEWORK.folder).join("plain.js");
    let mut esbuild = Command::new("node");
    esbuild.current_dir(workspace.root()).arg(TOOLS.path(workspace, ESBUILD)).arg(PLAIN);
    esbuild.env("NODE_PATH", workspace.target(FRAMEWORK.folder).join("node_modules"));
    esbuild.args(["--bundle", "--format=esm", "--minify", "--log-level=warning"]);
    process::run(esbuild.arg(format!("--outfile={}", script.display())))?;
    Ok(script)
}
