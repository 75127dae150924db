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

const ROUNDS: &str = "5";

const INTRODUCTION: &str = "# What requests cost on a Worker

Written by `cargo xtask worker bench`: the gateway as it is deployed, and beside it a plain Worker in TypeScript with Hono
that gives the same answers the straightforward way (`crates/bench/worker/plain.ts`): one query finds the caller, one does
what the route is for. Both run in one workerd on this machine, on one D1 database with a hundred sessions, and are asked in
turns, eight requests at once. What is shown is the processor time of workerd per request, with everything that it imitates
of the platform, such as the database; medians of five rounds of a thousand requests, after five that do not count.

";

const EXPLANATION: &str = "
Where Portway takes longer, and why, as profiles of workerd and variants of the Worker show it on one machine:

* **Every request** crosses into the module and back, which is all that the line of `health` shows: 70 to 100 µs more than in
  the plain Worker. 20 µs are the module's own; 13 µs are the guard that ends what is running when the module breaks down;
  the rest are promises, and the objects that workerd makes for whatever crosses. Headers and answers themselves cost
  nearly as much as there.
* **A list** just makes up for that: caller and list are one batch, where the plain Worker asks twice.
* **One session** is asked for in its Durable Object, because nobody else knows who has it open. Without that second stop it
  takes 0.85 of the plain Worker's time, and it would tell nothing of that.
* **An insert** asks the database as often as the plain Worker does, since a key is checked before anything is written. So
  nothing makes up for the crossing, which is longer here by a body, its validation, two batches and their answers: 80 µs are
  spent in the module, and about as much around it. The module is compiled for size. Compiled for speed it would have
  1.36 MB instead of 1.0 and save 20 µs here, and 80 µs of a list.

The ratio of an insert varies most between runs: four others gave 1.07, 1.19, 1.23 and 1.25. Those of a list were
between 0.98 and 1.01, and those of one session between 1.11 and 1.17.
";

/// Measures both and writes the document.
pub(super) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let gateway = pipeline::build_small(workspace, &GATEWAY)?;
    let plain = bundle(workspace)?;
    let mut bench = Command::new("node");
    bench.current_dir(workspace.root()).arg(BENCH).arg(TOOLS.path(workspace, MINIFLARE));
    let table = process::output(bench.arg(gateway.folder).arg(plain).arg(ROUNDS))?;
    let document = workspace.root().join(DOCUMENT);
    fs::write(&document, format!("{INTRODUCTION}{table}{EXPLANATION}")).map_err(Failure::file(&document))?;
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
