//! The table `sessions`: those that a session opened.

use portway_domain::ids::SessionId;
use portway_domain::sessions::SessionStatus;
use portway_domain::states::LiveState;
use portway_domain::time::Timestamp;
use portway_ports::children::{ChildFilter, ChildSummary};
use portway_ports::pages::{Cursor, PageRequest};
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement};
use crate::engines;
use crate::json_text::JsonText;
use crate::record::{Cells, Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape, TABLE};
use crate::shape::Parameter;

record! {
    struct ChildRow in "sessions" {
        id: SessionId,
        title: Option<String>,
        status: SessionStatus,
        workspace: String,
        created_at: Timestamp,
    }
}

/// The number of a filter among the shapes of a statement.
fn shape_of(filter: ChildFilter) -> usize {
    match filter {
        ChildFilter::All => 0,
        ChildFilter::Live => 1,
        ChildFilter::Status(_) => 2,
    }
}

fn name_of(filter: ChildFilter) -> Option<&'static str> {
    match filter {
        ChildFilter::Status(status) => Some(status.as_str()),
        ChildFilter::All | ChildFilter::Live => None,
    }
}

/// A page of the children of a session, newest first, and one row more if there is another page.
pub(crate) fn page(dialect: Dialect, parent: Scope<'_>, filter: ChildFilter, page: &PageRequest) -> Statement {
    static PAGE: [ScopedShape; 6] = [const { ScopedShape::new() }; 6];
    let shape = &PAGE[shape_of(filter) + 3 * usize::from(page.after.is_some())];
    let arguments = [
        (u64::from(page.limit()) + 1).into(),
        name_of(filter).into(),
        dialect.optional_time(page.after.as_ref().map(|cursor| cursor.at)),
        page.after.as_ref().map(|cursor| cursor.id.as_str()).into(),
    ];
    shape.fill(dialect, parent, arguments, |parent, [limit, status, at, id]| {
        let order = ["created_at", "id"].map(|column| (TABLE, column));
        let older = || Expr::tuple(order.map(Expr::col)).lt(Expr::tuple([at, id].map(Expr::from)));
        let mut select = ChildRow::select();
        select
            .column((engines::TABLE, "state"))
            .inner_join(engines::TABLE, Expr::col((engines::TABLE, "session_id")).equals((TABLE, "id")))
            .and_where(Expr::col((TABLE, "parent_id")).eq(parent))
            .and_where_option(in_order(filter, status))
            .and_where_option(page.after.as_ref().map(|_| older()));
        for column in order {
            select.order_by(column, Order::Desc);
        }
        select.limit(limit.as_number()).take()
    })
}

/// A filter that leaves the rows in the order of an index: those that have not ended are passed over one by one.
fn in_order(filter: ChildFilter, status: Parameter) -> Option<Expr> {
    let column = || Expr::col((TABLE, "status"));
    let ended = SessionStatus::ALL.into_iter().filter(|status| status.is_ended()).map(SessionStatus::as_str);
    match filter {
        ChildFilter::All => None,
        ChildFilter::Live => Some(column().is_not_in(ended)),
        ChildFilter::Status(_) => Some(column().eq(status)),
    }
}

/// The children in the answer to [`page`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<ChildSummary>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let ChildRow { id, title, status, workspace, created_at } = ChildRow::decode_cells(&mut cells)?;
        let live: JsonText<LiveState> = cells.take(engines::TABLE, "state")?;
        Ok(ChildSummary { id, title, status, workspace, created_at, exposure: live.0.exposure })
    };
    rows.into_iter().map(decode).collect()
}

/// Where the page after this child begins.
pub(crate) fn cursor(child: &ChildSummary) -> Cursor {
    Cursor { at: child.created_at, id: child.id.as_str().to_owned() }
}

/// How many children of a session there are, as `total`.
pub(crate) fn count(dialect: Dialect, parent: Scope<'_>, filter: ChildFilter) -> Statement {
    static COUNT: [ScopedShape; 3] = [const { ScopedShape::new() }; 3];
    COUNT[shape_of(filter)].fill(dialect, parent, [name_of(filter).into()], |parent, [status]| {
        let status_is = match filter {
            ChildFilter::All => None,
            ChildFilter::Live => Some(is_live()),
            ChildFilter::Status(_) => Some(Expr::col("status").eq(status)),
        };
        counted(Expr::col("parent_id").eq(parent)).and_where_option(status_is).take()
    })
}

fn counted(condition: Expr) -> SelectStatement {
    Query::select().expr_as(Expr::col("id").count(), "total").from(TABLE).and_where(condition).take()
}

fn is_live() -> Expr {
    Expr::col("status").is_in(SessionStatus::LIVE.map(SessionStatus::as_str))
}

/// The number in the answer to [`count`].
pub(crate) fn decode_count(rows: &[Row]) -> Result<u32, SqlError> {
    Ok(rows.first().map(|row| row.get("total")).transpose()?.unwrap_or(0))
}
