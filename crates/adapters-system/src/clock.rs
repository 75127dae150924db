//! The wall clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use portway_domain::time::Timestamp;
use portway_ports::system::Clock;

/// The machine's clock, which never goes backwards here: while the wall clock is behind the latest time that was told,
/// that time is told again. The memory lasts as long as the value.
#[derive(Debug)]
pub struct SystemClock {
    latest: AtomicI64,
}

impl SystemClock {
    /// A clock that has told no time yet.
    #[must_use]
    pub fn new() -> Self {
        Self { latest: AtomicI64::new(i64::MIN) }
    }

    fn never_before(&self, wall: i64) -> i64 {
        // Only the one number has to be consistent, so no ordering with other memory is needed.
        self.latest.fetch_max(wall, Ordering::Relaxed).max(wall)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.never_before(wall_micros()))
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

fn wall_micros() -> i64 {
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => micros(after),
        Err(before) => -micros(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_steps_back_is_waited_for() {
        let clock = SystemClock::new();
        let told: Vec<i64> = [-5, 10, 7, 9, 11].into_iter().map(|wall| clock.never_before(wall)).collect();
        assert_eq!(told, [-5, 10, 10, 10, 11]);
    }

    #[test]
    fn it_tells_the_time_of_the_machine() {
        let before = wall_micros();
        let now = SystemClock::new().now().as_micros();
        assert!((before..=wall_micros()).contains(&now));
    }

    #[tokio::test(start_paused = true)]
    async fn it_sleeps_as_long_as_it_is_told() {
        let start = tokio::time::Instant::now();
        SystemClock::new().sleep(Duration::from_secs(90)).await;
        assert!(start.elapsed() >= Duration::from_secs(90));
    }
}
