//! Developer commands: `cargo xtask <command>`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to its user on the terminal"
)]

mod agents;
mod bench;
mod clippy_config;
mod conformance;
mod copies;
mod dependency_rule;
mod failure;
mod fuzz;
mod gateway;
mod manifests;
mod mcp;
mod npm;
mod openapi;
mod postgres;
mod process;
mod pypi;
mod redis;
mod server_process;
mod simulate;
mod test;
mod tidy;
mod wasm;
mod wasm_std;
mod worker;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer commands of Portway")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need, then run every check and every test; stops at the first failure
    Test {
        /// Leave out WebAssembly, documentation and the end-to-end tests
        #[arg(long)]
        fast: bool,
    },
    /// Run the port suite on every database and print what came of it
    Conformance,
    /// Compare the workspace with the dependency rule and the manifest rules
    CheckDeps,
    /// Compile the portable crates for wasm32-unknown-unknown, under the lints
    WasmCheck,
    /// Compile Workers, and run the conformance suite in workerd
    Worker {
        #[command(subcommand)]
        action: worker::Action,
    },
    /// Measure the gateway next to a bare server and write docs/benchmarks.md
    Bench {
        /// Ask less: good for trying
        #[arg(long)]
        quick: bool,
        /// Only these groups of cases, such as `inserts,sockets`; then no document is written
        #[arg(long)]
        only: Option<String>,
    },
    /// Copy a large database from SQLite to Postgres and back, and print time, memory and digests
    Copies {
        /// Rows of all tables together
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        /// Use the build of the tests: good for trying
        #[arg(long)]
        debug: bool,
    },
    /// Feed broken input to every parser that strangers reach
    Fuzz {
        /// How long for each target
        #[arg(long, env = "PORTWAY_FUZZ_SECONDS", default_value_t = 60)]
        seconds: u64,
    },
    /// Run the services in simulated worlds, in which everything follows from a seed
    Simulate {
        /// How many seeds
        #[arg(long, default_value_t = simulate::SEEDS, conflicts_with = "seed")]
        seeds: u64,
        /// The first of them
        #[arg(long, default_value_t = 0, conflicts_with = "seed")]
        from: u64,
        /// Only this seed, and print all that happens
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Lint the published description, compare it with a gateway, and run clients that are made of it
    Openapi,
    /// Run the conformance suite of the Model Context Protocol, and clients of others
    Mcp {
        /// Run the suite against the gateway in workerd
        #[arg(long)]
        worker: bool,
    },
    /// Check file sizes, code paths named in documents, and paths of one machine
    Tidy,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    let workspace = Workspace::load()?;
    match command {
        Command::Test { fast } => test::run(&workspace, *fast),
        Command::Conformance => conformance::run(&workspace),
        Command::CheckDeps => dependency_rule::run(&workspace),
        Command::WasmCheck => wasm::run(&workspace),
        Command::Worker { action } => worker::run(&workspace, action),
        Command::Bench { quick, only } => bench::run(&workspace, *quick, only.as_deref()),
        Command::Copies { rows, debug } => copies::run(&workspace, *rows, *debug),
        Command::Fuzz { seconds } => fuzz::run(&workspace, *seconds),
        Command::Simulate { seeds, from, seed } => {
            let range = simulate::Seeds::Range { from: *from, count: *seeds };
            simulate::run(&workspace, seed.map_or(range, simulate::Seeds::One))
        }
        Command::Openapi => openapi::run(&workspace),
        Command::Mcp { worker } => mcp::run(&workspace, *worker),
        Command::Tidy => tidy::run(&workspace),
    }
}
