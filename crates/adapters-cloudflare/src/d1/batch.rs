//! A write as one batch, and what its answer means.

use portway_sql::driver::{Expect, SqlError, Statement, Step, StepOutcome};
use portway_sql::row::Row;

use super::call::{Call, check_length};
use super::{guard, rows, sql_text};

/// The calls for some steps.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    calls: Vec<Call<'a>>,
    places: Vec<Place>,
}

/// Where the calls of one step are.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The call of the step itself.
    start: usize,
    /// Whether the next call counts what it changed. A query changes nothing.
    is_counted: bool,
    /// The first call of the next step.
    end: usize,
}

impl<'a> Batch<'a> {
    /// The calls for all steps, each followed by what counts its changes or guards it.
    ///
    /// # Errors
    /// [`SqlError::Statement`] when a limit of D1 is exceeded, [`SqlError::Rejected`] when an argument cannot be sent.
    pub(crate) fn of(steps: &'a [Step]) -> Result<Self, SqlError> {
        let mut batch = Self { calls: Vec::with_capacity(2 * steps.len()), places: Vec::with_capacity(steps.len()) };
        for (index, step) in steps.iter().enumerate() {
            batch.push(index, step)?;
        }
        check_length(batch.calls.len())?;
        Ok(batch)
    }

    fn push(&mut self, index: usize, step: &'a Step) -> Result<(), SqlError> {
        let start = self.calls.len();
        let call = Call::of(&step.statement)?;
        let is_counted = !sql_text::is_query(&call.text);
        let after = match step.expect {
            Expect::Any if is_counted => Some(guard::count()),
            Expect::Any => None,
            Expect::Row if is_counted => Some(guard::count_or_fail(index)?),
            Expect::Row => Some(guard::found_or_fail(index, &call)?),
        };
        self.calls.push(call);
        self.calls.extend(after);
        self.places.push(Place { start, is_counted, end: self.calls.len() });
        Ok(())
    }

    /// All calls.
    pub(crate) fn calls(&self) -> &[Call<'a>] {
        &self.calls
    }

    /// The calls of the first `count` steps and one that ends the batch: nothing of them is ever written.
    pub(crate) fn rehearsal(&self, count: usize) -> Result<Vec<Call<'a>>, SqlError> {
        let end = count.checked_sub(1).and_then(|last| self.places.get(last)).map_or(0, |place| place.end);
        let mut calls: Vec<_> = self.calls.iter().take(end).cloned().collect();
        calls.push(guard::fail(count)?);
        Ok(calls)
    }

    /// What each step did, from the answer to all calls.
    ///
    /// # Errors
    /// [`SqlError::Unknown`] when the answer does not fit the calls: they were run, but what they did is not known.
    pub(crate) fn outcomes(&self, json: &str) -> Result<Vec<StepOutcome>, SqlError> {
        let mut results = rows::parse(json).map_err(|error| SqlError::Unknown(error.to_string()))?;
        if results.len() != self.calls.len() {
            let text = format!("D1 answered {} of {} statements", results.len(), self.calls.len());
            return Err(SqlError::Unknown(text));
        }
        self.places.iter().map(|place| place.outcome(&mut results)).collect()
    }
}

impl Place {
    fn outcome(self, results: &mut [Vec<Row>]) -> Result<StepOutcome, SqlError> {
        let rows = results.get_mut(self.start).map(std::mem::take).unwrap_or_default();
        if !self.is_counted {
            let affected = rows.len() as u64;
            return Ok(StepOutcome { rows, affected });
        }
        let counted = results.get(self.start + 1).and_then(|rows| rows.first());
        let affected = counted
            .and_then(|row| row.get("affected").ok())
            .ok_or_else(|| SqlError::Unknown("D1 did not say how many rows a statement changed".into()))?;
        Ok(StepOutcome { rows, affected })
    }
}

/// The calls for the statements of a read.
///
/// # Errors
/// [`SqlError::Statement`] when a statement may change something or a limit of D1 is exceeded, [`SqlError::Rejected`]
/// when an argument cannot be sent.
pub(crate) fn queries(statements: &[Statement]) -> Result<Vec<Call<'_>>, SqlError> {
    check_length(statements.len())?;
    let query = |statement| {
        let call = Call::of(statement)?;
        if sql_text::is_query(&call.text) {
            Ok(call)
        } else {
            Err(SqlError::Statement("a read cannot change the database".into()))
        }
    };
    statements.iter().map(query).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &'static str) -> Statement {
        Statement { text: text.into(), args: vec![] }
    }

    fn texts(calls: &[Call<'_>]) -> Vec<String> {
        calls.iter().map(|call| call.text.chars().take(24).collect()).collect()
    }

    fn steps() -> Vec<Step> {
        vec![
            Step::new(statement("DELETE FROM t")),
            Step::guarded(statement("UPDATE t SET a = 1 RETURNING a")),
            Step::new(statement("SELECT a FROM t")),
            Step::guarded(statement("SELECT b FROM t")),
        ]
    }

    #[test]
    fn each_step_is_counted_and_guarded_as_it_needs() {
        let steps = steps();
        let batch = Batch::of(&steps).unwrap();
        assert_eq!(
            texts(batch.calls()),
            [
                "DELETE FROM t",
                "SELECT changes() AS affe",
                "UPDATE t SET a = 1 RETUR",
                "SELECT CASE changes() WH",
                "SELECT a FROM t",
                "SELECT b FROM t",
                "SELECT CASE WHEN EXISTS ",
            ]
        );
    }

    #[test]
    fn a_rehearsal_is_whole_steps_and_an_end() {
        let steps = steps();
        let batch = Batch::of(&steps).unwrap();
        for (count, length) in [(0, 1), (1, 3), (2, 5), (3, 6), (4, 8)] {
            let calls = batch.rehearsal(count).unwrap();
            assert_eq!(calls.len(), length, "{count}");
            assert_eq!(calls.last(), Some(&guard::fail(count).unwrap()));
            assert_eq!(calls[..length - 1], batch.calls()[..length - 1]);
        }
    }

    #[test]
    fn the_answer_is_read_step_by_step() {
        let steps = steps();
        let batch = Batch::of(&steps).unwrap();
        let json = r#"[[],[{"affected":3}],[{"a":1},{"a":1}],[{"affected":2}],[{"a":7}],[{"b":8}],[{"affected":1}]]"#;
        let outcomes = batch.outcomes(json).unwrap();
        let counts: Vec<_> = outcomes.iter().map(|outcome| (outcome.rows.len(), outcome.affected)).collect();
        assert_eq!(counts, [(0, 3), (2, 2), (1, 1), (1, 1)]);
        for json in ["[]", "[[],[],[],[],[],[],[]]", "{"] {
            assert!(matches!(batch.outcomes(json), Err(SqlError::Unknown(_))), "{json}");
        }
    }
}
