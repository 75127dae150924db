//! The clock of a Worker.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::time::Timestamp;
use portway_ports::system::Clock;
use worker::js_sys::Date;
use worker::send::IntoSendFuture;

use crate::timer::Timer;

/// The clock of a Worker. The platform tells whole milliseconds and stands still while a Worker computes, so every
/// telling is at least a microsecond after the one before: what one instance does in order has times in that order.
#[derive(Debug)]
pub struct WorkerClock {
    latest: AtomicI64,
}

impl WorkerClock {
    /// A clock that has told no time yet.
    #[must_use]
    pub fn new() -> Self {
        Self { latest: AtomicI64::new(i64::MIN) }
    }
}

impl Default for WorkerClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for WorkerClock {
    fn now(&self) -> Timestamp {
        let wall = (Date::now() as i64).saturating_mul(1_000);
        let now = wall.max(self.latest.load(Ordering::Relaxed).saturating_add(1));
        self.latest.store(now, Ordering::Relaxed);
        Timestamp::from_micros(now)
    }

    async fn sleep(&self, span: Duration) {
        Timer::new(span).into_send().await;
    }
}
