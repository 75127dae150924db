//! How the program ends.

use std::process::ExitCode;

/// How a chat ended, for whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// As wanted.
    Done,
    /// The turn or the session failed, or the gateway refused something.
    Failed,
    /// The command line cannot be followed.
    Usage,
    /// No gateway answers.
    Unreachable,
    /// The gateway does not know the key, or there is none.
    BadKey,
}

impl Exit {
    /// The code for the shell.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::BadKey => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
