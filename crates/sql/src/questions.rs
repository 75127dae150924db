//! The table `questions`.

use portway_domain::ids::{QuestionId, SessionId};
use portway_domain::questions::{Choice, Question, Resolution};
use portway_domain::time::Timestamp;
use portway_ports::changes::{ClosedQuestion, MAX_CHANGES};
use sea_query::{Expr, ExprTrait, Order, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::json_text::JsonText;
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape};
use crate::value::IntoValue;

record! {
    struct QuestionRow in "questions" {
        session: SessionId = "session_id",
        id: QuestionId,
        text: String,
        choices: JsonText<Vec<Choice>>,
        asked_at: Timestamp,
        expires_at: Timestamp,
        resolution: Option<JsonText<Resolution>>,
        is_expired: bool,
        seq: u64,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<QuestionRow>();

/// Adds an open question.
pub(crate) fn add(dialect: Dialect, session: &SessionId, question: Question, seq: u64) -> Result<Step, SqlError> {
    let row = QuestionRow {
        session: session.clone(),
        id: question.id,
        text: question.text,
        choices: JsonText(question.choices),
        asked_at: question.asked_at,
        expires_at: question.expires_at,
        resolution: None,
        is_expired: false,
        seq,
    };
    Ok(Step::new(row.insert(dialect)?))
}

/// The questions of a session that changed after a value of its counter and are closed, in the order of that.
pub(crate) fn closed_since(dialect: Dialect, scope: Scope<'_>, seq: u64) -> Result<Statement, SqlError> {
    static CLOSED: ScopedShape = ScopedShape::new();
    Ok(CLOSED.fill(dialect, scope, [seq.into_value(dialect)?, MAX_CHANGES.into()], |session, [seq, limit]| {
        QuestionRow::select()
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("seq").gt(seq))
            .and_where(Expr::col("resolution").is_not_null())
            .order_by("seq", Order::Asc)
            .limit(limit.as_number())
            .take()
    }))
}

/// The questions in the answer to [`closed_since`].
pub(crate) fn decode_closed(rows: Vec<Row>) -> Result<Vec<ClosedQuestion>, SqlError> {
    let closed = |row: QuestionRow| {
        let resolution = row.resolution?.0;
        let question = Question {
            id: row.id,
            text: row.text,
            choices: row.choices.0,
            asked_at: row.asked_at,
            expires_at: row.expires_at,
        };
        Some(ClosedQuestion { question, resolution, is_expired: row.is_expired })
    };
    Ok(QuestionRow::decode_all(rows)?.into_iter().filter_map(closed).collect())
}

/// Closes an open question.
pub(crate) fn close(
    dialect: Dialect,
    session: &SessionId,
    id: &QuestionId,
    resolution: Resolution,
    is_expired: bool,
    seq: u64,
) -> Result<Step, SqlError> {
    let update = Query::update()
        .table(QuestionRow::TABLE)
        .value("resolution", JsonText(resolution).into_value(dialect)?)
        .value("is_expired", is_expired)
        .value("seq", seq.into_value(dialect)?)
        .and_where(Expr::col("session_id").eq(session.as_str()))
        .and_where(Expr::col("id").eq(id.as_str()))
        .and_where(Expr::col("resolution").is_null())
        .take();
    Ok(Step::guarded(dialect.statement(&update)))
}
