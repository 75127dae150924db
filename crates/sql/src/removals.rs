//! The table `removed_messages`: what clients that were away have to take out of what they show.

use portway_domain::ids::{MessageId, SessionId};
use portway_ports::changes::MAX_CHANGES;
use sea_query::{Expr, ExprTrait, OnConflict, Order, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::messages;
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape};
use crate::shape::Shape;
use crate::subquery::scalar;
use crate::value::IntoValue;

const TABLE: &str = RemovalRow::TABLE;

record! {
    struct RemovalRow in "removed_messages" {
        session: SessionId = "session_id",
        seq: u64,
        message: MessageId = "message_id",
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<RemovalRow>();

/// The removals of a session after a value of its counter, in order.
pub(crate) fn since(dialect: Dialect, scope: Scope<'_>, seq: u64) -> Result<Statement, SqlError> {
    static SINCE: ScopedShape = ScopedShape::new();
    Ok(SINCE.fill(dialect, scope, [seq.into_value(dialect)?, MAX_CHANGES.into()], |session, [seq, limit]| {
        RemovalRow::select()
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("seq").gt(seq))
            .order_by("seq", Order::Asc)
            .limit(limit.as_number())
            .take()
    }))
}

/// The messages in the answer to [`since`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<MessageId>, SqlError> {
    Ok(RemovalRow::decode_all(rows)?.into_iter().map(|row| row.message).collect())
}

/// Remembers a removal, and forgets the oldest ones where there are too many.
pub(crate) fn remember(
    dialect: Dialect,
    session: &SessionId,
    message: MessageId,
    seq: u64,
) -> Result<[Step; 2], SqlError> {
    static REMEMBER: Shape = Shape::new();
    let values = RemovalRow { session: session.clone(), seq, message }.into_values(dialect)?;
    let remember = REMEMBER.fill_values(dialect, &values, |values| {
        Ok(RemovalRow::insert_of(values.iter().copied())?.on_conflict(known()).take())
    })?;
    Ok([Step::new(remember), forget(dialect, session)])
}

/// Remembers that the messages of these places are removed, which are there still. Forgets the oldest removals where
/// there are too many; those of one change are kept or forgotten together.
pub(crate) fn remember_between(
    dialect: Dialect,
    session: &SessionId,
    [first, last]: [u64; 2],
    seq: u64,
) -> Result<[Step; 2], SqlError> {
    static REMEMBER_BETWEEN: Shape = Shape::new();
    let (first, last) = (first.into_value(dialect)?, last.into_value(dialect)?);
    let values = [session.as_str().into(), first, last, seq.into_value(dialect)?];
    let remember = REMEMBER_BETWEEN.fill_values(dialect, &values, |values| {
        let &[session, first, last, seq] = values else {
            return Err(SqlError::Statement("a stretch of messages has two ends".into()));
        };
        let removed = Query::select()
            .column((messages::TABLE, "session_id"))
            .expr(Expr::from(seq))
            .column((messages::TABLE, "id"))
            .from(messages::TABLE)
            .cond_where(messages::between(session, first, last))
            .take();
        let mut insert = Query::insert();
        insert
            .into_table(TABLE)
            .columns(["session_id", "seq", "message_id"])
            .select_from(removed)
            .map_err(|error| SqlError::Statement(error.to_string()))?;
        Ok(insert.on_conflict(known()).take())
    })?;
    Ok([Step::new(remember), forget(dialect, session)])
}

/// The same message may be removed, come back and be removed again in one change.
fn known() -> OnConflict {
    OnConflict::columns(["session_id", "seq", "message_id"]).do_nothing().clone()
}

fn forget(dialect: Dialect, session: &SessionId) -> Step {
    static FORGET: Shape = Shape::new();
    Step::new(FORGET.fill(dialect, [session.as_str().into()], |[session]| {
        let of_session = || Expr::col((TABLE, "session_id")).eq(session);
        let oldest_kept = Query::select()
            .column((TABLE, "seq"))
            .from(TABLE)
            .and_where(of_session())
            .order_by((TABLE, "seq"), Order::Desc)
            .limit(1)
            .offset(u64::from(MAX_CHANGES) - 1)
            .take();
        Query::delete()
            .from_table(TABLE)
            .and_where(of_session())
            .and_where(Expr::col((TABLE, "seq")).lt(scalar(oldest_kept)))
            .take()
    }))
}
