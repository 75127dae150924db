//! Clock, entropy, tasks and the process sandbox.
//!
//! Everything here needs a tokio runtime with its time driver; [`ProcessSandboxes`] needs the I/O driver too.

mod clock;
mod entropy;
mod process_sandboxes;
mod spawner;

pub use clock::SystemClock;
pub use entropy::SystemEntropy;
pub use process_sandboxes::{OpenError, Orphan, ProcessSandboxOptions, ProcessSandboxes, Sighting, sightings};
pub use spawner::TokioSpawner;
