//! Sandboxes that a backend on another machine runs, over HTTP.
//!
//! [`HttpSandboxes`] speaks the contract of sandbox backends: six calls, each a POST of JSON. `portway sandbox serve` is
//! such a backend. Requests are sent by an [`HttpClient`] of the host, so that the crate compiles to WebAssembly.

mod answer;
mod client;
mod contract;
mod sandboxes;
#[cfg(test)]
mod tests;
mod url;

pub use client::{HttpAnswer, HttpClient, HttpError, HttpRequest};
pub use sandboxes::{HttpSandboxOptions, HttpSandboxes};
pub use url::{BackendUrl, InvalidUrl, RunnerUrl};
