//! The table `messages`.

use portway_domain::channels::Channel;
use portway_domain::ids::{MessageId, SessionId, UserId};
use portway_domain::messages::{Author, Message, MessageRole, Part};
use portway_domain::time::Timestamp;
use portway_ports::changes::MAX_CHANGES;
use portway_ports::sessions::MessageRange;
use sea_query::{Condition, Expr, ExprTrait, Order, Query, SelectStatement, Value};

use crate::archive::Records;
use crate::attachments;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::json_text::JsonText;
use crate::open_message;
use crate::record::{Record, record};
use crate::row::Row;
use crate::search;
use crate::sessions::{Scope, ScopedShape};
use crate::shape::{Parameter, Shape};
use crate::subquery::scalar;
use crate::value::IntoValue;

pub(crate) const TABLE: &str = MessageRow::TABLE;

record! {
    struct MessageRow in "messages" {
        session: SessionId = "session_id",
        id: MessageId,
        seq: u64,
        position: u64,
        role: MessageRole,
        content: String,
        parts: JsonText<Vec<Part>>,
        author_id: Option<UserId>,
        author_email: Option<String>,
        author_name: Option<String>,
        author_avatar_url: Option<String>,
        channel_type: Option<String>,
        channel_id: Option<String>,
        is_open: bool,
        created_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::with::<MessageRow>(|rows| {
    MessageRow::decode_all(rows)?.into_iter().try_for_each(|row| Message::try_from(row).map(drop))
});

impl MessageRow {
    fn new(session: &SessionId, message: Message) -> Self {
        let is_open = is_open_at_first(&message);
        let (author_id, author_email, author_name, author_avatar_url) = match message.author {
            Some(author) => (Some(author.id), Some(author.email), author.name, author.avatar_url),
            None => (None, None, None, None),
        };
        Self {
            session: session.clone(),
            id: message.id,
            seq: message.seq,
            position: message.position,
            role: message.role,
            content: message.content,
            parts: JsonText(message.parts),
            author_id,
            author_email,
            author_name,
            author_avatar_url,
            channel_type: message.channel.as_ref().map(|channel| channel.kind().to_owned()),
            channel_id: message.channel.map(|channel| channel.id().to_owned()),
            is_open,
            created_at: message.created_at,
        }
    }

    fn author(&mut self) -> Result<Option<Author>, SqlError> {
        match (self.author_id.take(), self.author_email.take()) {
            (Some(id), Some(email)) => {
                Ok(Some(Author { id, email, name: self.author_name.take(), avatar_url: self.author_avatar_url.take() }))
            }
            (None, None) => Ok(None),
            _ => Err(SqlError::Corrupt {
                table: TABLE,
                column: "author_id".into(),
                detail: "an author has an id and an address, or there is none".into(),
            }),
        }
    }
}

impl MessageRow {
    fn channel(&mut self) -> Result<Option<Channel>, SqlError> {
        let channel = match (self.channel_type.take(), self.channel_id.take()) {
            (Some(kind), Some(id)) => Channel::new(kind, id).map(Some).map_err(|error| error.to_string()),
            (None, None) => Ok(None),
            _ => Err("a channel has a type and an id, or there is none".to_owned()),
        };
        channel.map_err(|detail| SqlError::Corrupt { table: TABLE, column: "channel_id".into(), detail })
    }
}

impl TryFrom<MessageRow> for Message {
    type Error = SqlError;

