//! The port suite on Postgres: each case is a test of its own, in a schema of its own. A case passes when its statements
//! also find what they want by an index.
#![cfg(test)]

mod backend;
mod nodes;
mod plans;
#[path = "../scratch/mod.rs"]
mod scratch;
mod sequences;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use portway_conformance::{Case, Failure, Fixture, PubSubCase, cases, pubsub_cases};

use crate::backend::Postgres;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        scratch::trial("plans::a_scan_and_a_sort_are_found", || block_on(plans::a_scan_and_a_sort_are_found())),
        scratch::trial("sequences::both_answer_the_same", || block_on(sequences::both_answer_the_same())),
    ];
    trials.extend(cases().into_iter().map(trial));
    trials.extend(pubsub_cases().into_iter().map(pubsub_trial));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(case: Case) -> Trial {
    scratch::trial(format!("postgres::{}", case.name), move || block_on(run(case)))
}

fn pubsub_trial(case: PubSubCase) -> Trial {
    scratch::trial(format!("postgres::{}", case.name), move || block_on(nodes::run(case)))
}

async fn run(case: Case) -> Result<(), Failure> {
    let backend = Arc::new(Postgres::create().await);
    (case.run)(Fixture::open(backend.clone()).await?).await?;
    backend.check_plans().await?;
    backend.remove().await;
    Ok(())
}

/// On two threads, so that races are real ones.
fn block_on(test: impl Future<Output = Result<(), Failure>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(test).map_err(Failed::from)
}
