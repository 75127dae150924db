//! The tables `message_parts` and `message_segments`: what was written of a message that is not finished.
//!
//! Tool calls and plans are rows that change, text is rows that are only added. Together they are the parts of the
//! message, in the order of their indexes. When the message is finished they are folded into its row and go.

use std::collections::BTreeMap;

use portway_domain::engine::{OpenMessage, OpenPart};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{Message, Part, Segment, TextKind};
use sea_query::{Expr, ExprTrait, InsertStatement, OnConflict, Order, Query, SelectStatement};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::json_text::JsonText;
use crate::messages;
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape};
use crate::shape::{Parameter, Shape};

record! {
    struct PartRow in "message_parts" {
        session: SessionId = "session_id",
        message: MessageId = "message_id",
        index: u32 = "part_index",
        part: JsonText<Part>,
        seq: u64,
    }
}

record! {
    struct SegmentRow in "message_segments" {
        session: SessionId = "session_id",
        message: MessageId = "message_id",
        index: u32 = "part_index",
        offset: u64 = "byte_offset",
        kind: TextKind,
        text: String,
    }
}

/// How tool calls and plans are checked.
pub(crate) const PARTS: Records = Records::of::<PartRow>();

/// How text is checked.
pub(crate) const SEGMENTS: Records = Records::of::<SegmentRow>();

/// An open message, put together from its rows.
pub(crate) struct Open {
    /// The message.
    pub(crate) message: OpenMessage,
    seq: u64,
}

impl Open {
    /// The message as it stands.
    pub(crate) fn snapshot(&self) -> Message {
        self.message.snapshot(self.seq)
    }
}

/// The open message of a session: its row, its tool calls and plans, its text.
pub(crate) fn load(dialect: Dialect, scope: Scope<'_>) -> [Statement; 3] {
    [messages::open(dialect, scope), parts(dialect, scope), segments(dialect, scope)]
}

/// The tool calls and plans of the open message.
fn parts(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static PARTS: ScopedShape = ScopedShape::new();
    PARTS.fill(dialect, scope, [], |session, []| PartRow::select_of(session).order_by("part_index", Order::Asc).take())
}

/// The text of the open message.
fn segments(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static SEGMENTS: ScopedShape = ScopedShape::new();
    SEGMENTS.fill(dialect, scope, [], |session, []| {
        SegmentRow::select_of(session).order_by("part_index", Order::Asc).order_by("byte_offset", Order::Asc).take()
    })
}

trait PieceRow: Record {
    /// Only the open message has such rows, so the session alone finds them.
    fn select_of(session: Expr) -> SelectStatement {
        let mut select = Self::select();
        select.and_where(Expr::col("session_id").eq(session)).order_by("message_id", Order::Asc);
        select
    }

    /// An insert that does nothing unless the message is open. The session and the message come first of the columns.
    fn insert_into_open(values: &[Parameter]) -> Result<InsertStatement, SqlError> {
        let [session, message, ..] = values else {
            return Err(SqlError::Statement("a piece has a session and a message".into()));
        };
        let select = Query::select()
            .exprs(values.iter().copied().map(Expr::from))
            .from(messages::TABLE)
            .and_where(Expr::col("session_id").eq(*session))
            .and_where(Expr::col("id").eq(*message))
            .and_where(messages::is_open())
            .take();
        let mut insert = Query::insert();
        insert
            .into_table(Self::TABLE)
            .columns(Self::COLUMNS.iter().copied())
            .select_from(select)
            .map_err(|error| SqlError::Statement(error.to_string()))?;
        Ok(insert)
    }
}

impl PieceRow for PartRow {}
impl PieceRow for SegmentRow {}

