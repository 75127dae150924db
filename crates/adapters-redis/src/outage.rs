//! While the server is away it is asked once in a while, by one request.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nobody asks a server that was away.
const REST: Duration = Duration::from_secs(1);

/// Whether the server is away.
#[derive(Default)]
pub(crate) struct Outage {
    /// Until when nobody asks.
    rests_until: Mutex<Option<Instant>>,
}

impl Outage {
    /// Whether the caller may ask the server at `now`. Whoever may while it is away asks for all.
    pub(crate) fn may_ask(&self, now: Instant) -> bool {
        let mut rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *rests_until {
            Some(end) if now < end => false,
            Some(_) => {
                *rests_until = Some(now + REST);
                true
            }
            None => true,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The server did not answer at `now`. Answers whether that is news.
    pub(crate) fn begin(&self, now: Instant) -> bool {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner).replace(now + REST).is_none()
    }

    /// The server answered. Answers whether that is news.
    pub(crate) fn end(&self) -> bool {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// The same, with a line in the log for news.
    pub(crate) fn tell(&self, failure: Option<&dyn fmt::Display>) {
        match failure {
            Some(error) if self.begin(Instant::now()) => {
                tracing::warn!(%error, "Redis does not answer: each gateway limits callers by itself");
            }
            None if self.end() => tracing::info!("Redis answers again: gateways limit callers together"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asks_at_a_time_while_the_server_is_away() {
        let (outage, now) = (Outage::default(), Instant::now());
        assert!(outage.may_ask(now) && outage.may_ask(now));
        assert!(outage.begin(now), "it is news");
        assert!(!outage.begin(now), "it is none again");
        assert!(!outage.may_ask(now + REST - Duration::from_millis(1)));
        assert!(outage.may_ask(now + REST));
        assert!(!outage.may_ask(now + REST));
        assert!(outage.end(), "it is news");
        assert!(!outage.end() && outage.may_ask(now));
    }
}
