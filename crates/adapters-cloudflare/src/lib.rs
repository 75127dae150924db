//! Adapters for Cloudflare Workers.
//!
//! * [`D1Database`] runs the statements of `portway-sql` on D1.
//!
//! What touches JavaScript exists on WebAssembly only. Everything else, such as the making of batches and the reading
//! of answers and errors, compiles everywhere and has its unit tests on the developer's machine. That all of it works
//! is proven inside workerd, by `cargo xtask worker test`.
//!
//! # Futures of JavaScript
//!
//! The ports ask for `Send` futures, and a promise is none. A Worker has one thread, so the wrapper that promises
//! `Send` all the same is sound there. It is used in one place, where a batch crosses over to JavaScript.

mod d1;
#[cfg(target_arch = "wasm32")]
mod panics;

pub use self::d1::D1Database;
#[cfg(target_arch = "wasm32")]
pub use self::panics::report_panics;
