//! The table `search_scopes`: the number that the words of a user's texts begin with.

use portway_domain::ids::UserId;
use sea_query::{Expr, ExprTrait, Query};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Step};
use crate::record::{Record, record};
use crate::shape::Parameter;
use crate::subquery::scalar;
use crate::tokens::user_of;

pub(crate) const TABLE: &str = ScopeRow::TABLE;

record! {
    struct ScopeRow in "search_scopes" {
        user: UserId = "user_id",
    }
}

/// The scope of the caller with that token hash, as text; `NULL` when the caller is nobody.
pub(super) fn of(caller: Parameter) -> Expr {
    scalar(
        Query::select()
            .expr(Expr::col((TABLE, "number")).cast_as("text"))
            .from(TABLE)
            .and_where(Expr::col((TABLE, "user_id")).eq(user_of(caller)))
            .take(),
    )
}

/// Gives a new user a scope.
pub(crate) fn add(dialect: Dialect, user: UserId) -> Result<Step, SqlError> {
    Ok(Step::new(ScopeRow { user }.insert(dialect)?))
}
