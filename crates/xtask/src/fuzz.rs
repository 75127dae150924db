//! `cargo xtask fuzz`: every target of the crate `fuzz`, one after the other.

use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// See the crate `fuzz`.
const TARGETS: [&str; 4] = ["http", "frames", "text", "config"];

/// Builds the program and runs each target for that many seconds. Inputs that are findings are kept in `target/fuzz`.
pub(crate) fn run(workspace: &Workspace, seconds: u64) -> Result<(), Failure> {
    let mut build = process::cargo();
    process::run(build.current_dir(workspace.root()).args(["build", "--package", "portway-fuzz"]))?;
    for target in TARGETS {
        let mut fuzz = Command::new(workspace.target("debug/portway-fuzz"));
        fuzz.arg(target).args(["--seconds", &seconds.to_string()]).arg("--findings").arg(workspace.target("fuzz"));
        process::run(&mut fuzz)?;
    }
    Ok(())
}
