//! Feeds broken input to every parser that is reached before anybody is asked who it is.
//!
//! Each target begins with the committed inputs of `corpus/<target>/` and breaks them in ever new ways. There is no
//! instrumentation of the code; instead a target tells the kind of each outcome (a status, the words of an error), and
//! inputs with an outcome that was not seen before are kept to be broken further. A panic, an internal error or a value
//! that does not survive being written and read again is a finding: the input is written to a file, and the program
//! ends with code 1. `--input FILE` runs one input again.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to its user on the terminal"
)]

mod corpus;
mod mutation;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::corpus::Corpus;
use crate::mutation::Random;
use crate::targets::{Name, Target};

/// Longest input, in bytes.
const MAX_BYTES: usize = 64 * 1024;

#[derive(Parser)]
#[command(name = "portway-fuzz", about = "Feeds broken input to every parser that strangers reach")]
struct Arguments {
    /// What to feed
    target: Name,
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed of the choices; a new one if left out
    #[arg(long)]
    seed: Option<u64>,
    /// Folder for inputs that are findings
    #[arg(long, default_value = ".")]
    findings: PathBuf,
    /// Run this input and nothing else
    #[arg(long)]
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Answers whether nothing was found.
fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let mut target = arguments.target.open()?;
    if let Some(path) = &arguments.input {
        return Ok(feed(&mut *target, &std::fs::read(path)?).inspect(|kind| println!("{kind}")).is_ok());
    }
    let mut corpus = Corpus::of(arguments.target.as_str())?;
    let seed = arguments.seed.unwrap_or_else(Random::new_seed);
    let mut random = Random::new(seed);
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut count = 0_u64;
    for input in corpus.take_committed() {
        let kind = feed(&mut *target, &input).map_err(|()| "a committed input is a finding")?;
        corpus.offer(input, kind);
    }
    while Instant::now() < end {
        let mut input = corpus.choose(&mut random).to_vec();
        mutation::mutate(&mut random, &mut input, &corpus);
        input.truncate(MAX_BYTES);
        count += 1;
        match feed(&mut *target, &input) {
            Ok(kind) => corpus.offer(input, kind),
            Err(()) => {
                let path = keep(&arguments.findings, arguments.target, &input)?;
                println!("{}: seed {seed}, input {count}, kept as {}", arguments.target.as_str(), path.display());
                return Ok(false);
            }
        }
    }
    println!(
        "{}: seed {seed}, {count} inputs, {} kinds of outcome, no finding",
        arguments.target.as_str(),
        corpus.len()
    );
    Ok(true)
}

/// Answers with the kind of the outcome; says what is wrong if something is.
fn feed(target: &mut dyn Target, input: &[u8]) -> Result<String, ()> {
    match catch_unwind(AssertUnwindSafe(|| target.feed(input))) {
        Ok(Ok(kind)) => Ok(kind),
        Ok(Err(finding)) => {
            println!("{finding}");
            Err(())
        }
        // The message was printed where it panicked.
        Err(_) => Err(()),
    }
}

fn keep(folder: &Path, target: Name, input: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let number = input.iter().fold(5381_u64, |hash, byte| hash.wrapping_mul(33) ^ u64::from(*byte));
    let path = folder.join(format!("{}-{number:016x}", target.as_str()));
    std::fs::write(&path, input)?;
    Ok(path)
}
