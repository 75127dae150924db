//! Which step of a refused batch it was.
//!
//! When a unique key is taken or a referenced row is missing, D1 says so without a hint at the statement. So the steps
//! are rehearsed: their first half, followed by a statement that undoes everything in any case. If that reaches its
//! end, the step is in the other half, and so on. No number of the schema is guessed at, and one step needs no rehearsal.

/// The steps that may be the one.
#[derive(Debug)]
pub(crate) struct Bisection {
    /// The first step that may be it. All before it went well.
    first: usize,
    /// The last step that may be it. It or one before it was refused.
    last: usize,
}

impl Bisection {
    /// A search in `count` steps, one of which was refused.
    pub(crate) fn of(count: usize) -> Self {
        Self { first: 0, last: count.saturating_sub(1) }
    }

    /// How many steps to rehearse next; `None` when the step is known.
    pub(crate) fn next(&self) -> Option<usize> {
        (self.first < self.last).then(|| usize::midpoint(self.first, self.last) + 1)
    }

    /// The first `count` steps went well.
    pub(crate) fn went_well(&mut self, count: usize) {
        self.first = self.first.max(count).min(self.last);
    }

    /// One of the first `count` steps was refused.
    pub(crate) fn was_refused(&mut self, count: usize) {
        self.last = self.last.min(count.saturating_sub(1)).max(self.first);
    }

    /// The step, once [`Bisection::next`] has no more to ask.
    pub(crate) fn step(&self) -> usize {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_found_in_few_rehearsals() {
        for count in 1..70_usize {
            for refused in 0..count {
                let mut search = Bisection::of(count);
                let mut rehearsals = 0;
                while let Some(prefix) = search.next() {
                    assert!(prefix < count, "the whole batch was refused already");
                    if refused < prefix {
                        search.was_refused(prefix)
                    } else {
                        search.went_well(prefix)
                    }
                    rehearsals += 1;
                }
                assert_eq!(search.step(), refused);
                assert!(rehearsals <= count.next_power_of_two().ilog2());
            }
        }
    }
}
