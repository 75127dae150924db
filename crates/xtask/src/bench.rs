//! `cargo xtask bench`: builds the gateway and the server it is held against, and measures both.

use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::test::test_server;
use crate::workspace::Workspace;

/// Where the results go.
const DOCUMENT: &str = "docs/benchmarks.md";

/// Builds with the release profile, measures and writes the document, unless only some cases are asked for.
pub(crate) fn run(workspace: &Workspace, quick: bool, only: Option<&str>) -> Result<(), Failure> {
    let mut build = process::cargo();
    build.current_dir(workspace.root()).args(["build", "--release", "--bins"]);
    process::run(build.args(["--package", "portway-host-node", "--package", "portway-bench"]))?;
    let mut driver = Command::new(workspace.target("release/portway-bench"));
    driver
        .current_dir(workspace.root())
        .arg("--portway")
        .arg(workspace.target("release/portway"))
        .arg("--floor")
        .arg(workspace.target("release/floor"))
        .arg("--scratch")
        .arg(workspace.target("bench"))
        .args(["--report", DOCUMENT]);
    // Without a server that part is left out, and the document says which cases there are.
    let server = test_server(false)?;
    if let Some(server) = &server {
        driver.args(["--postgres", server.url()]);
    }
    if quick {
        driver.arg("--quick");
    }
    if let Some(only) = only {
        driver.args(["--only", only]);
    }
    process::run(&mut driver)
}
