//! Random commands, the same on every backend.
//!
//! A seed gives a sequence of writes and reads over few users, sessions, jobs and memories, so that they meet each other:
//! most guards fail now and then, and what a command does depends on many before it. Backends are compared by what they
//! answer, line by line.

mod cast;
mod random;
mod reads;
mod writes;

use std::sync::Arc;

use portway_ports::Store;

use self::cast::Cast;
use self::random::Random;
use crate::failure::{Failure, Outcome};
use crate::fixture::Fixture;

/// Commands of a sequence.
const LENGTH: usize = 400;

/// The seed of the sequence that runs in every lane, and the digest of what each backend answers to it. Whoever changes
/// what the commands are, or how an answer is written, finds the new digest in the failures of all lanes.
const PINNED: (u64, u64) = (1, 0xa7cb_7221_ab7f_189a);

/// Runs the random commands of a seed on an empty store, and answers with a line for each: the command and what came of
/// it. Two backends that keep the promises of the ports answer the same.
///
/// # Errors
/// The first command that the store could not carry out: none of them gives it a reason.
pub async fn random_commands(store: &Arc<dyn Store>, seed: u64) -> Result<Vec<String>, Failure> {
    let mut cast = Cast::new(Random::new(seed));
    let mut lines = Vec::with_capacity(LENGTH);
    lines.extend(cast.enter(&**store).await?);
    for number in 0..LENGTH {
        let line = if cast.random.one_in(3) { cast.read(&**store).await } else { cast.write(&**store).await };
        lines.push(line.map_err(|error| Failure::new(format!("seed {seed}, command {number}: {error}")))?);
    }
    lines.extend(cast.read_all(&**store).await?);
    Ok(lines)
}

pub(crate) async fn random_commands_end_alike(f: Fixture) -> Outcome {
    let (seed, expected) = PINNED;
    let lines = random_commands(&f.store, seed).await?;
    let digest = digest(&lines);
    check_eq!(format!("{digest:#018x}"), format!("{expected:#018x}"), "of {} lines", lines.len());
    Ok(())
}

/// FNV-1a over all lines: two sequences that differ by accident do not have the same.
fn digest(lines: &[String]) -> u64 {
    let bytes = lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
