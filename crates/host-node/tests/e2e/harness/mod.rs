//! What the tests stand on: a gateway as a process, its HTTP API, and the sockets of its clients.

pub(crate) mod agents;
pub(crate) mod api;
pub(crate) mod backend;
pub(crate) mod bucket;
pub(crate) mod database;
pub(crate) mod gateway;
pub(crate) mod host;
pub(crate) mod mirror;
pub(crate) mod postgres;
pub(crate) mod processes;
pub(crate) mod random;
pub(crate) mod raw;
pub(crate) mod replacement;
pub(crate) mod session;
pub(crate) mod socket;

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at a condition that nobody announces.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until `look` finds something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
}
