//! Numbering of the gateway's commands.

/// Knows which commands were taken over.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    last: u64,
}

/// What to do with a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turnout {
    /// It is the next one: take it over and acknowledge it.
    Next,
    /// It was taken over before: acknowledge again, do nothing.
    Seen,
    /// One before it is missing: say nothing, it will come again.
    Early,
}

impl Inbox {
    /// The last command that was taken over; 0 if none.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Judges the command of that number. [`Turnout::Next`] counts it as taken over.
    pub(crate) fn judge(&mut self, number: u64) -> Turnout {
        if number <= self.last {
            Turnout::Seen
        } else if number == self.last + 1 {
            self.last = number;
            Turnout::Next
        } else {
            Turnout::Early
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_once_and_in_order() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.judge(2), Turnout::Early);
        assert_eq!(inbox.judge(1), Turnout::Next);
        assert_eq!(inbox.judge(1), Turnout::Seen);
        assert_eq!(inbox.judge(2), Turnout::Next);
        assert_eq!(inbox.judge(0), Turnout::Seen);
        assert_eq!(inbox.judge(u64::MAX), Turnout::Early);
        assert_eq!(inbox.last(), 2);
    }
}
