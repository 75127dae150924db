//! Adapters for Cloudflare Workers.
//!
//! * [`D1Database`] runs the statements of `portway-sql` on D1.
//! * `R2Objects` keeps objects in a bucket.
//! * `WorkerClock`, `WorkerEntropy`, `WorkerSpawner` and `WorkerClient` are what the platform gives: time, randomness, tasks
//!   and outgoing requests.
//! * `ObjectPubSub` tells hints to the Durable Objects whose sockets are concerned, and `ObjectAlarm` wakes one up.
//! * `ObjectRateLimiter` counts requests in Durable Objects, of which each is a `CallerObject`.
//! * `WorkQueue` begins events for work that was ordered.
//! * `Keep` runs what one event of a Worker asks for, so that it goes on as a part of that event.
//!
//! What touches JavaScript exists on WebAssembly only. Everything else, such as the making of batches and the reading
//! of answers and errors, compiles everywhere and has its unit tests on the developer's machine. That all of it works
//! is proven inside workerd, by `cargo xtask worker test`.
//!
//! # Futures of JavaScript
//!
//! The ports ask for `Send` futures, and a promise is none. A Worker has one thread, so the wrapper that promises
//! `Send` all the same is sound there. It is used where something crosses over to JavaScript and nowhere else, which is in
//! this crate.

#[cfg(target_arch = "wasm32")]
mod alarm;
#[cfg(target_arch = "wasm32")]
mod clock;
mod d1;
#[cfg(target_arch = "wasm32")]
mod entropy;
#[cfg(target_arch = "wasm32")]
mod events;
#[cfg(target_arch = "wasm32")]
mod http_client;
#[cfg(target_arch = "wasm32")]
mod objects;
#[cfg(any(target_arch = "wasm32", test))]
mod outbox;
#[cfg(target_arch = "wasm32")]
mod panics;
#[cfg(target_arch = "wasm32")]
mod pubsub;
#[cfg(target_arch = "wasm32")]
mod r2;
#[cfg(any(target_arch = "wasm32", test))]
mod rates;
#[cfg(target_arch = "wasm32")]
mod timer;
#[cfg(target_arch = "wasm32")]
mod work_queue;

pub use self::d1::D1Database;

#[cfg(target_arch = "wasm32")]
pub use self::{
    alarm::ObjectAlarm,
    clock::WorkerClock,
    entropy::WorkerEntropy,
    events::{Keep, WorkerSpawner},
    http_client::WorkerClient,
    objects::{ObjectName, Objects},
    panics::report_panics,
    pubsub::{ObjectPubSub, PUBLISH, Said},
    r2::R2Objects,
    rates::{CallerObject, ObjectRateLimiter},
    work_queue::WorkQueue,
};
