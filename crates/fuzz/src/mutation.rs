//! Breaking inputs.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::corpus::Corpus;

/// Pieces that mean something to some parser.
const TOKENS: [&str; 36] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "-0",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\\",
    "%",
    "%00",
    "%ff",
    "%2f",
    "+",
    "&",
    "=",
    "?",
    "/",
    "..",
    "//",
    "\r\n",
    "\n",
    "Bearer ",
    "https://",
    "*.",
    "[::1]",
    "[[",
    "\u{1f980}",
    "type",
    "\"type\":\"prompt\"",
];

/// A generator (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn new_seed() -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_secs() ^ (u64::from(now.subsec_nanos()) << 32)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound; 0 where there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }
}

/// Breaks an input in one to eight places.
pub(crate) fn mutate(random: &mut Random, input: &mut Vec<u8>, corpus: &Corpus) {
    for _ in 0..1 << random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(24)).min(input.len());
        match random.below(9) {
            0 => input.truncate(at),
            1 => input.insert(at, u8::try_from(random.below(256)).unwrap_or(0)),
            2 => drop(input.drain(at..end)),
            3 => {
                let copied = input[at..end].to_vec();
                let times = random.below(40);
                input.splice(at..at, copied.repeat(times));
            }
            4 => {
                let other = corpus.choose(random);
                let from = random.below(other.len());
                let to = (from + random.below(64)).min(other.len());
                input.splice(at..end, other[from..to].to_vec());
            }
            5 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            6 => input[at..end].reverse(),
            _ => {
                let token = TOKENS[random.below(TOKENS.len())];
                input.splice(at..at, token.bytes());
            }
        }
    }
}
