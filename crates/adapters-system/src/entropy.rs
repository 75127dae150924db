//! The operating system's randomness.

use portway_ports::system::Entropy;

/// Randomness of the operating system.
///
/// When the system fails to give any, the process logs that and aborts: a secret that can be guessed is worse than a
/// gateway that is down, and the port has no way to fail. Supported systems fail only where the call is forbidden, for
/// example by a seccomp filter, so this shows at the first start.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn draw(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        if let Err(error) = getrandom::fill(&mut bytes) {
            tracing::error!(%error, "the operating system gives no randomness; the process ends");
            std::process::abort();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ() {
        let draws: std::collections::HashSet<[u8; 32]> = (0..64).map(|_| SystemEntropy.draw()).collect();
        assert_eq!(draws.len(), 64);
        assert!(!draws.contains(&[0; 32]));
    }
}
