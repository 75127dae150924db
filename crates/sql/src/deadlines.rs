//! The table `deadlines`: when engines must be asked again.

use portway_domain::ids::SessionId;
use portway_domain::time::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Order, Query};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};

const TABLE: &str = DeadlineRow::TABLE;

record! {
    struct DeadlineRow in "deadlines" {
        session: SessionId = "session_id",
        due_at: Timestamp,
    }
}

/// The sessions that are due, earliest first, as `session_id`.
pub(crate) fn due(dialect: Dialect, now: Timestamp, limit: u32) -> Statement {
    let select = Query::select()
        .column("session_id")
        .from(TABLE)
        .and_where(Expr::col("due_at").lte(dialect.time(now)))
        .order_by("due_at", Order::Asc)
        .order_by("session_id", Order::Asc)
        .limit(limit.into())
        .take();
    dialect.statement(&select)
}

/// The earliest deadline, as `next_at`.
pub(crate) fn next(dialect: Dialect) -> Statement {
    dialect.statement(&Query::select().expr_as(Expr::col("due_at").min(), "next_at").from(TABLE).take())
}

/// Sets, changes or removes the deadline of a session.
pub(crate) fn set(dialect: Dialect, session: SessionId, due_at: Option<Timestamp>) -> Result<Step, SqlError> {
    let Some(due_at) = due_at else {
        let delete = Query::delete().from_table(TABLE).and_where(Expr::col("session_id").eq(session.as_str())).take();
        return Ok(Step::new(dialect.statement(&delete)));
    };
    let mut insert = DeadlineRow { session, due_at }.insert(dialect)?;
    let mut replace = OnConflict::column("session_id");
    replace.update_column("due_at");
    insert.on_conflict(replace);
    Ok(Step::new(dialect.statement(&insert)))
}
