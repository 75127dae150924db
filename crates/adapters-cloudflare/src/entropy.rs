//! The randomness of a Worker.

use portway_ports::system::Entropy;

/// The platform's cryptographic randomness. There is none outside of events, so nothing may draw while a Worker is loaded.
///
/// Without any, the instance ends: a secret that can be guessed is worse than a request that fails, and the port has no
/// way to fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorkerEntropy;

impl Entropy for WorkerEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter of the entropy port")]
    fn draw(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        if let Err(error) = getrandom::fill(&mut bytes) {
            tracing::error!(%error, "the platform gives no randomness; the instance ends");
            std::process::abort();
        }
        bytes
    }
}
