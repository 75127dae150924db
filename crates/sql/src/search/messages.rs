//! The table `message_words`: which messages have which words.

use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{Message, MessageRole};
use portway_domain::search::{Document, MAX_DOCUMENT_CHARS};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::search::{FoundMessage, Hit, MessageSearch, UnindexedMessage};
use sea_query::{CaseStatement, Expr, ExprTrait, Func, InsertStatement, Order, Query, SelectStatement, Value};

use super::{MESSAGES, Matching, expression, scopes, score, stored};
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Cells, Record, record};
use crate::row::Row;
use crate::shape::{Parameter, Shape};
use crate::tokens::user_of;
use crate::{messages, sessions};

const TABLE: &str = WordsRow::TABLE;

record! {
    struct WordsRow in "message_words" {
        session: SessionId = "session_id",
        message: MessageId = "message_id",
    }
}

record! {
    struct FoundRow in "messages" {
        role: MessageRole,
        created_at: Timestamp,
    }
}

/// Puts the words of a finished message into the index. There is nothing to do for one without words, or of the gateway.
pub(crate) fn add(dialect: Dialect, session: &SessionId, message: &Message) -> Result<Option<Step>, SqlError> {
    static ADD: Shape = Shape::new();
    let document = match message.role {
        MessageRole::User | MessageRole::Assistant => Document::of(&message.content),
        MessageRole::System => return Ok(None),
    };
    if document.is_empty() {
        return Ok(None);
    }
    let words = stored(dialect, &document, Some(session));
    let values = [session.as_str().into(), message.id.as_str().into(), words.into()];
    let add = ADD.fill_values(dialect, &values, insert_for_the_owner)?;
    Ok(Some(Step::new(add)))
}

/// An insert of session, message and words, with the scope of the session's owner.
fn insert_for_the_owner(values: &[Parameter]) -> Result<InsertStatement, SqlError> {
    let [session, ..] = values else {
        return Err(SqlError::Statement("words belong to a session".into()));
    };
    let select = Query::select()
        .exprs(values.iter().copied().map(Expr::from))
        .column((scopes::TABLE, "number"))
        .from(sessions::TABLE)
        .inner_join(scopes::TABLE, Expr::col((scopes::TABLE, "user_id")).equals((sessions::TABLE, "owner_id")))
        .and_where(Expr::col((sessions::TABLE, "id")).eq(*session))
        .take();
    let mut insert = Query::insert();
    insert
        .into_table(TABLE)
        .columns(["session_id", "message_id", "words", "scope"])
        .select_from(select)
        .map_err(|error| SqlError::Statement(error.to_string()))?;
    Ok(insert)
}

/// Puts the words of a message into the index that is older than it.
pub(crate) fn fill(dialect: Dialect, session: &SessionId, message: &MessageId, text: &str) -> Step {
    static FILL: Shape = Shape::new();
    let words = stored(dialect, &Document::of(text), Some(session));
    let arguments = [session.as_str().into(), message.as_str().into(), words.into()];
    Step::guarded(FILL.fill(dialect, arguments, |[session, message, words]| {
        Query::update()
            .table(TABLE)
            .value("words", words)
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("message_id").eq(message))
            .and_where(Expr::col("words").is_null())
            .take()
    }))
}

/// A message whose words are to be put into the index, by the number of its row.
pub(crate) struct UnindexedRow {
    number: i64,
    words: String,
}

/// Puts the words of many messages into the index, in one statement.
pub(crate) fn fill_rows(dialect: Dialect, rows: Vec<UnindexedRow>) -> Step {
    let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    let is_row = |number| Expr::col("row_number").eq(number);
    let words = rows.into_iter().fold(CaseStatement::new(), |case, row| case.case(is_row(row.number), row.words));
    let update = Query::update()
        .table(TABLE)
        .value("words", words)
        .and_where(Expr::col("row_number").is_in(numbers))
        .and_where(Expr::col("words").is_null())
        .take();
    Step::guarded(dialect.statement(&update))
}

/// Rows of messages whose words are not in the index, the first ones first.
pub(crate) fn unindexed_rows(dialect: Dialect, limit: u32) -> Statement {
    let select = Query::select().columns([(TABLE, "row_number"), (TABLE, "session_id")]).from(TABLE).take();
    without_words(dialect, select, limit)
}

/// Rows of the index whose words are missing, with the texts that have them.
fn without_words(dialect: Dialect, mut select: SelectStatement, limit: u32) -> Statement {
    select
        .expr_as(searched_text(), "text")
        .inner_join(messages::TABLE, is_of_the_row())
        .and_where(Expr::col((TABLE, "words")).is_null())
        .order_by((TABLE, "row_number"), Order::Asc)
        .limit(limit.into());
    dialect.statement(&select)
}

