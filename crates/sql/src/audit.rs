//! The table `audit_log`.

use portway_domain::engine::AuditEntry;
use portway_domain::ids::{AuditId, SessionId, UserId};
use portway_domain::time::Timestamp;
use sea_query::{Expr, ExprTrait, Order};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::sessions::{Scope, ScopedShape};

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

/// The entries in the answer to [`newest`], oldest first.
pub(crate) fn decode(rows: Vec<Row>) -> Result<Vec<AuditEntry>, SqlError> {
    Ok(AuditRow::decode_all(rows)?.into_iter().rev().map(AuditEntry::from).collect())
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
