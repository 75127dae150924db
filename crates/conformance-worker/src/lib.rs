//! The conformance suite on Cloudflare D1, R2 and Durable Objects, as a Worker that is never deployed: `cargo xtask worker
//! test` runs it in workerd on the developer's machine. On other targets this crate is empty.
//!
//! `GET` answers the names of all trials. `POST` with the name of a trial and of a database that no other trial has
//! used runs it, and answers how it failed, or `null`. The bucket of a trial is called as its database, with `_OBJECTS`
//! behind it.
//!
//! The trials are the cases of the port suite, of those for objects, hints and rate limits, and besides them what the
//! driver promises and no port shows.

#[cfg(target_arch = "wasm32")]
mod backend;
#[cfg(target_arch = "wasm32")]
mod callers;
#[cfg(target_arch = "wasm32")]
mod driver;
#[cfg(target_arch = "wasm32")]
mod entry;
#[cfg(target_arch = "wasm32")]
mod hints;
#[cfg(target_arch = "wasm32")]
mod trials;
