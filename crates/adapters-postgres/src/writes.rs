//! Writing: all steps or none, and an honest answer about which.

use std::sync::Arc;

use portway_sql::driver::{Expect, SqlError, Step, WriteOutcome};
use portway_sql::row::Row;

use crate::completion::{Completion, Panicked};
use crate::error::Failure;
use crate::options::PostgresOptions;
use crate::pools::Pool;
use crate::session::{Ran, Session};

/// How often a write is sent that was undone because of others.
const ATTEMPTS: usize = 4;

/// The writing half of a database.
pub(crate) struct Writes {
    pub(crate) pool: Pool,
}

/// Why a write has no outcome.
struct Failed {
    failure: Failure,
    /// Whether it may have been applied nevertheless.
    may_be_applied: bool,
}

impl Failed {
    fn undone(failure: Failure) -> Self {
        Self { failure, may_be_applied: false }
    }

    fn into_error(self) -> SqlError {
        if self.may_be_applied { self.failure.into_unknown() } else { self.failure.into_error() }
    }
}

/// Why the steps of a transaction stopped.
enum Stop {
    Conflict(usize),
    Failure(Failure),
}

impl Writes {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        Self { pool: Pool::new(options, options.writing()) }
    }

    pub(crate) async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        if steps.is_empty() {
            return Ok(WriteOutcome::Committed(Vec::new()));
        }
        let steps: Arc<[Step]> = steps.into();
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let failed = match self.attempt(&steps).await {
                Ok(outcome) => return Ok(outcome),
                Err(failed) => failed,
            };
            self.pool.learn(&failed.failure);
            if left == 0 || failed.may_be_applied || !failed.failure.is_worth_another_try() {
                return Err(failed.into_error());
            }
            tracing::debug!(failure = ?failed.failure, "a write was undone and is tried again");
        }
    }

    async fn attempt(&self, steps: &Arc<[Step]>) -> Result<WriteOutcome, Failed> {
        let session = self.pool.session().await;
        let mut session = session.map_err(|error| Failed::undone(Failure::Value(error)))?;
        let steps = steps.clone();
        let written = Completion::of(async move {
            let outcome = match &*steps {
                [only] => alone(&mut session, only).await,
                several => together(&mut session, several).await,
            };
            session.rest();
            outcome
        });
        written.await.unwrap_or_else(|Panicked| {
            let failure = Failure::Value(SqlError::Unknown("a write broke off".into()));
            Err(Failed { failure, may_be_applied: true })
        })
    }
}

/// One step needs no transaction: it commits by itself.
async fn alone(session: &mut Session, step: &Step) -> Result<WriteOutcome, Failed> {
    match session.alone(&step.statement).await {
        Ok(ran) if is_missed(step, &ran) => Ok(WriteOutcome::Conflict { step: 0 }),
        Ok(ran) => Ok(WriteOutcome::Committed(vec![ran.rows])),
        Err(alone) if alone.failure.is_conflict() => Ok(WriteOutcome::Conflict { step: 0 }),
        Err(alone) => Err(Failed { failure: alone.failure, may_be_applied: alone.may_be_applied }),
    }
}

async fn together(session: &mut Session, steps: &[Step]) -> Result<WriteOutcome, Failed> {
    session.begin().await.map_err(Failed::undone)?;
    let outcomes = match run(session, steps).await {
        Ok(outcomes) => outcomes,
        Err(stop) => {
            session.rollback().await;
            return match stop {
                Stop::Conflict(step) => Ok(WriteOutcome::Conflict { step }),
                Stop::Failure(failure) => Err(Failed::undone(failure)),
            };
        }
    };
    match session.commit().await {
        Ok(()) => Ok(WriteOutcome::Committed(outcomes)),
        // A reference that is only checked at the commit.
        Err(failure) if failure.is_conflict() => Ok(WriteOutcome::Conflict { step: steps.len().saturating_sub(1) }),
        Err(failure) => {
            let may_be_applied = matches!(failure, Failure::Lost { .. });
            Err(Failed { failure, may_be_applied })
        }
    }
}

async fn run(session: &mut Session, steps: &[Step]) -> Result<Vec<Vec<Row>>, Stop> {
    let mut rows = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        match session.step(&step.statement).await {
            Ok(ran) if is_missed(step, &ran) => return Err(Stop::Conflict(index)),
            Ok(ran) => rows.push(ran.rows),
            Err(failure) if failure.is_conflict() => return Err(Stop::Conflict(index)),
            Err(failure) => return Err(Stop::Failure(failure)),
        }
    }
    Ok(rows)
}

fn is_missed(step: &Step, ran: &Ran) -> bool {
    step.expect == Expect::Row && ran.affected == 0
}
