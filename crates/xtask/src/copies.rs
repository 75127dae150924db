//! `cargo xtask copies`: copies a large database from SQLite to Postgres and back, and measures it.

use std::process::Command;

use crate::failure::Failure;
use crate::postgres::PostgresServer;
use crate::process;
use crate::workspace::Workspace;

/// Builds with the release profile, or what there is for tests, and measures.
pub(crate) fn run(workspace: &Workspace, rows: u64, debug: bool) -> Result<(), Failure> {
    let mut build = process::cargo();
    build.current_dir(workspace.root()).args(["build", "--bin", "portway", "--bin", "copies"]);
    build.args(["--package", "portway-host-node", "--package", "portway-bench"]);
    let folder = if debug { "debug" } else { "release" };
    if !debug {
        build.arg("--release");
    }
    process::run(&mut build)?;
    let server = PostgresServer::start(true)?;
    let mut driver = Command::new(workspace.target(&format!("{folder}/copies")));
    driver
        .current_dir(workspace.root())
        .arg("--portway")
        .arg(workspace.target(&format!("{folder}/portway")))
        .args(["--postgres", server.url()])
        .arg("--scratch")
        .arg(workspace.target("copies"))
        .args(["--rows", &rows.to_string()]);
    process::run(&mut driver)
}
