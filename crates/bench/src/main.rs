//! The driver of the benchmarks: starts the servers, asks them, and writes down what it cost. `cargo xtask bench` builds
//! and runs it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to its user on the terminal"
)]

mod cases;
mod client;
mod failure;
mod fan_out;
mod library;
mod load;
mod machine;
mod postgres;
mod report;
mod seed;
mod server;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::cases::{Effort, Group};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::postgres::Server;
use crate::world::World;

#[derive(Parser)]
struct Arguments {
    /// The binary `portway`.
    #[arg(long)]
    portway: PathBuf,
    /// The binary `floor`.
    #[arg(long)]
    floor: PathBuf,
    /// A folder for databases, on the disk that is to be measured.
    #[arg(long)]
    scratch: PathBuf,
    /// The address of a Postgres server, without which what concerns Postgres is left out. Databases are made in it.
    #[arg(long)]
    postgres: Option<String>,
    /// Where the document goes.
    #[arg(long)]
    report: PathBuf,
    /// Asks less: good for trying.
    #[arg(long)]
    quick: bool,
    /// Only these cases, and no document.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// A bar that is missed is a result, not an error.
async fn run(arguments: Arguments) -> Result<(), Failure> {
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    println!("filling the databases");
    let postgres = arguments.postgres.as_deref().map(Server::new).transpose()?;
    let world = World::make(arguments.portway, arguments.floor, &arguments.scratch, postgres).await?;
    let machine = Machine::look(world.folder())?;
    println!("asking");
    let groups = if arguments.only.is_empty() { Group::OF_THE_DOCUMENT } else { &arguments.only };
    let report = cases::run(&world, effort, groups).await?;
    if !arguments.only.is_empty() {
        println!("{}", report.tables());
        return Ok(());
    }
    let document = report.document(&machine, arguments.quick);
    std::fs::write(&arguments.report, &document).map_err(Failure::file(&arguments.report))?;
    println!("{document}");
    println!("{} figure(s) miss their bar; written to {}", report.missed(), arguments.report.display());
    Ok(())
}
