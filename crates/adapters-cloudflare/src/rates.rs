//! How often callers may call, counted for all instances together: each caller has a Durable Object of its own, which keeps
//! in memory what the caller has left.
//!
//! The object is put away when nobody asks it for a while, and what it kept is gone then. So it stays in memory until the
//! caller's buckets are full again.

mod caller;
#[cfg(target_arch = "wasm32")]
mod limiter;
mod message;
#[cfg(target_arch = "wasm32")]
mod object;

#[cfg(target_arch = "wasm32")]
pub use self::{limiter::ObjectRateLimiter, object::CallerObject};
