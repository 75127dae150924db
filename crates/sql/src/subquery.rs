//! Queries inside of queries.

use sea_query::{Expr, SelectStatement};

/// The one value that a query gives; `NULL` when it gives no row.
pub(crate) fn scalar(select: SelectStatement) -> Expr {
    Expr::SubQuery(None, Box::new(select.into()))
}
