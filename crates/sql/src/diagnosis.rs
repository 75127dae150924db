//! Statements over all sessions and jobs, whoever owns them.

use portway_domain::engine::Engine;
use portway_domain::ids::{JobId, SessionId};
use portway_domain::sessions::SessionStatus;
use portway_domain::time::Timestamp;
use portway_ports::diagnosis::{PendingJob, Waiting};
use sea_query::{Expr, ExprTrait, Order, Query};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement};
use crate::json_text::JsonText;
use crate::record::{Record, record};
use crate::row::Row;

record! {
    struct StateRow in "engines" {
        state: JsonText<Engine>,
    }
}

record! {
    struct PendingJobRow in "jobs" {
        id: JobId,
        kind: String,
        attempts: u32,
        run_at: Timestamp,
        lease_until: Option<Timestamp>,
        last_error: Option<String>,
    }
}

impl From<PendingJobRow> for PendingJob {
    fn from(row: PendingJobRow) -> Self {
        let PendingJobRow { id, kind, attempts, run_at, lease_until, last_error } = row;
        Self { id, kind, attempts, run_at, lease_until, last_error }
    }
}

/// How many sessions each status has, as `status` and `sessions`.
pub(crate) fn count_sessions(dialect: Dialect) -> Statement {
    let select = Query::select()
        .column("status")
        .expr_as(Expr::col("id").count(), "sessions")
        .from("sessions")
        .group_by_col("status")
        .order_by("status", Order::Asc)
        .take();
    dialect.statement(&select)
}

/// The counts in the answer to [`count_sessions`].
pub(crate) fn decode_counts(rows: &[Row]) -> Result<Vec<(SessionStatus, u64)>, SqlError> {
    rows.iter().map(|row| Ok((row.get("status")?, row.get("sessions")?))).collect()
}

/// The states of engines that have a sandbox or wait for one, by session.
pub(crate) fn engines_with_sandbox(dialect: Dialect, after: Option<&SessionId>, limit: u32) -> Statement {
    let select = Query::select()
        .columns(StateRow::COLUMNS.iter().copied())
        .from(StateRow::TABLE)
        .and_where(Expr::col("has_sandbox").eq(true))
        .and_where_option(after.map(|after| Expr::col("session_id").gt(after.as_str())))
        .order_by("session_id", Order::Asc)
        .limit(limit.into())
        .take();
    dialect.statement(&select)
}

/// The engines in the answer to [`engines_with_sandbox`].
pub(crate) fn decode_engines(rows: Vec<Row>) -> Result<Vec<Engine>, SqlError> {
    Ok(StateRow::decode_all(rows)?.into_iter().map(|row| row.state.0).collect())
}

/// Sessions whose deadline has passed, as `session` and `since`.
pub(crate) fn overdue_sessions(dialect: Dialect, at: Timestamp, limit: u32) -> Statement {
    let select = Query::select()
        .expr_as(Expr::col("session_id"), "session")
        .expr_as(Expr::col("due_at"), "since")
        .from("deadlines")
        .and_where(Expr::col("due_at").lte(dialect.time(at)))
        .order_by("due_at", Order::Asc)
        .order_by("session_id", Order::Asc)
        .limit(limit.into())
        .take();
    dialect.statement(&select)
}

/// The sessions in the answer to [`overdue_sessions`].
pub(crate) fn decode_waiting(rows: &[Row]) -> Result<Vec<Waiting>, SqlError> {
    rows.iter().map(|row| Ok(Waiting { session: row.get("session")?, since: row.get("since")? })).collect()
}

/// Jobs that are not done yet, in the order in which they may be claimed.
pub(crate) fn pending_jobs(dialect: Dialect, limit: u32) -> Statement {
    let select = Query::select()
        .columns(PendingJobRow::COLUMNS.iter().copied())
        .from(PendingJobRow::TABLE)
        .order_by("run_at", Order::Asc)
        .order_by("id", Order::Asc)
        .limit(limit.into())
        .take();
    dialect.statement(&select)
}

/// The jobs in the answer to [`pending_jobs`].
pub(crate) fn decode_jobs(rows: Vec<Row>) -> Result<Vec<PendingJob>, SqlError> {
    Ok(PendingJobRow::decode_all(rows)?.into_iter().map(PendingJob::from).collect())
}
