//! How far a client may be behind.

use std::collections::VecDeque;

/// Most bytes that are on their way to a client without its acknowledgement.
pub(super) const WINDOW: u64 = 1024 * 1024;

/// After so many bytes that no `seq` came with, the client is asked to say that it has read so far.
const CHECKPOINT: u64 = WINDOW / 4;

/// Marks that are nearer together than this become one, so that their number is bounded.
const MARK_DISTANCE: u64 = 4 * 1024;

/// What was sent over a connection, and what of it was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Bytes that were sent.
    sent: u64,
    /// Bytes of them that the client has read for certain.
    acknowledged: u64,
    /// Counter of the newest change that the client said it has.
    acknowledged_seq: u64,
    /// Counter of the newest change that was marked.
    marked_seq: u64,
    /// Number of the last checkpoint.
    checkpoints: u64,
    /// What the client may acknowledge, oldest first.
    marks: VecDeque<Mark>,
}

/// A place in what was sent that the client can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    at: u64,
    name: Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Seq(u64),
    Checkpoint(u64),
}

impl Window {
    /// Of a client that has come to `seq` in an earlier connection, 0 for nowhere.
    pub(super) fn new(seq: u64) -> Self {
        Self { acknowledged_seq: seq, ..Self::default() }
    }

    /// Something was sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    /// What was sent until now is everything up to `seq`. Only the first time: an acknowledgement of that counter says
    /// nothing of what came later.
    pub(super) fn mark(&mut self, seq: u64) {
        if seq > self.marked_seq {
            self.marked_seq = seq;
            self.push(Name::Seq(seq));
        }
    }

    /// Number of a new checkpoint, if one is due; it counts as sent.
    pub(super) fn checkpoint(&mut self) -> Option<u64> {
        let last = self.marks.back().map_or(self.acknowledged, |mark| mark.at);
        (self.sent - last >= CHECKPOINT).then(|| {
            self.checkpoints += 1;
            self.push(Name::Checkpoint(self.checkpoints));
            self.checkpoints
        })
    }

    /// The client said how far it has come.
    pub(super) fn acknowledge(&mut self, seq: u64, checkpoint: Option<u64>) {
        let is_read = |mark: &Mark| match mark.name {
            Name::Seq(marked) => marked <= seq,
            Name::Checkpoint(number) => checkpoint.is_some_and(|read| number <= read),
        };
        let Some(last) = self.marks.iter().rposition(is_read) else {
            return;
        };
        for mark in self.marks.drain(..=last) {
            self.acknowledged = mark.at;
            if let Name::Seq(marked) = mark.name
                && marked <= seq
            {
                self.acknowledged_seq = marked;
            }
        }
    }

    /// Whether nothing more may be sent now.
    pub(super) fn is_full(&self) -> bool {
        self.unread() > WINDOW
    }

    /// Bytes that may not have been read.
    pub(super) fn unread(&self) -> u64 {
        self.sent - self.acknowledged
    }

    /// Where the client loses nothing when it resumes.
    pub(super) fn resume_from(&self) -> u64 {
        self.acknowledged_seq
    }

    fn push(&mut self, name: Name) {
        let mark = Mark { at: self.sent, name };
        let before = self.marks.iter().rev().nth(1).map_or(self.acknowledged, |mark| mark.at);
        match self.marks.back_mut() {
            Some(last) if self.sent - before < MARK_DISTANCE && last.is_replaced_by(name) => *last = mark,
            _ => self.marks.push_back(mark),
        }
    }
}

impl Mark {
    /// A checkpoint is asked for once, so its mark stays until it is acknowledged.
    fn is_replaced_by(&self, name: Name) -> bool {
        matches!((self.name, name), (Name::Seq(_), Name::Seq(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: u64) -> usize {
        usize::try_from(count).unwrap()
    }

    #[test]
    fn a_window_is_full_behind_what_was_acknowledged() {
        let mut window = Window::new(3);
        window.mark(5);
        window.sent(bytes(WINDOW));
        assert!(!window.is_full());
        window.mark(6);
        window.sent(1);
        assert!(window.is_full());
        assert_eq!(window.resume_from(), 3);
        window.acknowledge(5, None);
        assert!(window.is_full());
        assert_eq!(window.resume_from(), 5);
        window.acknowledge(6, None);
        assert!(!window.is_full());
        assert_eq!((window.resume_from(), window.unread()), (6, 1));
    }

    #[test]
    fn what_has_no_counter_is_acknowledged_by_checkpoints() {
        let mut window = Window::new(0);
        window.mark(5);
        window.acknowledge(5, None);
        for number in 1..=40 {
            window.sent(bytes(CHECKPOINT));
            assert_eq!(window.checkpoint(), Some(number));
            assert_eq!(window.checkpoint(), None);
            // The counter alone says nothing of it.
            window.acknowledge(5, None);
            assert_eq!(window.unread(), CHECKPOINT);
            window.acknowledge(5, Some(number));
            assert_eq!((window.unread(), window.resume_from()), (0, 5));
        }
    }

    #[test]
    fn old_and_invented_acknowledgements_do_no_harm() {
        let mut window = Window::new(0);
        window.sent(10);
        window.mark(7);
        window.acknowledge(6, Some(9));
        assert_eq!((window.unread(), window.resume_from()), (10, 0));
        window.acknowledge(u64::MAX, None);
        assert_eq!((window.unread(), window.resume_from()), (0, 7));
        window.acknowledge(1, None);
        assert_eq!(window.resume_from(), 7);
    }

    #[test]
    fn a_checkpoint_does_not_claim_what_was_not_handled() {
        let mut window = Window::new(0);
        window.sent(10);
        window.mark(7);
        window.sent(bytes(CHECKPOINT));
        let checkpoint = window.checkpoint();
        window.acknowledge(0, checkpoint);
        assert_eq!((window.unread(), window.resume_from()), (0, 0));
    }

    #[test]
    fn marks_are_few_however_small_the_changes_are() {
        let mut window = Window::new(0);
        let mut seq = 0;
        while !window.is_full() {
            seq += 1;
            window.sent(20);
            window.mark(seq);
            assert_eq!(window.checkpoint(), None);
        }
        assert!(window.marks.len() <= 2 * bytes(WINDOW / MARK_DISTANCE) + 2, "{}", window.marks.len());
        window.acknowledge(seq, None);
        assert_eq!(window.unread(), 0);
    }
}
