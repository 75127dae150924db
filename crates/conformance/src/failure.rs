//! How a case fails.

use std::fmt;
use std::panic::Location;

use portway_ports::StoreError;

/// What was expected, what was found, and where in the suite.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure in the caller's words, with the caller's place.
    #[must_use]
    #[track_caller]
    pub fn new(text: impl fmt::Display) -> Self {
        let place = Location::caller();
        Self(format!("{}:{}: {text}", place.file(), place.line()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<StoreError> for Failure {
    #[track_caller]
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}

/// What every case answers.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Fails the case unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr $(,)?) => {
        if !$condition {
            return Err($crate::Failure::new(concat!("expected ", stringify!($condition))));
        }
    };
    ($condition:expr, $($detail:tt)+) => {
        if !$condition {
            return Err($crate::Failure::new(format!("{}: {}", stringify!($condition), format!($($detail)+))));
        }
    };
}

/// Fails the case unless both sides are equal.
#[macro_export]
macro_rules! check_eq {
    ($found:expr, $expected:expr $(,)?) => {
        $crate::check_eq!($found, $expected, "")
    };
    ($found:expr, $expected:expr, $($detail:tt)+) => {
        match (&$found, &$expected) {
            (found, expected) => {
                if *found != *expected {
                    let what = stringify!($found);
                    let detail = format!($($detail)+);
                    let text = format!("{what}\n  found    {found:?}\n  expected {expected:?}\n  {detail}");
                    return Err($crate::Failure::new(text.trim_end()));
                }
            }
        }
    };
}
