//! Events on their way to the gateway: numbering, keeping until acknowledged, sending again.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use portway_protocol::runner::{FromRunner, RunnerEvent};

/// Longest text that unsent deltas grow into.
const MAX_JOINED: usize = 64 * 1024;

/// What a kept event costs beyond its text.
const OVERHEAD: usize = 64;

/// Keeps every event until the gateway has it for good.
#[derive(Debug)]
pub(crate) struct Outbox {
    kept: VecDeque<Kept>,
    bytes: usize,
    limit: usize,
    /// Number of the newest event.
    last: u64,
    /// Number of the newest event that was ever given out; what is newer may still change.
    ever_sent: u64,
    /// Number of the newest event that was given out on this connection.
    sent: u64,
    /// Since when the gateway owes an acknowledgement.
    owed_since: Option<Instant>,
}

#[derive(Debug)]
struct Kept {
    frame: u64,
    event: RunnerEvent,
    bytes: usize,
}

/// The gateway knows of events that were never sent from here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway has event {theirs}, but this runner made only {ours}: another runner has this generation")]
pub(crate) struct Ahead {
    theirs: u64,
    ours: u64,
}

impl Outbox {
    /// Holds about `limit` bytes; see [`Outbox::has_room`].
    pub(crate) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, limit, last: 0, ever_sent: 0, sent: 0, owed_since: None }
    }

    /// Number of the newest event; 0 if there was none.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether a further event may be put in. The one that crosses the limit is still taken.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes < self.limit
    }

    /// Numbers the event and keeps it. Text that follows unsent text of the same kind is joined with it, so that
    /// an outage leaves few events behind.
    pub(crate) fn put(&mut self, event: RunnerEvent) {
        if self.join(&event) {
            return;
        }
        self.last += 1;
        let bytes = size(&event) + OVERHEAD;
        self.bytes += bytes;
        self.kept.push_back(Kept { frame: self.last, event, bytes });
    }

    /// Appends to the newest kept event if that is of the same kind and was never sent.
    fn join(&mut self, event: &RunnerEvent) -> bool {
        let Some(newest) = self.kept.back_mut().filter(|kept| kept.frame > self.ever_sent) else {
            return false;
        };
        let (text, more) = match (&mut newest.event, event) {
            (RunnerEvent::TextDelta { turn_id, delta }, RunnerEvent::TextDelta { turn_id: same, delta: more })
            | (
                RunnerEvent::ReasoningDelta { turn_id, delta },
                RunnerEvent::ReasoningDelta { turn_id: same, delta: more },
            ) if turn_id == same && delta.len() + more.len() <= MAX_JOINED => (delta, more),
            _ => return false,
        };
        text.push_str(more);
        newest.bytes += more.len();
        self.bytes += more.len();
        true
    }

    /// Whether something waits to be given out.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.last
    }

    /// The next frame to send.
    pub(crate) fn next_unsent(&mut self, now: Instant) -> Option<FromRunner> {
        let first = self.kept.front()?.frame;
        let index = (self.sent + 1).checked_sub(first)?;
        let kept = self.kept.get(usize::try_from(index).ok()?)?;
        self.sent = kept.frame;
        self.ever_sent = self.ever_sent.max(kept.frame);
        self.owed_since.get_or_insert(now);
        Some(FromRunner::Event { frame: kept.frame, event: kept.event.clone() })
    }

    /// The gateway has everything up to `frame`. Numbers that were never sent are not believed.
    pub(crate) fn acknowledge(&mut self, frame: u64, now: Instant) {
        let frame = frame.min(self.ever_sent);
        let before = self.kept.len();
        while let Some(kept) = self.kept.pop_front_if(|kept| kept.frame <= frame) {
            self.bytes = self.bytes.saturating_sub(kept.bytes);
        }
        self.sent = self.sent.max(frame);
        if self.kept.len() < before {
            let owed = self.kept.front().is_some_and(|kept| kept.frame <= self.sent);
            self.owed_since = owed.then_some(now);
        }
    }

    /// A connection begins and the gateway has everything up to `frame`: the rest is sent on it.
    ///
    /// # Errors
    /// The gateway has events that this runner never made.
    pub(crate) fn welcome(&mut self, frame: u64, now: Instant) -> Result<(), Ahead> {
        if frame > self.ever_sent {
            return Err(Ahead { theirs: frame, ours: self.ever_sent });
        }
        self.acknowledge(frame, now);
        self.rewind();
        Ok(())
    }

    /// Everything that is kept is to be sent again.
    pub(crate) fn rewind(&mut self) {
        self.sent = self.kept.front().map_or(self.last, |kept| kept.frame - 1);
        self.owed_since = None;
    }

    /// When to send again if no acknowledgement comes before, given how long one may take.
    pub(crate) fn resend_at(&self, patience: Duration) -> Option<Instant> {
        self.owed_since.map(|since| since + patience)
    }
}

