//! What a runner reports, kept until the gateway has it for good.

use std::collections::VecDeque;

use portway_domain::engine::RunnerReport;

/// The outbox of a runner, by the rules of the crate `runner`.
#[derive(Default)]
pub(crate) struct Outbox {
    kept: VecDeque<(u64, RunnerReport)>,
    last: u64,
    ever_sent: u64,
    sent: u64,
}

impl Outbox {
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Numbers a report and answers its number. Text that follows unsent text of the same message and kind is joined with
    /// it.
    pub(crate) fn put(&mut self, report: RunnerReport) -> u64 {
        let newest = self.kept.back_mut().filter(|(number, _)| *number > self.ever_sent);
        if let Some((number, RunnerReport::Text { message, kind, delta })) = newest
            && let RunnerReport::Text { message: same, kind: of, delta: more } = &report
            && (same, of) == (&*message, &*kind)
        {
            delta.push_str(more);
            return *number;
        }
        self.last += 1;
        self.kept.push_back((self.last, report));
        self.last
    }

    pub(crate) fn next_unsent(&mut self) -> Option<(u64, RunnerReport)> {
        let sent = self.sent;
        let next = self.kept.iter().find(|(number, _)| *number > sent)?.clone();
        self.sent = next.0;
        self.ever_sent = self.ever_sent.max(next.0);
        Some(next)
    }

    /// Whether the gateway owes an acknowledgement.
    pub(crate) fn is_owed(&self) -> bool {
        self.kept.front().is_some_and(|(number, _)| *number <= self.sent)
    }

    pub(crate) fn acknowledge(&mut self, number: u64) {
        let number = number.min(self.ever_sent);
        while self.kept.pop_front_if(|(kept, _)| *kept <= number).is_some() {}
        self.sent = self.sent.max(number);
    }

    /// A connection begins and the gateway has everything up to `number`. Answers whether that can be.
    pub(crate) fn welcome(&mut self, number: u64) -> bool {
        if number > self.ever_sent {
            return false;
        }
        self.acknowledge(number);
        self.rewind();
        true
    }

    /// Everything that is kept is to be sent again.
    pub(crate) fn rewind(&mut self) {
        self.sent = self.kept.front().map_or(self.last, |(number, _)| number - 1);
    }
}
