//! The port suite of rate limits within one process.
#![cfg(test)]

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use portway_conformance::{RateCase, rate_cases};
use portway_rate_limits::MemoryRateLimiter;

fn main() -> ExitCode {
    let trials = rate_cases().into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(case: RateCase) -> Trial {
    Trial::test(format!("local::{}", case.name), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
        runtime.block_on((case.run)(Arc::new(MemoryRateLimiter::new()))).map_err(Failed::from)
    })
}