    fn try_from(mut row: MessageRow) -> Result<Self, SqlError> {
        let author = row.author()?;
        let channel = row.channel()?;
        Ok(Self {
            id: row.id,
            seq: row.seq,
            position: row.position,
            role: row.role,
            content: row.content,
            parts: row.parts.0,
            author,
            channel,
            created_at: row.created_at,
        })
    }
}

/// The message is not finished. Written into the text, where the database sees that its index on open messages fits.
pub(crate) fn is_open() -> Expr {
    Expr::col((TABLE, "is_open")).eq(Expr::Constant(Value::Bool(Some(true))))
}

fn in_order(session: Expr) -> SelectStatement {
    let mut select = MessageRow::select();
    select.and_where(Expr::col((TABLE, "session_id")).eq(session)).order_by("position", Order::Asc);
    select
}

/// All messages of a session in order.
pub(crate) fn all(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static ALL: ScopedShape = ScopedShape::new();
    ALL.fill(dialect, scope, [], |session, []| in_order(session))
}

/// Some messages of a session in order.
pub(crate) fn range(dialect: Dialect, scope: Scope<'_>, range: MessageRange) -> Result<Statement, SqlError> {
    static RANGE: ScopedShape = ScopedShape::new();
    let more = [range.after.into_value(dialect)?, range.limit.into()];
    Ok(RANGE.fill(dialect, scope, more, |session, [after, limit]| {
        in_order(session).and_where(Expr::col("position").gt(after)).limit(limit.as_number()).take()
    }))
}

/// At most `limit` newest messages of a session, newest first.
pub(crate) fn newest(dialect: Dialect, scope: Scope<'_>, limit: u32) -> Statement {
    static NEWEST: ScopedShape = ScopedShape::new();
    NEWEST
        .fill(dialect, scope, [limit.into()], |session, [limit]| newest_first(session).limit(limit.as_number()).take())
}

/// At most `limit` messages of a session before a place, newest first.
pub(crate) fn before(dialect: Dialect, scope: Scope<'_>, place: u64, limit: u32) -> Result<Statement, SqlError> {
    static BEFORE: ScopedShape = ScopedShape::new();
    let more = [place.into_value(dialect)?, limit.into()];
    Ok(BEFORE.fill(dialect, scope, more, |session, [place, limit]| {
        newest_first(session).and_where(Expr::col("position").lt(place)).limit(limit.as_number()).take()
    }))
}

fn newest_first(session: Expr) -> SelectStatement {
    let mut select = MessageRow::select();
    select.and_where(Expr::col((TABLE, "session_id")).eq(session)).order_by("position", Order::Desc);
    select
}

/// The messages in the answer to [`newest`] or [`before`] in order, with the open one as it stands.
pub(crate) fn decode_newest(rows: Vec<Row>, open: Option<Message>) -> Result<Vec<Message>, SqlError> {
    let mut messages = decode_all(rows, open)?;
    messages.reverse();
    Ok(messages)
}

/// The messages of a session that changed after a value of its counter, in the order of that.
pub(crate) fn since(dialect: Dialect, scope: Scope<'_>, seq: u64) -> Result<Statement, SqlError> {
    static SINCE: ScopedShape = ScopedShape::new();
    Ok(SINCE.fill(dialect, scope, [seq.into_value(dialect)?, MAX_CHANGES.into()], |session, [seq, limit]| {
        MessageRow::select()
            .and_where(Expr::col((TABLE, "session_id")).eq(session))
            .and_where(Expr::col("seq").gt(seq))
            .order_by("seq", Order::Asc)
            .limit(limit.as_number())
            .take()
    }))
}

/// The messages in the answer to [`since`] and the open one, which may have more text, in their order.
pub(crate) fn decode_since(rows: Vec<Row>, open: Option<Message>) -> Result<Vec<Message>, SqlError> {
    let mut messages = decode_all(rows, None)?;
    if let Some(open) = open {
        messages.retain(|message| message.id != open.id);
        messages.push(open);
    }
    messages.sort_by_key(|message| message.position);
    Ok(messages)
}

/// The messages in the answer to [`all`] or [`range()`], with the open one as it stands in place of its row.
pub(crate) fn decode_all(rows: Vec<Row>, mut open: Option<Message>) -> Result<Vec<Message>, SqlError> {
    let decode = |row| {
        let row = MessageRow::decode(row)?;
        match open.take_if(|open| open.id == row.id) {
            Some(open) => Ok(open),
            None => Message::try_from(row),
        }
    };
    rows.into_iter().map(decode).collect()
}

/// The open message of a session, without what was written so far.
pub(crate) fn open(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static OPEN: ScopedShape = ScopedShape::new();
    OPEN.fill(dialect, scope, [], |session, []| {
        MessageRow::select().and_where(Expr::col((TABLE, "session_id")).eq(session)).and_where(is_open()).take()
    })
}

/// The message in the answer to [`open`] or [`by_id`].
pub(crate) fn decode_one(rows: Vec<Row>) -> Result<Option<Message>, SqlError> {
    MessageRow::decode_first(rows)?.map(Message::try_from).transpose()
}

/// How many messages a session has.
pub(crate) fn count(session: Parameter) -> Expr {
    scalar(
        Query::select()
            .expr(Expr::col((TABLE, "position")).count())
            .from(TABLE)
            .and_where(Expr::col((TABLE, "session_id")).eq(session))
            .take(),
    )
}

/// The place of a message, as `position`.
pub(crate) fn position(dialect: Dialect, session: &SessionId, id: &MessageId) -> Statement {
    let select = Query::select()
        .column("position")
        .from(TABLE)
        .and_where(Expr::col("session_id").eq(session.as_str()))
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    dialect.statement(&select)
}

/// One message as it is in its row.
pub(crate) fn by_id(dialect: Dialect, session: &SessionId, id: &MessageId) -> Statement {
    static BY_ID: Shape = Shape::new();
    BY_ID.fill(dialect, [session.as_str().into(), id.as_str().into()], |[session, id]| {
        MessageRow::select()
            .and_where(Expr::col((TABLE, "session_id")).eq(session))
            .and_where(Expr::col((TABLE, "id")).eq(id))
            .take()
    })
}

/// Gives a message other parts; its words stay as they are. It may have been taken back meanwhile.
pub(crate) fn replace_parts(
    dialect: Dialect,
    session: &SessionId,
    id: &MessageId,
    parts: Vec<Part>,
    seq: u64,
) -> Result<Step, SqlError> {
    static REPLACE_PARTS: Shape = Shape::new();
    let arguments =
        [session.as_str().into(), id.as_str().into(), seq.into_value(dialect)?, JsonText(parts).into_value(dialect)?];
    Ok(Step::new(REPLACE_PARTS.fill(dialect, arguments, |[session, id, seq, parts]| {
        Query::update()
            .table(TABLE)
            .value("seq", seq)
            .value("parts", parts)
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("id").eq(id))
            .take()
    })))
}

/// Adds a message, and its words to the index. One of the agent without parts is the open one, which is in no index.
pub(crate) fn add(dialect: Dialect, session: &SessionId, message: Message) -> Result<Vec<Step>, SqlError> {
    let words = if is_open_at_first(&message) { None } else { search::messages::add(dialect, session, &message)? };
    let attached = attachments::add(dialect, session, &message)?;
    let mut steps = vec![Step::new(MessageRow::new(session, message).insert(dialect)?)];
    steps.extend(attached);
    steps.extend(words);
    Ok(steps)
}

/// Removes a message, and with it its words from the index.
pub(crate) fn remove(dialect: Dialect, session: &SessionId, id: &MessageId) -> Step {
    static REMOVE: Shape = Shape::new();
    Step::guarded(REMOVE.fill(dialect, [session.as_str().into(), id.as_str().into()], |[session, id]| {
        Query::delete()
            .from_table(TABLE)
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("id").eq(id))
            .take()
    }))
}