/// The message in the answers to [`load`].
pub(crate) fn decode(message: Vec<Row>, parts: Vec<Row>, segments: Vec<Row>) -> Result<Option<Open>, SqlError> {
    let Some(message) = messages::decode_one(message)? else {
        return Ok(None);
    };
    let mut rebuilt = BTreeMap::new();
    for row in SegmentRow::decode_all(segments)?.into_iter().filter(|row| row.message == message.id) {
        append(&mut rebuilt, row)?;
    }
    let mut seq = message.seq;
    for row in PartRow::decode_all(parts)?.into_iter().filter(|row| row.message == message.id) {
        seq = Ord::max(seq, row.seq);
        insert(&mut rebuilt, row)?;
    }
    let channel = message.channel;
    let mut open = OpenMessage { channel, ..OpenMessage::new(message.id, message.position, message.created_at) };
    for (expected, (index, part)) in (0..).zip(rebuilt) {
        if index != expected {
            return Err(corrupt(PartRow::TABLE, "part_index", "a part is missing"));
        }
        open.restore(part);
    }
    Ok(Some(Open { message: open, seq }))
}

/// Puts a tool call or plan in its place.
fn insert(parts: &mut BTreeMap<u32, OpenPart>, row: PartRow) -> Result<(), SqlError> {
    let part = match row.part.0 {
        Part::ToolCall(call) => OpenPart::Tool(call),
        Part::Plan { entries } => OpenPart::Plan(entries),
        _ => return Err(corrupt(PartRow::TABLE, "part", "expected a tool call or a plan")),
    };
    match parts.insert(row.index, part) {
        None => Ok(()),
        Some(_) => Err(corrupt(PartRow::TABLE, "part_index", "the part is text as well")),
    }
}

/// Adds a segment to the part that it belongs to.
fn append(parts: &mut BTreeMap<u32, OpenPart>, row: SegmentRow) -> Result<(), SqlError> {
    let part = parts.entry(row.index).or_insert_with(|| OpenPart::Text(row.kind, String::new()));
    match part {
        OpenPart::Text(kind, text) if *kind == row.kind && text.len() as u64 == row.offset => {
            text.push_str(&row.text);
            Ok(())
        }
        _ => Err(corrupt(SegmentRow::TABLE, "byte_offset", "the text before it is missing or of another kind")),
    }
}

/// Adds text to the open message.
pub(crate) fn append_text(dialect: Dialect, session: &SessionId, segment: Segment) -> Result<Step, SqlError> {
    static APPEND: Shape = Shape::new();
    let row = SegmentRow {
        session: session.clone(),
        message: segment.message,
        index: segment.part,
        offset: segment.offset,
        kind: segment.kind,
        text: segment.text,
    };
    APPEND.fill_values(dialect, &row.into_values(dialect)?, SegmentRow::insert_into_open).map(Step::guarded)
}

/// Sets a tool call or plan of the open message.
pub(crate) fn set_part(
    dialect: Dialect,
    session: &SessionId,
    message: &MessageId,
    index: u32,
    part: Part,
    seq: u64,
) -> Result<Step, SqlError> {
    static SET: Shape = Shape::new();
    let row = PartRow { session: session.clone(), message: message.clone(), index, part: JsonText(part), seq };
    let set = SET.fill_values(dialect, &row.into_values(dialect)?, |values| {
        let mut replace = OnConflict::columns(["session_id", "message_id", "part_index"]);
        replace.update_columns(["part", "seq"]);
        Ok(PartRow::insert_into_open(values)?.on_conflict(replace).take())
    });
    set.map(Step::guarded)
}

/// Removes the pieces of a message.
pub(crate) fn remove(dialect: Dialect, session: &SessionId, message: &MessageId) -> [Step; 2] {
    static PARTS: Shape = Shape::new();
    static SEGMENTS: Shape = Shape::new();
    [(&PARTS, PartRow::TABLE), (&SEGMENTS, SegmentRow::TABLE)].map(|(shape, table)| {
        let arguments = [session.as_str().into(), message.as_str().into()];
        Step::new(shape.fill(dialect, arguments, |[session, message]| {
            Query::delete()
                .from_table(table)
                .and_where(Expr::col("session_id").eq(session))
                .and_where(Expr::col("message_id").eq(message))
                .take()
        }))
    })
}

fn corrupt(table: &'static str, column: &str, detail: &str) -> SqlError {
    SqlError::Corrupt { table, column: column.to_owned(), detail: detail.to_owned() }
}
