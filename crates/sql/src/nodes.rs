//! The table `nodes`: who shares the database, and until when that is certain.

use portway_domain::ids::NodeId;
use portway_domain::time::Timestamp;
use sea_query::{Expr, ExprTrait, OnConflict, Order, Query};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};

const TABLE: &str = NodeRow::TABLE;

record! {
    struct NodeRow in "nodes" {
        id: NodeId,
        lease_until: Timestamp,
    }
}

/// Lets a node be there until a time.
pub(crate) fn be_there(dialect: Dialect, id: NodeId, lease_until: Timestamp) -> Result<Step, SqlError> {
    let values = NodeRow { id, lease_until }.into_values(dialect)?;
    let mut replace = OnConflict::column("id");
    replace.update_column("lease_until");
    let insert = NodeRow::insert_of(values.iter().cloned().map(Expr::val))?.on_conflict(replace).take();
    Ok(Step::new(dialect.statement(&insert)))
}

/// Removes a node.
pub(crate) fn remove(dialect: Dialect, id: &NodeId) -> Step {
    let delete = Query::delete().from_table(TABLE).and_where(Expr::col("id").eq(id.as_str())).take();
    Step::new(dialect.statement(&delete))
}

/// Removes a node that is gone; fails if it is there.
pub(crate) fn remove_lost(dialect: Dialect, id: &NodeId, now: Timestamp) -> Step {
    let delete = Query::delete()
        .from_table(TABLE)
        .and_where(Expr::col("id").eq(id.as_str()))
        .and_where(Expr::col("lease_until").lte(dialect.time(now)))
        .take();
    Step::guarded(dialect.statement(&delete))
}

/// A node that is there and is not this one, as `id`.
pub(crate) fn other(dialect: Dialect, id: &NodeId, now: Timestamp) -> Statement {
    let select = Query::select()
        .column("id")
        .from(TABLE)
        .and_where(Expr::col("lease_until").gt(dialect.time(now)))
        .and_where(Expr::col("id").ne(id.as_str()))
        .limit(1)
        .take();
    dialect.statement(&select)
}

/// The nodes that are gone, as `id`.
pub(crate) fn lost(dialect: Dialect, now: Timestamp) -> Statement {
    let select = Query::select()
        .column("id")
        .from(TABLE)
        .and_where(Expr::col("lease_until").lte(dialect.time(now)))
        .order_by("lease_until", Order::Asc)
        .order_by("id", Order::Asc)
        .limit(100)
        .take();
    dialect.statement(&select)
}

/// Whether a node may do what names the node in `column`: anybody may if that one is gone, or none is named.
pub(crate) fn may_do(dialect: Dialect, column: (&'static str, &'static str), node: &NodeId, now: Timestamp) -> Expr {
    let is_there = is_there(dialect, column, now);
    Expr::col(column).is_null().or(Expr::col(column).eq(node.as_str())).or(is_there.not())
}

/// Whether the node that `column` names is there.
pub(crate) fn is_there(dialect: Dialect, column: (&'static str, &'static str), now: Timestamp) -> Expr {
    Expr::exists(
        Query::select()
            .expr(Expr::Constant(1.into()))
            .from(TABLE)
            .and_where(Expr::col((TABLE, "id")).equals(column))
            .and_where(Expr::col((TABLE, "lease_until")).gt(dialect.time(now)))
            .take(),
    )
}
