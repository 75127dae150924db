//! The table `search_scopes`: the number that the words of a user's texts begin with.

use portway_domain::ids::UserId;
use sea_query::{Expr, ExprTrait, Query};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Step};
use crate::record::{Record, record};
use crate::subquery::scalar;

pub(crate) const TABLE: &str = ScopeRow::TABLE;

record! {
    struct ScopeRow in "search_scopes" {
        user: UserId = "user_id",
    }
}

/// The scope of a user, as text; `NULL` when that is nobody.
pub(super) fn of(user: Expr) -> Expr {
    scalar(
        Query::select()
            .expr(Expr::col((TABLE, "number")).cast_as("text"))
            .from(TABLE)
            .and_where(Expr::col((TABLE, "user_id")).eq(user))
            .take(),
    )
}

/// Gives a new user a scope.
pub(crate) fn add(dialect: Dialect, user: UserId) -> Result<Step, SqlError> {
    Ok(Step::new(ScopeRow { user }.insert(dialect)?))
}
