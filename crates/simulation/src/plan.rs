//! What kind of world a seed makes, and how bad it is.

use std::time::Duration;

use portway_domain::engine::Timeouts;

use crate::random::Random;

/// How often things fail, out of a thousand. Each seed has faults of some kinds only, since where everything fails
/// little is reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// A call of the store fails before anything happens.
    pub(crate) unavailable: u64,
    /// The outcome of a write is not told.
    pub(crate) unknown: u64,
    /// A store answers late.
    pub(crate) slow: u64,
    /// A hint between nodes is lost, or comes late or twice.
    pub(crate) hints: u64,
    /// A request or its answer is lost.
    pub(crate) requests: u64,
    /// A call of the object store fails, before anything happens or without an answer.
    pub(crate) objects: u64,
    /// A sandbox cannot be started or stopped, or only late.
    pub(crate) starts: u64,
    /// An agent hangs, or disobeys an abort.
    pub(crate) hangs: u64,
    /// The connection of a runner breaks, at each frame.
    pub(crate) cuts: u64,
    /// Milliseconds between blows of fate: crashes, outages, deaths of sandboxes. None if 0.
    pub(crate) blows: u64,
}

/// A world.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) people: u64,
    pub(crate) sessions: usize,
    pub(crate) max_children: u32,
    pub(crate) watchers: u64,
    /// Whether somebody answers what is still asked after the storm, or it expires.
    pub(crate) answers_all: bool,
    /// How long things fail.
    pub(crate) storm: Duration,
    pub(crate) timeouts: Timeouts,
    pub(crate) idle_seconds: u32,
    /// Milliseconds between the actions of a person at the most.
    pub(crate) rest: u64,
    /// How far the clocks of nodes are apart at the most, in milliseconds.
    pub(crate) skew: u64,
    pub(crate) faults: Faults,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let seconds = |random: &mut Random, least, most| Duration::from_secs(least + random.below(most - least + 1));
        Self {
            nodes: 1 + random.place(3),
            people: 1 + random.below(3),
            sessions: 1 + random.place(3),
            max_children: 1 + u32::try_from(random.below(3)).unwrap_or(0),
            watchers: 1 + random.below(2),
            answers_all: random.chance(850),
            storm: seconds(random, 15, 50),
            timeouts: Timeouts {
                start: seconds(random, 10, 60),
                ready: seconds(random, 20, 60),
                reconnect: seconds(random, 5, 20),
                abort: seconds(random, 3, 10),
                silence: seconds(random, 15, 40),
                idle: None,
                hibernate: seconds(random, 10, 40),
                collect: seconds(random, 1, 3),
            },
            idle_seconds: 10 + u32::try_from(random.below(90)).unwrap_or(0),
            rest: 500 + random.below(4_000),
            skew: random.below(2_000),
            faults: Faults::draw(random),
        }
    }
}

impl Faults {
    fn draw(random: &mut Random) -> Self {
        let between = 2_000 + random.below(12_000);
        let mut some = |most: u64| if random.chance(600) { 1 + random.below(most) } else { 0 };
        Self {
            unavailable: some(20),
            unknown: some(30),
            slow: some(50),
            hints: some(200),
            requests: some(80),
            objects: some(60),
            starts: some(150),
            hangs: some(60),
            cuts: some(15),
            blows: some(1) * between,
        }
    }
}
