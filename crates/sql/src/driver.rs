//! The seam between the statements of this crate and a database.
//!
//! A driver takes data, never a closure: a write can be sent in one batch, repeated word for word, logged and compared
//! in a test. No transaction stays open while the program waits for something else.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;
use sea_query::Value;

use crate::dialect::Dialect;
use crate::row::Row;

/// One rendered statement with its arguments.
///
/// Its `Debug` form shows the text and the number of arguments, not their values: those may be secrets.
#[derive(Clone, PartialEq)]
pub struct Statement {
    /// SQL text with the placeholders of the dialect that rendered it.
    pub text: Cow<'static, str>,
    /// One value for each placeholder, in their order.
    pub args: Vec<Value>,
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement").field("text", &self.text).field("args", &self.args.len()).finish()
    }
}

/// How much a read may cost: decides on which thread an embedded database runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Key lookups and pages of at most 100 rows.
    Bounded,
    /// Searches and aggregates: anything whose time grows with the data.
    Unbounded,
}

/// Statements that see one snapshot of the database, in one round trip.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// What to ask, in order. Statements that would change something are refused.
    pub statements: Vec<Statement>,
    /// The most expensive of the statements decides.
    pub cost: Cost,
}

impl Read {
    /// Statements that are key lookups or pages of at most 100 rows.
    #[must_use]
    pub fn bounded(statements: Vec<Statement>) -> Self {
        Self { statements, cost: Cost::Bounded }
    }

    /// Statements of which at least one is a search or an aggregate.
    #[must_use]
    pub fn unbounded(statements: Vec<Statement>) -> Self {
        Self { statements, cost: Cost::Unbounded }
    }
}

/// What a step has to find for its write to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Any number of rows, none included.
    Any,
    /// At least one row. When no row is touched the whole write is undone and answered as a conflict.
    Row,
}

/// One statement of a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What to do.
    pub statement: Statement,
    /// When to give the whole write up.
    pub expect: Expect,
}

impl Step {
    /// A step that may touch any number of rows.
    #[must_use]
    pub fn new(statement: Statement) -> Self {
        Self { statement, expect: Expect::Any }
    }

    /// A step that has to touch a row: a version guard, or the existence of what is changed.
    #[must_use]
    pub fn guarded(statement: Statement) -> Self {
        Self { statement, expect: Expect::Row }
    }
}

/// How a write ended. A lost race is an outcome, never an error.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteOutcome {
    /// Everything is durable. For each step, in order, the rows of its `RETURNING` clause or query; none otherwise.
    Committed(Vec<Vec<Row>>),
    /// A guard matched nothing, a unique key is taken or a referenced row is gone: nothing was written.
    Conflict {
        /// Index of the step that failed, counted from zero.
        step: usize,
    },
}

/// Why a database could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// Certainly not applied, and may work later: busy, disk full, closed.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost while it committed: it may have been applied. Read back before trying again.
    #[error("the database did not say whether it committed: {0}")]
    Unknown(String),
    /// A check or a type of the schema refused a value, or a value cannot be stored: a bug or corrupt input. Not applied.
    #[error("the database refused a value: {0}")]
    Rejected(String),
    /// A stored value is not of the type that the program expects.
    #[error("corrupt value in {table}.{column}: {detail}")]
    Corrupt {
        /// Table, or `query result` when the row belongs to no table.
        table: &'static str,
        /// Column as the statement names it.
        column: String,
        /// What was expected and what was found, without the value.
        detail: String,
    },
    /// The statement is wrong: a programming mistake. Not applied.
    #[error("the statement is wrong: {0}")]
    Statement(String),
}

/// As many arguments as both SQLite and Postgres take.
const MOST_ARGUMENTS: usize = 32_766;

/// A database that runs the statements of this crate.
#[async_trait]
pub trait SqlDriver: Send + Sync {
    /// The dialect to render statements in.
    fn dialect(&self) -> Dialect;

    /// Most arguments of a statement.
    fn most_arguments(&self) -> usize {
        MOST_ARGUMENTS
    }

    /// Runs all statements against one snapshot and answers with one list of rows for each of them, in order.
    ///
    /// # Errors
    /// [`SqlError::Unavailable`] when it may work later, [`SqlError::Statement`] when a statement is wrong or would
    /// change something, [`SqlError::Rejected`] when an argument cannot be sent, [`SqlError::Corrupt`] when text is
    /// not UTF-8.
    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError>;

    /// Runs all steps in order and makes them durable: all of them or none.
    ///
    /// Dropping the future after its first poll does not take the write back: it may still be committed.
    ///
    /// # Errors
    /// Nothing was written, except after [`SqlError::Unknown`], where it may have been.
    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_arguments() {
        let statement = Statement { text: "SELECT 1 WHERE ? = 1".into(), args: vec!["secret".into()] };
        let shown = format!("{:?}", Step::guarded(statement));
        assert!(shown.contains("SELECT 1 WHERE"));
        assert!(!shown.contains("secret"));
    }
}
