//! Reading: whatever is asked, in one round trip.

use std::sync::Arc;

use portway_sql::driver::{Read, SqlError, Statement};
use portway_sql::row::Row;

use crate::completion::{Completion, Panicked};
use crate::error::{Failure, changes_something};
use crate::fold::Folds;
use crate::options::PostgresOptions;
use crate::pools::Pool;
use crate::session::Session;

/// How often a read is sent that met a broken connection. The first one puts all that rest under suspicion.
const ATTEMPTS: usize = 3;

/// What a read begins with. The server refuses what these words lead to if it would change something.
const QUESTIONS: [&str; 5] = ["SELECT", "WITH", "VALUES", "SHOW", "EXPLAIN"];

/// The reading half of a database.
pub(crate) struct Reads {
    pub(crate) pool: Pool,
    folds: Arc<Folds>,
}

impl Reads {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        Self { pool: Pool::new(options, options.reading()), folds: Arc::default() }
    }

    pub(crate) async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        let statements: Arc<[Statement]> = read.statements.into();
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(only) = only(&statements)
            && !is_question(&only.text)
        {
            return Err(changes_something());
        }
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let failure = match self.attempt(&statements).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            self.pool.learn(&failure);
            if left == 0 || !failure.is_worth_another_try() {
                return Err(failure.into_read_error());
            }
        }
    }

    async fn attempt(&self, statements: &Arc<[Statement]>) -> Result<Vec<Vec<Row>>, Failure> {
        let mut session = self.pool.session().await.map_err(Failure::Value)?;
        let (folds, statements) = (self.folds.clone(), statements.clone());
        let asked = Completion::of(async move {
            let answer = ask(&mut session, &folds, &statements).await;
            session.rest();
            answer
        });
        asked.await.unwrap_or_else(|Panicked| Err(Failure::Value(SqlError::Unavailable("a read broke off".into()))))
    }
}

async fn ask(session: &mut Session, folds: &Folds, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Failure> {
    if let Some(only) = only(statements) {
        return Ok(vec![session.query(only).await?]);
    }
    let fold = folds.of(statements, session).await?;
    let args = statements.iter().flat_map(|statement| &statement.args);
    let answer = session.fetch(fold.text(), args).await?;
    fold.unfold(&answer).map_err(Failure::Value)
}

fn only(statements: &[Statement]) -> Option<&Statement> {
    match statements {
        [only] => Some(only),
        _ => None,
    }
}

fn is_question(text: &str) -> bool {
    let text = text.trim_start();
    let end = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
    QUESTIONS.iter().any(|word| word.eq_ignore_ascii_case(&text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_are_sent_to_readers() {
        for text in ["SELECT 1", " select\n1", "WITH a AS (SELECT 1) SELECT 1", "VALUES (1)", "EXPLAIN SELECT 1"] {
            assert!(is_question(text), "{text}");
        }
        for text in ["", "INSERT INTO t VALUES (1)", "BEGIN", "SET a = 1", "SELECTED", "-- SELECT", "(SELECT 1)"] {
            assert!(!is_question(text), "{text}");
        }
    }
}
