//! One connection while it is used.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::TryStreamExt;
use portway_sql::driver::{SqlError, Statement};
use portway_sql::row::{ColumnNames, Row};
use sea_query::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Column, Either, Executor, PgConnection, SqlSafeStr, SqlStr, Statement as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use crate::argument::{arguments, types};
use crate::cells;
use crate::error::Failure;
use crate::options::CACHED_STATEMENTS;
use crate::pools::Pool;

/// The one place where text becomes SQL: it comes from the builder of `portway-sql` and from constants of this crate.
pub(crate) fn trusted(text: impl Into<std::borrow::Cow<'static, str>>) -> SqlStr {
    AssertSqlSafe(text.into()).into_sql_str()
}

/// A connection, and the patience with the server at its other end.
pub(crate) struct Link {
    pub(crate) connection: PgConnection,
    pub(crate) born: std::time::Instant,
    patience: Duration,
    /// Wakes whoever waits when an earlier wait ran out, and is then set to the end of the present one: setting it for
    /// every statement costs more than to decode an answer.
    alarm: Pin<Box<Sleep>>,
    names: ColumnNames,
}

impl Link {
    pub(crate) fn new(connection: PgConnection, patience: Duration) -> Self {
        Self {
            connection,
            born: std::time::Instant::now(),
            patience,
            alarm: Box::pin(sleep(patience)),
            names: ColumnNames::new(CACHED_STATEMENTS),
        }
    }
}

/// Waits for the server, but not for ever.
async fn bounded<T>(
    alarm: &mut Pin<Box<Sleep>>,
    patience: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + patience;
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(result) = work.as_mut().poll(context) {
            return Poll::Ready(result.map_err(Failure::from));
        }
        loop {
            ready!(alarm.as_mut().poll(context));
            if Instant::now() >= deadline {
                return Poll::Ready(Err(Failure::silent()));
            }
            alarm.as_mut().reset(deadline);
        }
    })
    .await
}

/// A connection that is in use. [`Session::rest`] gives it back to its pool; one that is dropped instead, or whose state
/// is not known, is closed, and the server undoes what is open.
pub(crate) struct Session {
    link: Link,
    pool: Pool,
    /// Its place among the connections that there may be.
    slot: OwnedSemaphorePermit,
    /// Nothing is open: no answer is awaited, no transaction begun.
    at_rest: bool,
    in_transaction: bool,
}

/// What a statement did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The rows of its `RETURNING` clause or query; none otherwise.
    pub(crate) rows: Vec<Row>,
    /// How many rows it changed, or found if it is a query.
    pub(crate) affected: u64,
}

/// What became of a statement that was sent.
#[derive(Default)]
struct Answer {
    rows: Vec<PgRow>,
    affected: u64,
    /// The server said that it is done with it.
    complete: bool,
}

/// Why a statement by itself, which commits by itself, has no outcome.
#[derive(Debug)]
pub(crate) struct Alone {
    pub(crate) failure: Failure,
    /// Whether it may have been applied nevertheless.
    pub(crate) may_be_applied: bool,
}

impl Session {
    pub(crate) fn new(link: Link, pool: Pool, slot: OwnedSemaphorePermit) -> Self {
        Self { link, pool, slot, at_rest: true, in_transaction: false }
    }

    /// The end of the use.
    pub(crate) fn rest(self) {
        if self.at_rest {
            self.pool.give_back(self.link);
        }
        // Only now may somebody else have the place.
        drop(self.slot);
    }

