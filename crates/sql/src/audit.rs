//! The table `audit_log`.

use portway_domain::engine::AuditEntry;
use portway_domain::ids::{AuditId, SessionId, UserId};
use portway_domain::time::Timestamp;
use portway_ports::sessions::AuditPage;
use sea_query::{Expr, ExprTrait, Order};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape};
use crate::value::IntoValue;

record! {
    struct AuditRow in "audit_log" {
        session: SessionId = "session_id",
        seq: u64,
        id: AuditId,
        event_type: String,
        summary: String,
        actor: Option<UserId> = "actor_id",
        created_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<AuditRow>();

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            seq: row.seq,
            event_type: row.event_type,
            summary: row.summary,
            actor: row.actor,
            created_at: row.created_at,
        }
    }
}

/// The newest entries of a session, newest first.
pub(crate) fn newest(dialect: Dialect, scope: Scope<'_>, limit: u32) -> Statement {
    static NEWEST: ScopedShape = ScopedShape::new();
    NEWEST.fill(dialect, scope, [limit.into()], |session, [limit]| {
        AuditRow::select()
            .and_where(Expr::col("session_id").eq(session))
            .order_by("seq", Order::Desc)
            .limit(limit.as_number())
            .take()
    })
}

/// A page of the entries of a session, oldest first.
pub(crate) fn page(dialect: Dialect, scope: Scope<'_>, page: &AuditPage) -> Result<Statement, SqlError> {
    // By whether they are of one kind.
    static PAGE: [ScopedShape; 2] = [const { ScopedShape::new() }; 2];
    let AuditPage { after, limit, event_type } = page;
    let shape = &PAGE[usize::from(event_type.is_some())];
    let more = [after.into_value(dialect)?, (*limit).into(), event_type.as_deref().into()];
    Ok(shape.fill(dialect, scope, more, |session, [after, limit, of_type]| {
        AuditRow::select()
            .and_where(Expr::col("session_id").eq(session))
            .and_where(Expr::col("seq").gt(after))
            .and_where_option(event_type.as_ref().map(|_| Expr::col("event_type").eq(of_type)))
            .order_by("seq", Order::Asc)
            .limit(limit.as_number())
            .take()
    }))
}

/// The entries in the answer to [`page`].
pub(crate) fn decode_page(rows: Vec<Row>) -> Result<Vec<AuditEntry>, SqlError> {
    Ok(AuditRow::decode_all(rows)?.into_iter().map(AuditEntry::from).collect())
}

/// The entries in the answer to [`newest`], oldest first.
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<AuditEntry>, SqlError> {
    let mut entries = decode_page(rows)?;
    entries.reverse();
    Ok(entries)
}

/// Adds an entry.
pub(crate) fn add(dialect: Dialect, session: &SessionId, entry: AuditEntry) -> Result<Step, SqlError> {
    let row = AuditRow {
        session: session.clone(),
        seq: entry.seq,
        id: entry.id,
        event_type: entry.event_type,
        summary: entry.summary,
        actor: entry.actor,
        created_at: entry.created_at,
    };
    Ok(Step::new(row.insert(dialect)?))
}
