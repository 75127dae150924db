//! Clock, entropy, in-process publish/subscribe and the process sandbox.
//!
//! Everything here needs a tokio runtime with its time driver; [`ProcessSandboxes`] needs the I/O driver too.

mod clock;
mod entropy;
mod process_sandboxes;
mod pubsub;
mod spawner;

pub use clock::SystemClock;
pub use entropy::SystemEntropy;
pub use process_sandboxes::{OpenError, Orphan, ProcessSandboxOptions, ProcessSandboxes, Sighting, sightings};
pub use pubsub::LocalPubSub;
pub use spawner::TokioSpawner;
