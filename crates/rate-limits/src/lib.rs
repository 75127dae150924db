//! Rate limits within one process.
//!
//! [`MemoryRateLimiter`] is all that a gateway needs which serves alone. An adapter that shares buckets with other
//! processes keeps one as well, for the time in which it cannot reach them.

mod memory;

pub use memory::MemoryRateLimiter;
