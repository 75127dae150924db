//! The database as the store sees it.

use std::fmt;

use async_trait::async_trait;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Step, WriteOutcome};
use portway_sql::row::Row;

use super::batch::{Batch, queries};
use super::binding::Binding;
use super::bisection::Bisection;
use super::call::{Call, MAX_ARGUMENTS};
#[cfg(target_arch = "wasm32")]
use super::javascript::JavaScript;
use super::refusal::Refusal;
use super::rows;
use super::texts::Texts;

/// A D1 database of Cloudflare.
///
/// Every read and every write is one batch: one round trip, one transaction. A write that finds a unique key taken or
/// a referenced row missing needs a few more, because D1 does not say which step it was.
pub struct D1Database {
    binding: Box<dyn Binding>,
    texts: Texts,
}

impl fmt::Debug for D1Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("D1Database").finish_non_exhaustive()
    }
}

impl D1Database {
    /// The database behind a binding of the Worker.
    ///
    /// The schema is not touched: an administrator calls [`D1Database::migrate`] once, and a Worker looks at
    /// [`D1Database::pending_migrations`] before it serves.
    #[cfg(target_arch = "wasm32")]
    #[must_use]
    pub fn new(database: worker::D1Database) -> Self {
        Self { binding: Box::new(JavaScript::new(database)), texts: Texts::default() }
    }

