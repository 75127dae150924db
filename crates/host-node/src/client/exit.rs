//! How programs end that talk to a gateway.

use std::process::ExitCode;

/// How it ended, for whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As wanted.
    Done,
    /// The gateway refused something or failed, or what was to come of it did.
    Failed,
    /// The command line cannot be followed.
    Usage,
    /// No gateway answers.
    Unreachable,
    /// The gateway does not know the key, or there is none.
    BadKey,
    /// What was asked about is not there for this key.
    NotFound,
}

impl Exit {
    /// The code for the shell.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::BadKey => 4,
            Self::NotFound => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