    /// Notes whether the connection is at rest after an answer.
    fn settle<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.at_rest = !self.in_transaction
            && match &result {
                Ok(_) | Err(Failure::Value(_)) => true,
                Err(failure @ Failure::Refused { .. }) => !failure.is_stale(),
                Err(Failure::Lost { .. }) => false,
            };
        result
    }

    /// Sends a statement and reads its answer as far as it comes.
    async fn send<'a>(
        &mut self,
        text: SqlStr,
        args: impl IntoIterator<Item = &'a Value>,
        answer: &mut Answer,
    ) -> Result<(), Failure> {
        let query = sqlx::query_with(text, arguments(args).map_err(Failure::Value)?);
        self.at_rest = false;
        let Link { connection, patience, alarm, .. } = &mut self.link;
        let receive = async {
            let mut stream = connection.fetch_many(query);
            while let Some(part) = stream.try_next().await? {
                match part {
                    Either::Left(done) => {
                        answer.affected = done.rows_affected();
                        answer.complete = true;
                    }
                    Either::Right(row) => answer.rows.push(row),
                }
            }
            Ok(())
        };
        let result = bounded(alarm, *patience, receive).await;
        self.settle(result)
    }

    /// The rows of a statement.
    pub(crate) async fn fetch<'a>(
        &mut self,
        text: SqlStr,
        args: impl IntoIterator<Item = &'a Value>,
    ) -> Result<Vec<PgRow>, Failure> {
        let mut answer = Answer::default();
        self.send(text, args, &mut answer).await?;
        Ok(answer.rows)
    }

    /// The decoded rows of a statement.
    pub(crate) async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, Failure> {
        let rows = self.fetch(trusted(statement.text.clone()), &statement.args).await?;
        cells::rows_of(&mut self.link.names, &statement.text, &rows).map_err(Failure::Value)
    }

    fn ran(&mut self, statement: &Statement, answer: &Answer) -> Result<Ran, SqlError> {
        Ok(Ran {
            rows: cells::rows_of(&mut self.link.names, &statement.text, &answer.rows)?,
            affected: answer.affected,
        })
    }

    /// Runs a statement in the open transaction.
    pub(crate) async fn step(&mut self, statement: &Statement) -> Result<Ran, Failure> {
        let mut answer = Answer::default();
        self.send(trusted(statement.text.clone()), &statement.args, &mut answer).await?;
        self.ran(statement, &answer).map_err(Failure::Value)
    }

    /// Runs a statement that commits by itself.
    pub(crate) async fn alone(&mut self, statement: &Statement) -> Result<Ran, Alone> {
        let mut answer = Answer::default();
        match self.send(trusted(statement.text.clone()), &statement.args, &mut answer).await {
            Ok(()) => {
                let applied = |error| Alone { failure: Failure::Value(error), may_be_applied: true };
                self.ran(statement, &answer).map_err(applied)
            }
            Err(failure) => {
                let may_be_applied = failure.is_ambiguous(answer.complete);
                Err(Alone { failure, may_be_applied })
            }
        }
    }

    /// The names of the columns that a statement answers with. It is not run.
    pub(crate) async fn describe(&mut self, statement: &Statement) -> Result<Vec<String>, Failure> {
        let types = types(&statement.args).map_err(Failure::Value)?;
        self.at_rest = false;
        let Link { connection, patience, alarm, .. } = &mut self.link;
        let prepare = async {
            let prepared = connection.prepare_with(trusted(statement.text.clone()), &types).await?;
            Ok(prepared.columns().iter().map(|column| column.name().to_owned()).collect())
        };
        let result = bounded(alarm, *patience, prepare).await;
        self.settle(result)
    }

    /// Runs several statements in one text, without arguments. Waits as long as it takes.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), Failure> {
        self.at_rest = false;
        let result = sqlx::raw_sql(text).execute(&mut self.link.connection).await;
        self.settle(result.map(drop).map_err(Failure::from))
    }

    async fn control(&mut self, text: &'static str) -> Result<(), Failure> {
        self.at_rest = false;
        let Link { connection, patience, alarm, .. } = &mut self.link;
        let result = bounded(alarm, *patience, sqlx::raw_sql(text).execute(connection)).await;
        result.map(drop)
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        self.in_transaction = true;
        self.control("BEGIN").await
    }

    /// Begins a transaction that sees what was there when its first query came, and changes nothing.
    pub(crate) async fn begin_snapshot(&mut self) -> Result<(), Failure> {
        self.in_transaction = true;
        self.control("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// Makes the transaction durable.
    pub(crate) async fn commit(&mut self) -> Result<(), Failure> {
        let result = self.control("COMMIT").await;
        // A refusal has undone it.
        self.in_transaction = matches!(result, Err(Failure::Lost { .. }));
        self.settle(result)
    }

    /// Undoes the transaction. When that fails the connection is closed, which undoes it as well.
    pub(crate) async fn rollback(&mut self) {
        match self.control("ROLLBACK").await {
            Ok(()) => {
                self.in_transaction = false;
                self.at_rest = true;
            }
            Err(failure) => tracing::debug!(?failure, "a transaction ended with its connection"),
        }
    }
}
