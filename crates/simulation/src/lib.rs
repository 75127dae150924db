//! Runs the services, with the engine below them and the statements of the store on SQLite, in a simulated world where
//! everything follows from one seed: which task goes on next, how time passes, what fails, what people and agents do.
//! The same seed is the same run to the letter.
//!
//! [`run`] lets one world live: some minutes in which much fails, then a time in which nothing does. Two judges look on.
//! Whenever the database changed, what was acknowledged, said and answered outside is compared with what is kept; and
//! once nothing fails any more, everything has to come to its end.
//!
//! # Where what is
//!
//! * `world.rs`: a run from its beginning to its end; `plan.rs`: what a seed decides in advance.
//! * `executor.rs`: tasks and time. `driver.rs`, `pubsub.rs`, `sandboxes.rs`, `system.rs`: the ports.
//! * `node.rs`: a gateway as the host wires it; `fate.rs`: what happens to it.
//! * `runner.rs`, `outbox.rs`, `agent.rs`: what is in a sandbox; `link.rs`: the gateway's end of its connection.
//! * `people.rs`, `requests.rs`, `watcher.rs`: who uses the gateway. `children.rs`: sessions that open others.
//!   `deletion.rs`: sessions that are deleted. `reverts.rs`: prompts that are taken back. `objects.rs`: what
//!   people attach. `workspaces.rs`: what runners tell of files and git.
//! * `ledger.rs`: what was said. `oracle.rs`, `transcript.rs`: what must always be so. `liveness.rs`: what must become of
//!   everything.

mod agent;
mod children;
mod deletion;
mod driver;
mod executor;
mod fate;
mod in_flight;
mod ledger;
mod link;
mod liveness;
mod node;
mod objects;
mod oracle;
mod outbox;
mod people;
mod pipe;
mod plan;
mod pubsub;
mod random;
mod requests;
mod reverts;
mod runner;
mod sandboxes;
mod simulation;
mod system;
mod trace;
mod transcript;
mod watcher;
mod workspaces;
mod world;

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Where everything in it came from.
    pub seed: u64,
    /// Digest of all that happened, in order.
    pub digest: u64,
    /// What was wrong, if anything was.
    pub failure: Option<Failure>,
    /// All that happened, if that was wanted.
    pub trace: Vec<String>,
    /// How much time passed in the world.
    pub virtual_seconds: u64,
    /// How often a task went on, or time did.
    pub steps: u64,
    /// How often the database was written.
    pub writes: u64,
    /// How many prompts agents got.
    pub turns: u64,
    /// How often a node crashed.
    pub crashes: u64,
    /// How often it was acknowledged that a session is deleted.
    pub deletions: u64,
    /// How often an agent went back to before a prompt.
    pub reverts: u64,
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What.
    pub violation: String,
    /// What happened before it; the last part, unless all was wanted.
    pub trace: Vec<String>,
}

/// A world that could not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the world cannot begin: {0}")]
pub struct SetUpError(String);

/// Runs the world of a seed. With `is_traced` all that happened is kept, not only the last part.
///
/// # Errors
/// [`SetUpError`] when it could not begin; what goes wrong in it is in the [`Run`].
pub fn run(seed: u64, is_traced: bool) -> Result<Run, SetUpError> {
    world::run(seed, is_traced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_run_and_all_is_well_in_it() {
        let runs: Vec<Run> = (0..12).map(|seed| run(seed, false).unwrap()).collect();
        for first in &runs {
            assert_eq!(first.failure, None, "seed {}", first.seed);
            assert_eq!(*first, run(first.seed, false).unwrap());
        }
        assert!(runs.windows(2).all(|pair| pair[0].digest != pair[1].digest));
        assert!(runs.iter().map(|run| run.turns).sum::<u64>() > 50, "{runs:#?}");
        assert!(runs.iter().map(|run| run.crashes).sum::<u64>() > 0, "{runs:#?}");
        assert!(runs.iter().map(|run| run.deletions).sum::<u64>() > 0, "{runs:#?}");
        assert!(runs.iter().map(|run| run.reverts).sum::<u64>() > 0, "{runs:#?}");
    }
}