/// Bytes of the event as JSON.
fn size(event: &RunnerEvent) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Neither the counter nor an event of ours can fail; a wrong count would only be a wrong bound.
    let _ = serde_json::to_writer(&mut counter, event);
    counter.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(delta: &str) -> RunnerEvent {
        RunnerEvent::TextDelta { turn_id: "m.1".into(), delta: delta.into() }
    }

    fn complete(id: &str) -> RunnerEvent {
        RunnerEvent::Complete { message_id: id.into() }
    }

    fn drain(outbox: &mut Outbox, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| outbox.next_unsent(now))
            .map(|frame| match frame {
                FromRunner::Event { frame, .. } => frame,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn numbers_have_no_gaps_and_survive_reconnects() {
        let now = Instant::now();
        let mut outbox = Outbox::new(10_000);
        for id in ["a", "b", "c"] {
            outbox.put(complete(id));
        }
        assert_eq!(drain(&mut outbox, now), [1, 2, 3]);
        assert!(!outbox.has_unsent());
        outbox.put(complete("d"));
        outbox.welcome(1, now).unwrap();
        assert!(outbox.has_unsent());
        assert_eq!(drain(&mut outbox, now), [2, 3, 4]);
        outbox.acknowledge(4, now);
        outbox.welcome(4, now).unwrap();
        assert_eq!(drain(&mut outbox, now), [0_u64; 0]);
        outbox.put(complete("e"));
        assert_eq!(drain(&mut outbox, now), [5]);
    }

    #[test]
    fn silence_leads_to_a_resend_and_progress_postpones_it() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut outbox = Outbox::new(10_000);
        outbox.put(complete("a"));
        assert_eq!(outbox.resend_at(second), None, "nothing was sent");
        outbox.put(complete("b"));
        drain(&mut outbox, start);
        assert_eq!(outbox.resend_at(second), Some(start + second));
        outbox.acknowledge(1, start + second / 2);
        assert_eq!(outbox.resend_at(second), Some(start + second / 2 + second), "b is still owed");
        outbox.acknowledge(1, start + second);
        assert_eq!(
            outbox.resend_at(second),
            Some(start + second / 2 + second),
            "an old acknowledgement is no progress"
        );
        outbox.rewind();
        assert_eq!(drain(&mut outbox, start), [2]);
        outbox.acknowledge(2, start);
        assert_eq!(outbox.resend_at(second), None);
    }

    #[test]
    fn room_ends_at_the_limit_and_comes_back() {
        let now = Instant::now();
        let mut outbox = Outbox::new(300);
        let mut put = 0;
        while outbox.has_room() {
            outbox.put(complete("x"));
            put += 1;
            assert!(put < 100);
        }
        drain(&mut outbox, now);
        outbox.acknowledge(put, now);
        assert!(outbox.has_room());
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn only_unsent_text_grows() {
        let now = Instant::now();
        let mut outbox = Outbox::new(10_000);
        outbox.put(text("a"));
        outbox.put(text("b"));
        assert_eq!(outbox.last(), 1);
        drain(&mut outbox, now);
        outbox.put(text("c"));
        assert_eq!(outbox.last(), 2, "the gateway may have `ab` already");
        outbox.welcome(0, now).unwrap();
        outbox.put(text("d"));
        outbox.put(complete("m"));
        outbox.put(text("e"));
        let frames: Vec<_> = std::iter::from_fn(|| outbox.next_unsent(now)).collect();
        let texts: Vec<_> = frames
            .iter()
            .filter_map(|frame| match frame {
                FromRunner::Event { event: RunnerEvent::TextDelta { delta, .. }, .. } => Some(delta.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(texts, ["ab", "cd", "e"]);
        outbox.acknowledge(4, now);
        assert_eq!(outbox.bytes, 0, "joined text is counted");
    }

    #[test]
    fn a_gateway_that_knows_more_is_refused() {
        let now = Instant::now();
        let mut outbox = Outbox::new(100);
        outbox.put(complete("a"));
        assert!(outbox.welcome(1, now).is_err(), "1 was never sent");
        outbox.acknowledge(9, now);
        assert_eq!(drain(&mut outbox, now), [1]);
    }
}
