//! The table `deadlines`: when engines must be asked again.

use portway_domain::ids::SessionId;
use portway_domain::time::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Order, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::shape::Shape;

const TABLE: &str = DeadlineRow::TABLE;

record! {
    struct DeadlineRow in "deadlines" {
        session: SessionId = "session_id",
        due_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<DeadlineRow>();

/// The sessions that are due, earliest first, as `session_id`.
pub(crate) fn due(dialect: Dialect, now: Timestamp, limit: u32) -> Statement {
    static DUE: Shape = Shape::new();
    DUE.fill(dialect, [dialect.time(now), limit.into()], |[now, limit]| {
        Query::select()
            .column("session_id")
            .from(TABLE)
            .and_where(Expr::col("due_at").lte(now))
            .order_by("due_at", Order::Asc)
            .order_by("session_id", Order::Asc)
            .limit(limit.as_number())
            .take()
    })
}

/// The earliest deadline, as `next_at`.
pub(crate) fn next(dialect: Dialect) -> Statement {
    dialect.statement(&Query::select().expr_as(Expr::col("due_at").min(), "next_at").from(TABLE).take())
}

/// Sets, changes or removes the deadline of a session.
pub(crate) fn set(dialect: Dialect, session: SessionId, due_at: Option<Timestamp>) -> Result<Step, SqlError> {
    static REMOVE: Shape = Shape::new();
    static SET: Shape = Shape::new();
    let Some(due_at) = due_at else {
        return Ok(Step::new(REMOVE.fill(dialect, [session.as_str().into()], |[session]| {
            Query::delete().from_table(TABLE).and_where(Expr::col("session_id").eq(session)).take()
        })));
    };
    let values = DeadlineRow { session, due_at }.into_values(dialect)?;
    let set = SET.fill_values(dialect, &values, |values| {
        let mut replace = OnConflict::column("session_id");
        replace.update_column("due_at");
        Ok(DeadlineRow::insert_of(values.iter().copied())?.on_conflict(replace).take())
    });
    set.map(Step::new)
}
