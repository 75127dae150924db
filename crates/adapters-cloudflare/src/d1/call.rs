//! One statement as D1 takes it.

use std::borrow::Cow;

use portway_sql::driver::{SqlError, Statement};

use super::arguments::Argument;

/// How many arguments D1 takes for one statement.
pub(super) const MAX_ARGUMENTS: usize = 100;

/// How many bytes of text D1 takes for one statement.
const MAX_TEXT: usize = 100_000;

/// How many statements the driver puts into one batch, which D1 takes as one request with thirty seconds to run. A
/// batch cannot be cut without ceasing to be atomic.
const MAX_CALLS: usize = 10_000;

/// A statement with arguments that D1 can bind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call<'a> {
    /// SQL text.
    pub(crate) text: Cow<'a, str>,
    /// One argument for each placeholder, in their order.
    pub(crate) arguments: Vec<Argument<'a>>,
}

impl<'a> Call<'a> {
    /// The call for a statement.
    ///
    /// # Errors
    /// [`SqlError::Statement`] when it is beyond a limit of D1; [`SqlError::Rejected`] when an argument cannot be sent.
    pub(crate) fn of(statement: &'a Statement) -> Result<Self, SqlError> {
        let arguments = statement.args.iter().map(Argument::of).collect::<Result<_, _>>()?;
        Self::new(Cow::Borrowed(&*statement.text), arguments)
    }

    /// A call with arguments of the driver's own.
    ///
    /// # Errors
    /// [`SqlError::Statement`] when the statement is beyond a limit of D1.
    pub(crate) fn new(text: Cow<'a, str>, arguments: Vec<Argument<'a>>) -> Result<Self, SqlError> {
        if text.len() > MAX_TEXT {
            return Err(beyond(format!("the text of a statement has {} bytes", text.len()), MAX_TEXT));
        }
        if arguments.len() > MAX_ARGUMENTS {
            let found = format!("a statement has {} arguments", arguments.len());
            return Err(beyond(found, MAX_ARGUMENTS));
        }
        Ok(Self { text, arguments })
    }

    /// A call without arguments.
    pub(crate) fn plain(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), arguments: Vec::new() }
    }
}

/// Refuses a batch that is too long to be run.
pub(crate) fn check_length(calls: usize) -> Result<(), SqlError> {
    if calls > MAX_CALLS {
        return Err(SqlError::Statement(format!("a batch has {calls} statements, more than {MAX_CALLS}")));
    }
    Ok(())
}

fn beyond(found: String, limit: usize) -> SqlError {
    SqlError::Statement(format!("{found}, and D1 takes at most {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(bytes: usize, arguments: usize) -> Result<Call<'static>, SqlError> {
        Call::new("x".repeat(bytes).into(), vec![Argument::Null; arguments])
    }

    #[test]
    fn the_limits_of_d1_are_told_before_anything_is_sent() {
        assert!(call(MAX_TEXT, MAX_ARGUMENTS).is_ok());
        for (bytes, arguments, words) in
            [(MAX_TEXT + 1, 0, "100001 bytes"), (1, MAX_ARGUMENTS + 1, "101 arguments, and D1 takes at most 100")]
        {
            let error = call(bytes, arguments).unwrap_err();
            assert!(matches!(&error, SqlError::Statement(detail) if detail.contains(words)), "{error}");
        }
        assert!(check_length(MAX_CALLS).is_ok());
        assert!(matches!(check_length(MAX_CALLS + 1), Err(SqlError::Statement(_))));
    }
}
