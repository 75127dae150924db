//! The gateway as a Cloudflare Worker: the same services and the same router as in the native host, on D1 and R2.
//!
//! `cargo xtask worker build` makes a Worker of it, and `docs/deploy-cloudflare.md` says how to deploy one. What touches
//! JavaScript exists on WebAssembly only; on other targets there is what the bindings of a Worker are read by.

pub mod peer;
pub mod routing;
pub mod settings;

#[cfg(target_arch = "wasm32")]
mod console;
#[cfg(target_arch = "wasm32")]
mod entry;
#[cfg(target_arch = "wasm32")]
mod forward;
#[cfg(target_arch = "wasm32")]
mod gateway;
#[cfg(target_arch = "wasm32")]
mod health;
#[cfg(target_arch = "wasm32")]
mod object;
#[cfg(target_arch = "wasm32")]
pub mod objects;
#[cfg(target_arch = "wasm32")]
mod sandboxes;
#[cfg(target_arch = "wasm32")]
mod sockets;
#[cfg(target_arch = "wasm32")]
mod transfer;
#[cfg(all(target_arch = "wasm32", feature = "trials"))]
mod trials;
#[cfg(target_arch = "wasm32")]
mod web;