    /// Runs calls as one batch and answers with the JSON of their rows.
    pub(super) async fn run(&self, calls: &[Call<'_>]) -> Result<String, Refusal> {
        self.binding.batch(calls).await.map_err(|message| Refusal::of(&message))
    }

    /// Finds the step of a batch that a key refused. Nothing is written meanwhile; should the other row go away, the
    /// answer is still a conflict that there was.
    async fn conflict(&self, batch: &Batch<'_>, steps: usize) -> Result<WriteOutcome, SqlError> {
        let mut search = Bisection::of(steps);
        while let Some(count) = search.next() {
            match self.run(&batch.rehearsal(count)?).await {
                Err(Refusal::Guard(step)) if step < count => return Ok(WriteOutcome::Conflict { step }),
                Err(Refusal::Guard(_)) => search.went_well(count),
                Err(Refusal::Key) => search.was_refused(count),
                Err(refusal) => return Err(refusal.into_read_error()),
                Ok(_) => return Err(SqlError::Statement("a rehearsal came to its end".into())),
            }
        }
        Ok(WriteOutcome::Conflict { step: search.step() })
    }
}

#[async_trait]
impl SqlDriver for D1Database {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn most_arguments(&self) -> usize {
        MAX_ARGUMENTS
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        // D1 refuses an empty batch.
        if read.statements.is_empty() {
            return Ok(Vec::new());
        }
        let calls = queries(&read.statements, &self.texts)?;
        let json = self.run(&calls).await.map_err(Refusal::into_read_error)?;
        let results = rows::parse(&json)?;
        if results.len() != calls.len() {
            return Err(SqlError::Unavailable(format!("D1 answered {} of {} queries", results.len(), calls.len())));
        }
        Ok(results)
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        if steps.is_empty() {
            return Ok(WriteOutcome::Committed(Vec::new()));
        }
        let batch = Batch::of(&steps, &self.texts)?;
        match self.run(batch.calls()).await {
            Ok(json) => Ok(WriteOutcome::Committed(batch.rows(&json)?)),
            Err(Refusal::Guard(step)) => Ok(WriteOutcome::Conflict { step }),
            Err(Refusal::Key) => self.conflict(&batch, steps.len()).await,
            Err(Refusal::KeyAtEnd) => Ok(WriteOutcome::Conflict { step: steps.len() - 1 }),
            Err(Refusal::Lost(text)) => Err(SqlError::Unknown(text)),
            Err(Refusal::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use futures_util::FutureExt;
    use portway_sql::driver::Statement;

    use super::*;

    const KEY: &str = "D1_ERROR: UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT";
    const GUARD_1: &str = "D1_ERROR: bad JSON path: 'guard:1': SQLITE_ERROR";
    const GUARD_2: &str = "D1_ERROR: bad JSON path: 'guard:2': SQLITE_ERROR";
    const LOST: &str = "D1_ERROR: Network connection lost.";

    /// A database that answers what it is told to.
    #[derive(Default)]
    struct Script {
        answers: Mutex<VecDeque<Result<&'static str, &'static str>>>,
        /// How many calls each batch had.
        lengths: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl Binding for Arc<Script> {
        async fn batch(&self, calls: &[Call<'_>]) -> Result<String, String> {
            self.lengths.lock().unwrap().push(calls.len());
            let answer = self.answers.lock().unwrap().pop_front().expect("one batch more than there are answers");
            answer.map(str::to_owned).map_err(str::to_owned)
        }
    }

    fn script<const N: usize>(answers: [Result<&'static str, &'static str>; N]) -> (D1Database, Arc<Script>) {
        let script = Arc::new(Script { answers: Mutex::new(answers.into()), ..Script::default() });
        (D1Database { binding: Box::new(script.clone()), texts: Texts::default() }, script)
    }

    fn inserts(count: usize) -> Vec<Step> {
        vec![Step::new(Statement { text: "INSERT INTO t (id) VALUES ('a')".into(), args: vec![] }); count]
    }

    fn write(database: &D1Database, steps: usize) -> Result<WriteOutcome, SqlError> {
        database.write(inserts(steps)).now_or_never().unwrap()
    }

    fn conflict(step: usize) -> Result<WriteOutcome, SqlError> {
        Ok(WriteOutcome::Conflict { step })
    }

    #[test]
    fn a_taken_key_is_found_by_rehearsing() {
        // One call for each step, and one that ends a rehearsal.
        let (database, script) = script([Err(KEY), Err(GUARD_2), Err(KEY)]);
        assert_eq!(write(&database, 4), conflict(2));
        assert_eq!(*script.lengths.lock().unwrap(), [4, 3, 4]);
    }

    #[test]
    fn one_step_needs_no_rehearsal() {
        let (database, _) = script([Err(KEY)]);
        assert_eq!(write(&database, 1), conflict(0));
    }

    #[test]
    fn a_guard_that_fails_in_a_rehearsal_is_the_conflict() {
        let (database, _) = script([Err(KEY), Err(GUARD_1)]);
        assert_eq!(write(&database, 4), conflict(1));
    }

    #[test]
    fn a_lost_answer_is_unknown_after_a_write_and_harmless_after_anything_else() {
        let (database, _) = script([Err(LOST)]);
        assert!(matches!(write(&database, 2), Err(SqlError::Unknown(_))));
        let (database, _) = script([Err(KEY), Err(LOST)]);
        assert!(matches!(write(&database, 2), Err(SqlError::Unavailable(_))));
        let (database, _) = script([Err(LOST)]);
        let one = Statement { text: "SELECT 1 AS one".into(), args: vec![] };
        let read = database.read(Read::bounded(vec![one])).now_or_never().unwrap();
        assert!(matches!(read, Err(SqlError::Unavailable(_))));
    }

    #[test]
    fn an_answer_that_cannot_be_read_says_nothing_about_the_write() {
        let (database, _) = script([Ok("[[],[]]"), Ok("{")]);
        assert!(matches!(write(&database, 1), Err(SqlError::Unknown(_))));
        assert!(matches!(write(&database, 1), Err(SqlError::Unknown(_))));
    }

    #[test]
    fn nothing_is_sent_when_there_is_nothing_to_do_or_it_is_refused() {
        let (database, script) = script([]);
        assert_eq!(write(&database, 0), Ok(WriteOutcome::Committed(vec![])));
        assert!(matches!(write(&database, 10_001), Err(SqlError::Statement(_))));
        assert_eq!(database.read(Read::bounded(vec![])).now_or_never().unwrap(), Ok(vec![]));
        let change = Statement { text: "DELETE FROM t".into(), args: vec![] };
        let read = database.read(Read::bounded(vec![change])).now_or_never().unwrap();
        assert!(matches!(read, Err(SqlError::Statement(_))));
        assert!(script.lengths.lock().unwrap().is_empty());
    }
}
