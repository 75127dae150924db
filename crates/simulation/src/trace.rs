//! What happened, for whoever looks for the reason of a failure, and its digest.

use std::collections::VecDeque;

/// Lines that are kept when not all are wanted.
const KEPT: usize = 120;

/// The steps of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    digest: u64,
    lines: VecDeque<String>,
    is_whole: bool,
}

impl Trace {
    pub(crate) fn new(is_whole: bool) -> Self {
        Self { digest: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new(), is_whole }
    }

    pub(crate) fn count(&mut self, number: u64) {
        self.mix(&number.to_le_bytes());
    }

    pub(crate) fn note(&mut self, at: u64, text: &str) {
        self.count(at);
        self.mix(text.as_bytes());
        if !self.is_whole && self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>12.6} {text}", std::time::Duration::from_micros(at).as_secs_f64()));
    }

    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
