//! The table `attachments`: what goes with prompts, whose bytes are in the object store.

use portway_domain::attachments::{Attachment, AttachmentId, MediaType};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{self, Message};
use sea_query::{Expr, ExprTrait, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape};
use crate::value::IntoValue;

const TABLE: &str = AttachmentRow::TABLE;

record! {
    struct AttachmentRow in "attachments" {
        session: SessionId = "session_id",
        message: MessageId = "message_id",
        number: u32,
        media_type: MediaType,
        name: Option<String>,
        size: u64,
        sha256: String,
        object_key: String,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<AttachmentRow>();

impl AttachmentRow {
    fn new(session: &SessionId, message: &MessageId, attachment: Attachment) -> Self {
        let object_key = AttachmentId { message: message.clone(), number: attachment.number }.object_key(session);
        let Attachment { number, media_type, name, size, sha256, transcript: _ } = attachment;
        Self { session: session.clone(), message: message.clone(), number, media_type, name, size, sha256, object_key }
    }
}

impl From<AttachmentRow> for Attachment {
    fn from(row: AttachmentRow) -> Self {
        let AttachmentRow { number, media_type, name, size, sha256, .. } = row;
        Self { number, media_type, name, size, sha256, transcript: None }
    }
}

/// Adds those of a message.
pub(crate) fn add(dialect: Dialect, session: &SessionId, message: &Message) -> Result<Vec<Step>, SqlError> {
    let row = |attachment: &Attachment| AttachmentRow::new(session, &message.id, attachment.clone());
    messages::attachments(&message.parts).map(|attachment| Ok(Step::new(row(attachment).insert(dialect)?))).collect()
}

/// One of them.
pub(crate) fn by_id(dialect: Dialect, scope: Scope<'_>, id: &AttachmentId) -> Result<Statement, SqlError> {
    static BY_ID: ScopedShape = ScopedShape::new();
    let more = [id.message.as_str().into(), id.number.into_value(dialect)?];
    Ok(BY_ID.fill(dialect, scope, more, |session, [message, number]| {
        AttachmentRow::select()
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("message_id").eq(message))
            .and_where(Expr::col("number").eq(number))
            .take()
    }))
}

/// The one in the answer to [`by_id`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Option<Attachment>, SqlError> {
    Ok(AttachmentRow::decode_first(rows)?.map(Attachment::from))
}

/// Those of some messages.
pub(crate) fn of_messages(dialect: Dialect, session: &SessionId, messages: &[MessageId]) -> Statement {
    let ids: Vec<&str> = messages.iter().map(MessageId::as_str).collect();
    let select = AttachmentRow::select()
        .and_where(Expr::col("session_id").eq(session.as_str()))
        .and_where(dialect.in_list(Expr::col("message_id"), &ids))
        .take();
    dialect.statement(&select)
}

/// Those in the answer to [`of_messages`], in the order of `messages`.
pub(crate) fn decode_of(rows: Vec<Row>, messages: &[MessageId]) -> Result<Vec<(MessageId, Attachment)>, SqlError> {
    let mut rows = AttachmentRow::decode_all(rows)?;
    rows.sort_by_key(|row| (messages.iter().position(|id| *id == row.message), row.number));
    Ok(rows.into_iter().map(|row| (row.message.clone(), row.into())).collect())
}

/// Which of these keys of the object store there are, as `object_key`.
pub(crate) fn known_keys(dialect: Dialect, keys: &[String]) -> Statement {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let select = Query::select()
        .column("object_key")
        .from(TABLE)
        .and_where(dialect.in_list(Expr::col("object_key"), &keys))
        .take();
    dialect.statement(&select)
}
