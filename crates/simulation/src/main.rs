//! `simulate`: runs seeds, on all cores, and tells which of them went wrong.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to its user on the terminal"
)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use portway_simulation::{Run, SetUpError, run};

/// Failures that are shown; there may be many of the same kind.
const SHOWN: usize = 5;

#[derive(Parser)]
#[command(name = "simulate", about = "Runs the services in simulated worlds")]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 2_000, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// This seed only, with all that happens
    #[arg(long)]
    seed: Option<u64>,
    /// How many at once; as many as there are cores if left out
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.seed {
        Some(seed) => replay(seed),
        None => run_all(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs one seed and shows all of it.
fn replay(seed: u64) -> Result<bool, SetUpError> {
    let run = run(seed, true)?;
    for line in &run.trace {
        println!("{line}");
    }
    summarize(&run);
    Ok(run.failure.is_none())
}

fn summarize(run: &Run) {
    let Run { seed, digest, virtual_seconds, steps, writes, turns, crashes, .. } = run;
    println!(
        "seed {seed}: digest {digest:016x}, {virtual_seconds} s, {steps} steps, {writes} writes, {turns} turns, {crashes} crashes"
    );
    if let Some(failure) = &run.failure {
        println!("seed {seed} FAILED: {}", failure.violation);
    }
}

/// What came of many seeds.
#[derive(Default)]
struct Tally {
    failed: Vec<Run>,
    error: Option<SetUpError>,
    writes: u64,
    turns: u64,
    crashes: u64,
    virtual_seconds: u64,
    digest: u64,
}

/// Runs seeds on several threads, each world on one.
fn run_all(arguments: &Arguments) -> Result<bool, SetUpError> {
    let start = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from.saturating_add(arguments.seeds);
    let tally = Mutex::new(Tally::default());
    let jobs = arguments.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let run = run(seed, false);
                    tally.lock().unwrap_or_else(PoisonError::into_inner).add(run);
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = tally.error {
        return Err(error);
    }
    tally.failed.sort_by_key(|run| run.seed);
    show(&tally.failed);
    println!(
        "{} seeds in {:.1} s: {} failed; {} h of the worlds, {} writes, {} turns, {} crashes, digest {:016x}",
        arguments.seeds,
        start.elapsed().as_secs_f64(),
        tally.failed.len(),
        tally.virtual_seconds / 3_600,
        tally.writes,
        tally.turns,
        tally.crashes,
        tally.digest
    );
    Ok(tally.failed.is_empty())
}

fn show(failed: &[Run]) {
    for run in failed.iter().take(SHOWN) {
        for line in run.failure.iter().flat_map(|failure| &failure.trace) {
            println!("{line}");
        }
        summarize(run);
        println!("all of it: cargo xtask simulate --seed {}\n", run.seed);
    }
    for run in failed.iter().skip(SHOWN) {
        summarize(run);
    }
}

impl Tally {
    fn add(&mut self, run: Result<Run, SetUpError>) {
        match run {
            Ok(run) => {
                self.writes += run.writes;
                self.turns += run.turns;
                self.crashes += run.crashes;
                self.virtual_seconds += run.virtual_seconds;
                // In whichever order the seeds end.
                self.digest = self.digest.wrapping_add(run.digest);
                if run.failure.is_some() {
                    self.failed.push(run);
                }
            }
            Err(error) => self.error = Some(error),
        }
    }
}