/// Narrows to the messages of a session in these places.
pub(crate) fn between(session: Parameter, first: Parameter, last: Parameter) -> Condition {
    Condition::all()
        .add(Expr::col((TABLE, "session_id")).eq(session))
        .add(Expr::col((TABLE, "position")).gte(first))
        .add(Expr::col((TABLE, "position")).lte(last))
}

/// Removes the messages of these places, and what refers to them. There may be none.
pub(crate) fn remove_between(dialect: Dialect, session: &SessionId, first: u64, last: u64) -> Result<Step, SqlError> {
    static REMOVE_BETWEEN: Shape = Shape::new();
    let arguments = [session.as_str().into(), first.into_value(dialect)?, last.into_value(dialect)?];
    Ok(Step::new(REMOVE_BETWEEN.fill(dialect, arguments, |[session, first, last]| {
        Query::delete().from_table(TABLE).cond_where(between(session, first, last)).take()
    })))
}

/// At most `limit` ids of the messages of these places in order, as `id`.
pub(crate) fn ids_between(
    dialect: Dialect,
    session: &SessionId,
    [first, last]: [u64; 2],
    limit: u32,
) -> Result<Statement, SqlError> {
    static IDS_BETWEEN: Shape = Shape::new();
    let arguments = [session.as_str().into(), first.into_value(dialect)?, last.into_value(dialect)?, limit.into()];
    Ok(IDS_BETWEEN.fill(dialect, arguments, |[session, first, last, limit]| {
        Query::select()
            .column((TABLE, "id"))
            .from(TABLE)
            .cond_where(between(session, first, last))
            .order_by((TABLE, "position"), Order::Asc)
            .limit(limit.as_number())
            .take()
    }))
}

