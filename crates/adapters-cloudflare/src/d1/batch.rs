//! A write as one batch, and what its answer means.

use portway_sql::driver::{Expect, SqlError, Statement, Step};
use portway_sql::row::Row;

use super::call::{Call, check_length};
use super::sql_text::Kind;
use super::texts::Texts;
use super::{guard, rows};

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
    /// The first call of the next step.
    end: usize,
}

impl<'a> Batch<'a> {
    /// The calls for all steps, each followed by what guards it.
    ///
    /// # Errors
    /// [`SqlError::Statement`] when a step is not one statement or a limit of D1 is exceeded, [`SqlError::Rejected`] when
    /// an argument cannot be sent.
    pub(crate) fn of(steps: &'a [Step], texts: &Texts) -> Result<Self, SqlError> {
        let mut batch = Self { calls: Vec::with_capacity(2 * steps.len()), places: Vec::with_capacity(steps.len()) };
        for (index, step) in steps.iter().enumerate() {
            batch.push(index, step, texts)?;
        }
        check_length(batch.calls.len())?;
        Ok(batch)
    }

    fn push(&mut self, index: usize, step: &'a Step, texts: &Texts) -> Result<(), SqlError> {
        let start = self.calls.len();
        let kind = texts.kind(&step.statement.text)?;
        let call = Call::of(&step.statement)?;
        let after = match (step.expect, kind) {
            (Expect::Any, _) => None,
            (Expect::Row, Kind::Change) => Some(guard::changed_or_fail(index)?),
            (Expect::Row, Kind::Query) => Some(guard::found_or_fail(index, &call)?),
        };
        self.calls.push(call);
        self.calls.extend(after);
        self.places.push(Place { start, end: self.calls.len() });
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

    /// The rows of each step, from the answer to all calls.
    ///
    /// # Errors
    /// [`SqlError::Unknown`] when the answer does not fit the calls: they were run, but what they did is not known.
    pub(crate) fn rows(&self, json: &str) -> Result<Vec<Vec<Row>>, SqlError> {
        let mut results = rows::parse(json).map_err(|error| SqlError::Unknown(error.to_string()))?;
        if results.len() != self.calls.len() {
            let text = format!("D1 answered {} of {} statements", results.len(), self.calls.len());
            return Err(SqlError::Unknown(text));
        }
        Ok(self.places.iter().map(|place| std::mem::take(&mut results[place.start])).collect())
    }
}

/// The calls for the statements of a read.
///
/// # Errors
/// [`SqlError::Statement`] when a statement may change something or a limit of D1 is exceeded, [`SqlError::Rejected`]
/// when an argument cannot be sent.
pub(crate) fn queries<'a>(statements: &'a [Statement], texts: &Texts) -> Result<Vec<Call<'a>>, SqlError> {
    check_length(statements.len())?;
    let query = |statement: &'a Statement| match texts.kind(&statement.text)? {
        Kind::Query => Call::of(statement),
        Kind::Change => Err(SqlError::Statement("a read cannot change the database".into())),
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
    fn each_step_is_guarded_as_it_needs() {
        let steps = steps();
        let batch = Batch::of(&steps, &Texts::default()).unwrap();
        assert_eq!(
            texts(batch.calls()),
            [
                "DELETE FROM t",
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
        let batch = Batch::of(&steps, &Texts::default()).unwrap();
        for (count, length) in [(0, 1), (1, 2), (2, 4), (3, 5), (4, 7)] {
            let calls = batch.rehearsal(count).unwrap();
            assert_eq!(calls.len(), length, "{count}");
            assert_eq!(calls.last(), Some(&guard::fail(count).unwrap()));
            assert_eq!(calls[..length - 1], batch.calls()[..length - 1]);
        }
    }

    #[test]
    fn the_answer_is_read_step_by_step() {
        let steps = steps();
        let batch = Batch::of(&steps, &Texts::default()).unwrap();
        let json = r#"[[],[["a"],[1],[1]],[["passed"],[1]],[["a"],[7]],[["b"],[8]],[["passed"],[1]]]"#;
        let rows = batch.rows(json).unwrap();
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [0, 2, 1, 1]);
        for json in ["[]", "[[],[]]", "{"] {
            assert!(matches!(batch.rows(json), Err(SqlError::Unknown(_))), "{json}");
        }
    }
}
