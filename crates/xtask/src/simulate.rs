//! `cargo xtask simulate`: worlds of the crate `simulation`.

use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::workspace::{CHECKED, Workspace};

/// How many seeds continuous integration runs; always the same ones, from 0.
pub(crate) const SEEDS: u64 = 2_000;

/// Which worlds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seeds {
    /// This one, with all that happens in it.
    One(u64),
    /// So many.
    Range {
        /// The first.
        from: u64,
        /// How many.
        count: u64,
    },
}

/// Builds the program and runs the worlds; a seed that fails is named.
pub(crate) fn run(workspace: &Workspace, seeds: Seeds) -> Result<(), Failure> {
    let mut build = process::cargo();
    build.current_dir(workspace.root()).args(["build", "--package", "portway-simulation", "--profile", CHECKED]);
    process::run(&mut build)?;
    let mut simulate = Command::new(workspace.target(&format!("{CHECKED}/simulate")));
    match seeds {
        Seeds::One(seed) => simulate.args(["--seed", &seed.to_string()]),
        Seeds::Range { from, count } => simulate.args(["--from", &from.to_string(), "--seeds", &count.to_string()]),
    };
    process::run(&mut simulate)
}
