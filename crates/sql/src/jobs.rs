//! The table `jobs`.

use portway_domain::ids::{JobId, NodeId};
use portway_domain::jobs::{Job, Work};
use portway_domain::time::Timestamp;
use sea_query::{Expr, ExprTrait, LockBehavior, LockType, Order, Query, UpdateStatement, Value};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::json_text::JsonText;
use crate::nodes;
use crate::record::{Record, record};
use crate::row::Row;
use crate::value::IntoValue;

const TABLE: &str = NewJobRow::TABLE;

record! {
    struct JobRow in "jobs" {
        id: JobId,
        work: JsonText<Work>,
        node: Option<NodeId> = "node_id",
        attempts: u32,
        run_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<JobRow>();

record! {
    struct NewJobRow in "jobs" {
        id: JobId,
        kind: String,
        work: JsonText<Work>,
        node: Option<NodeId> = "node_id",
        attempts: u32,
        run_at: Timestamp,
    }
}

impl From<Job> for NewJobRow {
    fn from(job: Job) -> Self {
        let kind = match &job.work {
            Work::StartSandbox { .. } => "start-sandbox",
            Work::HibernateSandbox { .. } => "hibernate-sandbox",
            Work::StopSandbox { .. } => "stop-sandbox",
            Work::TellParent { .. } => "tell-parent",
            Work::StopChildren { .. } => "stop-children",
            Work::DeleteSession { .. } => "delete-session",
        };
        let Job { id, work, node, attempts, run_at } = job;
        Self { id, kind: kind.to_owned(), work: JsonText(work), node, attempts, run_at }
    }
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        let JobRow { id, work, node, attempts, run_at } = row;
        Self { id, work: work.0, node, attempts, run_at }
    }
}

/// Leases the oldest jobs that may run, in one statement: two that claim at once get different jobs.
pub(crate) fn claim(dialect: Dialect, node: &NodeId, now: Timestamp, lease_until: Timestamp, limit: u32) -> Step {
    let free = Expr::col("lease_until").is_null().or(Expr::col("lease_until").lte(dialect.time(now)));
    let claimable = Query::select()
        .column("id")
        .from(TABLE)
        .and_where(Expr::col("run_at").lte(dialect.time(now)))
        .and_where(free)
        .and_where(nodes::may_do(dialect, (TABLE, "node_id"), node, now))
        .order_by("run_at", Order::Asc)
        .order_by("id", Order::Asc)
        .limit(limit.into())
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .take();
    let mut claim = Query::update();
    claim
        .table(TABLE)
        .value("lease_until", dialect.time(lease_until))
        .value("holder_id", node.as_str())
        .value("attempts", Expr::col("attempts").add(Expr::Constant(Value::Int(Some(1)))))
        .and_where(dialect.among(Expr::col("id"), claimable))
        .returning(Query::returning().columns(JobRow::COLUMNS.iter().copied()));
    Step::new(dialect.statement(&claim))
}

/// The jobs in the answer to [`claim`], oldest first.
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<Job>, SqlError> {
    let mut jobs: Vec<Job> = JobRow::decode_all(rows)?.into_iter().map(Job::from).collect();
    jobs.sort_by(|a, b| (a.run_at, &a.id).cmp(&(b.run_at, &b.id)));
    Ok(jobs)
}

/// When the next job that nobody holds and the node may do may run, as `next_at`.
pub(crate) fn next_free(dialect: Dialect, node: &NodeId, now: Timestamp) -> Statement {
    let select = Query::select()
        .expr_as(Expr::col("run_at").min(), "next_at")
        .from(TABLE)
        .and_where(Expr::col("lease_until").is_null())
        .and_where(nodes::may_do(dialect, (TABLE, "node_id"), node, now))
        .take();
    dialect.statement(&select)
}

/// When the first lease of a job ends that the node may do, as `next_at`.
pub(crate) fn next_lease_end(dialect: Dialect, node: &NodeId, now: Timestamp) -> Statement {
    let select = Query::select()
        .expr_as(Expr::col("lease_until").min(), "next_at")
        .from(TABLE)
        .and_where(Expr::col("lease_until").is_not_null())
        .and_where(nodes::may_do(dialect, (TABLE, "node_id"), node, now))
        .take();
    dialect.statement(&select)
}

/// Ends all leases.
pub(crate) fn release_all(dialect: Dialect) -> Step {
    let update = Query::update()
        .table(TABLE)
        .value("lease_until", dialect.optional_time(None))
        .and_where(Expr::col("lease_until").is_not_null())
        .take();
    Step::new(dialect.statement(&update))
}

/// Ends the leases that a node has.
pub(crate) fn release_of(dialect: Dialect, node: &NodeId) -> Step {
    let update = Query::update()
        .table(TABLE)
        .value("lease_until", dialect.optional_time(None))
        .value("holder_id", Option::<String>::None)
        .and_where(Expr::col("holder_id").eq(node.as_str()))
        .take();
    Step::new(dialect.statement(&update))
}

/// Adds a job.
pub(crate) fn add(dialect: Dialect, job: Job) -> Result<Step, SqlError> {
    Ok(Step::new(NewJobRow::from(job).insert(dialect)?))
}

/// Removes a job that was done.
pub(crate) fn complete(dialect: Dialect, id: &JobId, attempts: u32) -> Result<Step, SqlError> {
    let delete = Query::delete()
        .from_table(TABLE)
        .and_where(Expr::col("id").eq(id.as_str()))
        .and_where(Expr::col("attempts").eq(attempts.into_value(dialect)?))
        .take();
    Ok(Step::guarded(dialect.statement(&delete)))
}

/// Gives a job back to be claimed again.
pub(crate) fn retry(
    dialect: Dialect,
    id: &JobId,
    attempts: u32,
    run_at: Timestamp,
    error: String,
) -> Result<Step, SqlError> {
    let update: UpdateStatement = Query::update()
        .table(TABLE)
        .value("run_at", dialect.time(run_at))
        .value("lease_until", dialect.optional_time(None))
        .value("holder_id", Option::<String>::None)
        .value("last_error", error)
        .and_where(Expr::col("id").eq(id.as_str()))
        .and_where(Expr::col("attempts").eq(attempts.into_value(dialect)?))
        .take();
    Ok(Step::guarded(dialect.statement(&update)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_do_not_wait_for_each_other_where_rows_are_locked() {
        let node = NodeId::parse("node").unwrap();
        let (now, until) = (Timestamp::from_millis(0), Timestamp::from_millis(1));
        let text = |dialect| claim(dialect, &node, now, until, 3).statement.text;
        assert!(text(Dialect::Postgres).contains(" FOR UPDATE SKIP LOCKED))"), "{}", text(Dialect::Postgres));
        assert!(!text(Dialect::Sqlite).contains("FOR UPDATE"), "{}", text(Dialect::Sqlite));
    }
}
