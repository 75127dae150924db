//! All trials by name.

use std::sync::Arc;

use portway_adapters_cloudflare::{ObjectRateLimiter, R2Objects};
use portway_conformance::{Failure, Fixture, cases, object_cases, pubsub_cases, rate_cases};
use worker::Env;

use crate::backend::D1;
use crate::callers::CALLERS;
use crate::driver;
use crate::hints::ObjectNodes;

/// Goes before the names of the port suite, as on every other database.
const SUITE: &str = "d1::";

/// Goes before the names of the suite for objects.
const OBJECTS: &str = "r2::";

/// Goes before the names of the suites for hints and for rate limits.
const HINTS: &str = "durable_objects::";

/// Ends the name of a bucket, which begins with that of the trial's database.
const BUCKET: &str = "_OBJECTS";

/// Goes before the names of what the driver promises.
const DRIVER: &str = "driver::";

/// A trial that is not in the list: it breaks the module, to show what becomes of the request.
const PANIC: &str = "panic";

/// The names of all trials.
pub(crate) fn names() -> Vec<String> {
    let suite = cases().into_iter().map(|case| format!("{SUITE}{}", case.name));
    let objects = object_cases().into_iter().map(|case| format!("{OBJECTS}{}", case.name));
    let driver = driver::cases().into_iter().map(|case| format!("{DRIVER}{}", case.name));
    let hints = pubsub_cases().into_iter().map(|case| format!("{HINTS}{}", case.name));
    let rates = rate_cases().into_iter().map(|case| format!("{HINTS}{}", case.name));
    suite.chain(objects).chain(hints).chain(rates).chain(driver).collect()
}

/// Runs a trial on a database and a bucket that no other one has used.
pub(crate) async fn run(name: &str, env: Env, database: String) -> Result<(), Failure> {
    if let Some(name) = name.strip_prefix(OBJECTS) {
        let case = object_cases().into_iter().find(|case| case.name == name).ok_or_else(|| unknown(name))?;
        let bucket = env.bucket(&format!("{database}{BUCKET}")).map_err(Failure::new)?;
        return (case.run)(Arc::new(R2Objects::new(bucket))).await;
    }
    if let Some(name) = name.strip_prefix(HINTS) {
        if let Some(case) = rate_cases().into_iter().find(|case| case.name == name) {
            let callers = env.durable_object(CALLERS).map_err(Failure::new)?;
            return (case.run)(Arc::new(ObjectRateLimiter::new(callers, database))).await;
        }
        let case = pubsub_cases().into_iter().find(|case| case.name == name).ok_or_else(|| unknown(name))?;
        return (case.run)(Arc::new(ObjectNodes::new(env, database))).await;
    }
    let backend = D1::new(env, database);
    if let Some(name) = name.strip_prefix(SUITE) {
        let case = cases().into_iter().find(|case| case.name == name).ok_or_else(|| unknown(name))?;
        return (case.run)(Fixture::open(Arc::new(backend)).await?).await;
    }
    if let Some(name) = name.strip_prefix(DRIVER) {
        let case = driver::cases().into_iter().find(|case| case.name == name).ok_or_else(|| unknown(name))?;
        return (case.run)(backend).await;
    }
    if name == PANIC {
        break_down();
    }
    Err(unknown(name))
}

#[expect(clippy::panic, reason = "a test of what a panic does")]
fn break_down() {
    panic!("asked for by a test");
}

fn unknown(name: &str) -> Failure {
    Failure::new(format!("there is no trial {name}"))
}
