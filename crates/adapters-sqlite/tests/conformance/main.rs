//! The port suite on SQLite in memory and in a file: each case is a test of its own.
#![cfg(test)]

mod backends;
mod plans;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use portway_conformance::{Backend, Case, Fixture, cases};

use crate::backends::{File, Memory};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("plans::no_statement_scans_a_table", plans::no_statement_scans_a_table)];
    for case in cases() {
        trials.push(trial("file", case, File::create));
        if !case.durable {
            trials.push(trial("memory", case, Memory::default));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial<B: Backend + 'static>(kind: &str, case: Case, backend: fn() -> B) -> Trial {
    Trial::test(format!("{kind}::{}", case.name), move || run(case, Arc::new(backend())))
}

/// Runs a case on two threads, so that races are real ones.
fn run(case: Case, backend: Arc<dyn Backend>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let outcome = runtime.block_on(async { (case.run)(Fixture::open(backend).await?).await });
    outcome.map_err(Failed::from)
}
