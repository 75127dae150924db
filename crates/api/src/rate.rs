//! How much an operation costs, and how much of it callers may do.

use std::fmt;
use std::sync::Arc;

pub use portway_domain::rates::RateClass;
use portway_domain::rates::RateLimits;
use portway_ports::rates::RateLimiter;

/// Limits, and who counts.
#[derive(Clone)]
pub struct RateLimiting {
    /// The limits.
    pub limits: RateLimits,
    /// Keeps what callers have left.
    pub limiter: Arc<dyn RateLimiter>,
}

impl fmt::Debug for RateLimiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiting").field("limits", &self.limits).finish_non_exhaustive()
    }
}
