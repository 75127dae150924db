//! How often something that failed is tried again.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Waits between attempts to reach the gateway: doubling, with jitter so that a thousand runners do not come back
/// in the same instant.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, next: first }
    }

    /// How long to wait now: between half of the current step and all of it.
    pub(crate) fn wait(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.last);
        // The standard library seeds every hasher anew.
        let random = RandomState::new().hash_one(0_u8) % 1024;
        step / 2 + step / 2 * u32::try_from(random).unwrap_or(0) / 1024
    }

    /// An attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Restarts of an agent that died by itself: at most [`Restarts::MAX`] within [`Restarts::WINDOW`].
#[derive(Debug)]
pub(crate) struct Restarts {
    pause: Duration,
    recent: VecDeque<Instant>,
}

impl Restarts {
    const MAX: usize = 3;
    const WINDOW: Duration = Duration::from_secs(600);

    pub(crate) fn new(pause: Duration) -> Self {
        Self { pause, recent: VecDeque::new() }
    }

    /// How long to wait before the next start, or `None` when it died too often.
    pub(crate) fn allow(&mut self, now: Instant) -> Option<Duration> {
        while self.recent.pop_front_if(|start| now.duration_since(*start) >= Self::WINDOW).is_some() {}
        let wait = match self.recent.len() {
            0 => Duration::ZERO,
            1 => self.pause,
            n if n < Self::MAX => self.pause * 4,
            _ => return None,
        };
        self.recent.push_back(now);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_last_and_begin_anew() {
        let (first, last) = (Duration::from_millis(250), Duration::from_secs(5));
        let mut backoff = Backoff::new(first, last);
        for step in [250, 500, 1000, 2000, 4000, 5000, 5000] {
            let step = Duration::from_millis(step);
            let wait = backoff.wait();
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= first);
    }

    #[test]
    fn the_fourth_death_in_ten_minutes_is_one_too_many() {
        let start = Instant::now();
        let mut restarts = Restarts::new(Duration::from_secs(1));
        assert_eq!(restarts.allow(start), Some(Duration::ZERO));
        assert!(restarts.allow(start).is_some());
        assert!(restarts.allow(start + Duration::from_secs(1)).is_some());
        assert_eq!(restarts.allow(start + Duration::from_secs(599)), None);
        assert_eq!(restarts.allow(start + Duration::from_secs(602)), Some(Duration::ZERO));
    }
}