/// Removes some messages, the oldest ones, and what refers to them.
pub(crate) fn remove_some(dialect: Dialect, session: &SessionId, limit: u32) -> Step {
    static REMOVE_SOME: Shape = Shape::new();
    Step::new(REMOVE_SOME.fill(dialect, [session.as_str().into(), limit.into()], |[session, limit]| {
        let of_session = || Expr::col((TABLE, "session_id")).eq(session);
        let oldest = Query::select()
            .column((TABLE, "id"))
            .from(TABLE)
            .and_where(of_session())
            .order_by((TABLE, "position"), Order::Asc)
            .limit(limit.as_number())
            .take();
        Query::delete()
            .from_table(TABLE)
            .and_where(of_session())
            .and_where(Expr::col((TABLE, "id")).in_subquery(oldest))
            .take()
    }))
}

/// Most texts that one of [`texts`] asks for: databases bound the number of arguments.
const TEXTS_AT_ONCE: usize = 50;

/// The texts of these messages, as `content`. `ids` are in the order in which they were said; so is what the statements
/// answer, one after the other.
pub(crate) fn texts(dialect: Dialect, session: &SessionId, ids: &[MessageId]) -> Vec<Statement> {
    let statement = |ids: &[MessageId]| {
        let select = Query::select()
            .column("content")
            .from(TABLE)
            .and_where(Expr::col("session_id").eq(session.as_str()))
            .and_where(Expr::col("id").is_in(ids.iter().map(MessageId::as_str)))
            .order_by("position", Order::Asc)
            .take();
        dialect.statement(&select)
    };
    ids.chunks(TEXTS_AT_ONCE).map(statement).collect()
}

fn is_open_at_first(message: &Message) -> bool {
    message.role == MessageRole::Assistant && message.parts.is_empty()
}

/// Finishes the open message: all of it is in its row then, and its words are in the index.
pub(crate) fn finish(dialect: Dialect, session: &SessionId, message: Message) -> Result<Vec<Step>, SqlError> {
    static FINISH: Shape = Shape::new();
    let words = search::messages::add(dialect, session, &message)?;
    let arguments = [
        session.as_str().into(),
        message.id.as_str().into(),
        message.seq.into_value(dialect)?,
        message.content.into(),
        JsonText(message.parts).into_value(dialect)?,
    ];
    let finish = FINISH.fill(dialect, arguments, |[session, id, seq, content, parts]| {
        Query::update()
            .table(TABLE)
            .value("seq", seq)
            .value("content", content)
            .value("parts", parts)
            .value("is_open", false)
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("id").eq(id))
            .and_where(is_open())
            .take()
    });
    let mut steps = vec![Step::guarded(finish)];
    steps.extend(open_message::remove(dialect, session, &message.id));
    steps.extend(words);
    Ok(steps)
}
