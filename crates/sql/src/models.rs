//! The table `available_models`: what the agent of each session offers.

use portway_domain::ids::{SessionId, UserId};
use portway_domain::models::AvailableModels;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, Order, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::json_text::JsonText;
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{self, Scope, ScopedShape};
use crate::shape::{Parameter, Shape};
use crate::tokens::user_of;
use crate::value::IntoValue;

const TABLE: &str = ModelsRow::TABLE;

record! {
    struct ModelsRow in "available_models" {
        session: SessionId = "session_id",
        models: JsonText<AvailableModels>,
        seq: u64,
        updated_at: Timestamp,
        owner: UserId = "owner_id",
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<ModelsRow>();

record! {
    struct ListRow in "available_models" {
        models: JsonText<AvailableModels>,
    }
}

/// The models of a session, if they changed after a value of its counter; 0 for any.
pub(crate) fn since(dialect: Dialect, scope: Scope<'_>, seq: u64) -> Result<Statement, SqlError> {
    static SINCE: ScopedShape = ScopedShape::new();
    Ok(SINCE.fill(dialect, scope, [seq.into_value(dialect)?], |session, [seq]| {
        ListRow::select()
            .and_where(Expr::col((TABLE, "session_id")).eq(session))
            .and_where(Expr::col((TABLE, "seq")).gt(seq))
            .take()
    }))
}

/// The models that were told last in a session that the caller owns.
pub(crate) fn of_caller(dialect: Dialect, caller: &TokenHash) -> Statement {
    static OF_CALLER: Shape = Shape::new();
    OF_CALLER.fill(dialect, [caller.as_str().into()], |[caller]| {
        ListRow::select()
            .and_where(Expr::col((TABLE, "owner_id")).eq(user_of(caller)))
            .order_by((TABLE, "updated_at"), Order::Desc)
            .order_by((TABLE, "session_id"), Order::Desc)
            .limit(1)
            .take()
    })
}

/// The models in the answer to [`since`] or [`of_caller`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Option<AvailableModels>, SqlError> {
    Ok(ListRow::decode_first(rows)?.map(|row| row.models.0))
}

/// Sets the models of a session that exists.
pub(crate) fn set(
    dialect: Dialect,
    session: &SessionId,
    models: AvailableModels,
    seq: u64,
    at: Timestamp,
) -> Result<Step, SqlError> {
    static SET: Shape = Shape::new();
    let values =
        [session.as_str().into(), JsonText(models).into_value(dialect)?, seq.into_value(dialect)?, dialect.time(at)];
    Ok(Step::guarded(SET.fill_values(dialect, &values, insert_with_owner)?))
}

/// An insert that does nothing unless the session exists, and sets the models of one that has some. The session comes
/// first of the values.
fn insert_with_owner(values: &[Parameter]) -> Result<InsertStatement, SqlError> {
    let Some(session) = values.first() else {
        return Err(SqlError::Statement("models belong to a session".into()));
    };
    let select = Query::select()
        .exprs(values.iter().copied().map(Expr::from))
        .column((sessions::TABLE, "owner_id"))
        .from(sessions::TABLE)
        .and_where(Expr::col((sessions::TABLE, "id")).eq(*session))
        .take();
    let mut known = OnConflict::column("session_id");
    known.update_columns(["models", "seq", "updated_at"]);
    let mut insert = Query::insert();
    insert
        .into_table(TABLE)
        .columns(ModelsRow::COLUMNS.iter().copied())
        .select_from(select)
        .map_err(|error| SqlError::Statement(error.to_string()))?;
    Ok(insert.on_conflict(known).take())
}