/// The rows in the answer to [`unindexed_rows`], with their words.
pub(crate) fn decode_unindexed_rows(dialect: Dialect, rows: &[Row]) -> Result<Vec<UnindexedRow>, SqlError> {
    let decode = |row: &Row| {
        let (session, text): (SessionId, String) = (row.get("session_id")?, row.get("text")?);
        let words = stored(dialect, &Document::of(&text), Some(&session));
        Ok(UnindexedRow { number: row.get("row_number")?, words })
    };
    rows.iter().map(decode).collect()
}

/// Messages that are older than the index, oldest first.
pub(crate) fn unindexed(dialect: Dialect, limit: u32) -> Statement {
    without_words(dialect, WordsRow::select(), limit)
}

/// The messages in the answer to [`unindexed`].
pub(crate) fn decode_unindexed(rows: Vec<Row>) -> Result<Vec<UnindexedMessage>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let WordsRow { session, message } = WordsRow::decode_cells(&mut cells)?;
        Ok(UnindexedMessage { session, message, text: cells.take(messages::TABLE, "text")? })
    };
    rows.into_iter().map(decode).collect()
}

/// The caller's messages that a search finds, the best first.
pub(crate) fn search(dialect: Dialect, caller: &TokenHash, wanted: &MessageSearch) -> Statement {
    // In all sessions, in one.
    static SEARCH: [Shape; 2] = [const { Shape::new() }; 2];
    let session = wanted.session.as_ref();
    let arguments = [
        caller.as_str().into(),
        expression(dialect, &wanted.query, Matching::All, session).into(),
        wanted.limit().into(),
        session.map(SessionId::as_str).into(),
    ];
    SEARCH[usize::from(session.is_some())].fill(dialect, arguments, |[caller, sought, limit, in_session]| {
        let id = || Expr::col((sessions::TABLE, "id"));
        Query::select()
            .column(("hits", "score"))
            .columns(WordsRow::COLUMNS.iter().map(|column| (TABLE, *column)))
            .columns(FoundRow::COLUMNS.iter().map(|column| (FoundRow::TABLE, *column)))
            .expr_as(searched_text(), "text")
            .column((sessions::TABLE, "title"))
            .from_subquery(MESSAGES.hits(dialect, user_of(caller), sought, limit), "hits")
            // SQLite takes the tables of a cross join in this order: the few hits first.
            .cross_join(TABLE)
            .cross_join(messages::TABLE)
            .cross_join(sessions::TABLE)
            .and_where(Expr::col((TABLE, "row_number")).equals(("hits", "row_number")))
            .and_where(is_of_the_row())
            .and_where(id().equals((TABLE, "session_id")))
            // The index holds what may be found; this is what may be seen.
            .and_where(Expr::col((sessions::TABLE, "owner_id")).eq(user_of(caller)))
            .and_where_option(session.map(|_| id().eq(in_session)))
            .order_by(("hits", "score"), Order::Desc)
            .order_by(("hits", "row_number"), Order::Desc)
            .take()
    })
}

/// The hits in the answer to [`search`].
pub(crate) fn decode(dialect: Dialect, rows: Vec<Row>) -> Result<Vec<Hit<FoundMessage>>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let score = score(dialect, cells.take("hits", "score")?);
        let WordsRow { session, message } = WordsRow::decode_cells(&mut cells)?;
        let FoundRow { role, created_at } = FoundRow::decode_cells(&mut cells)?;
        let text = cells.take(messages::TABLE, "text")?;
        let session_title = cells.take(sessions::TABLE, "title")?;
        Ok(Hit { score, value: FoundMessage { session, session_title, message, role, text, created_at } })
    };
    rows.into_iter().map(decode).collect()
}

fn is_of_the_row() -> Expr {
    Expr::col((messages::TABLE, "session_id"))
        .equals((TABLE, "session_id"))
        .and(Expr::col((messages::TABLE, "id")).equals((TABLE, "message_id")))
}

/// The part of a message's text that is searched.
fn searched_text() -> Expr {
    let length = u32::try_from(MAX_DOCUMENT_CHARS).unwrap_or(u32::MAX);
    let [one, length] = [1, length].map(|number| Expr::Constant(Value::Unsigned(Some(number))));
    Expr::from(Func::cust("substr").args([Expr::col((messages::TABLE, "content")), one, length]))
}
