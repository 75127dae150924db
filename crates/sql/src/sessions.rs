//! The table `sessions`.

use portway_domain::access::{Principal, SessionRole};
use portway_domain::ids::{SessionId, UserId};
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::pages::{Cursor, PageRequest};
use portway_ports::sessions::{SessionAccess, SessionFilter, SessionListItem};
use sea_query::{Expr, ExprTrait, Order, Query};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::subquery::scalar;
use crate::tokens::user_of;
use crate::value::IntoValue;

const TABLE: &str = SessionRow::TABLE;

record! {
    pub(crate) struct SessionRow in "sessions" {
        id: SessionId,
        owner: UserId = "owner_id",
        workspace: String,
        status: SessionStatus,
        title: Option<String>,
        agent: String,
        directory: Option<String>,
        metadata: Option<String>,
        error_message: Option<String>,
        created_at: Timestamp,
        last_active_at: Timestamp,
    }
}

impl From<Session> for SessionRow {
    fn from(session: Session) -> Self {
        Self {
            id: session.id,
            owner: session.owner,
            workspace: session.workspace,
            status: session.status,
            title: session.title,
            agent: session.agent,
            directory: session.directory,
            metadata: session.metadata,
            error_message: session.error_message,
            created_at: session.created_at,
            last_active_at: session.last_active_at,
        }
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            owner: row.owner,
            workspace: row.workspace,
            status: row.status,
            title: row.title,
            agent: row.agent,
            directory: row.directory,
            metadata: row.metadata,
            error_message: row.error_message,
            created_at: row.created_at,
            last_active_at: row.last_active_at,
        }
    }
}

/// Which session, and on whose behalf its rows are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The session.
    pub(crate) id: &'a SessionId,
    /// The caller, who sees rows of their own sessions only; the gateway itself if absent.
    pub(crate) caller: Option<&'a TokenHash>,
}

impl Scope<'_> {
    /// The id of the session; `NULL` when it is none of the caller's business.
    pub(crate) fn session(self) -> Expr {
        let Some(caller) = self.caller else {
            return Expr::from(self.id.as_str());
        };
        scalar(
            Query::select()
                .column((TABLE, "id"))
                .from(TABLE)
                .and_where(Expr::col((TABLE, "id")).eq(self.id.as_str()))
                .and_where(Expr::col((TABLE, "owner_id")).eq(user_of(caller)))
                .take(),
        )
    }
}

/// A page of the caller's sessions, newest first, and one row more if there is another page.
pub(crate) fn list(
    dialect: Dialect,
    caller: &TokenHash,
    status: Option<SessionStatus>,
    page: &PageRequest,
) -> Statement {
    let mut select = SessionRow::select();
    select
        .and_where(Expr::col("owner_id").eq(user_of(caller)))
        .and_where_option(status.map(|status| Expr::col("status").eq(status.as_str())))
        .and_where_option(page.after.as_ref().map(|cursor| older(dialect, cursor)))
        .order_by("created_at", Order::Desc)
        .order_by("id", Order::Desc)
        .limit(u64::from(page.limit()) + 1);
    dialect.statement(&select)
}

fn older(dialect: Dialect, cursor: &Cursor) -> Expr {
    let last = [Expr::from(dialect.time(cursor.at)), Expr::from(cursor.id.as_str())];
    Expr::tuple([Expr::col("created_at"), Expr::col("id")]).lt(Expr::tuple(last))
}

/// The sessions in the answer to [`list`]. All of them belong to the caller.
pub(crate) fn decode_list(rows: Vec<Row>, owner: &Principal) -> Result<Vec<SessionListItem>, SqlError> {
    let item = |row| {
        Ok(SessionListItem {
            session: SessionRow::decode(row)?.into(),
            owner_name: owner.name.clone(),
            owner_email: owner.email.clone(),
            owner_avatar_url: owner.avatar_url.clone(),
        })
    };
    rows.into_iter().map(item).collect()
}

/// Where the page after this row begins.
pub(crate) fn cursor(item: &SessionListItem) -> Cursor {
    Cursor { at: item.session.created_at, id: item.session.id.as_str().to_owned() }
}

/// Whether a filter can match anything at all. Sessions are not shared yet.
pub(crate) fn matches_something(filter: SessionFilter) -> bool {
    use portway_ports::sessions::Ownership;
    match filter.ownership {
        Ownership::All | Ownership::Mine => true,
        Ownership::Shared => false,
    }
}

/// The session of that id, whoever owns it.
pub(crate) fn by_id(dialect: Dialect, id: &SessionId) -> Statement {
    dialect.statement(&SessionRow::select().and_where(Expr::col("id").eq(id.as_str())).take())
}

/// The session in the answer to [`by_id`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Option<Session>, SqlError> {
    Ok(SessionRow::decode_first(rows)?.map(Session::from))
}

/// A session with the caller's role in it.
pub(crate) fn access(session: Session, caller: &Principal) -> SessionAccess {
    let role = (session.owner == caller.user).then_some(SessionRole::Owner);
    SessionAccess { session, role }
}

/// How many active sessions the caller owns, as `active`.
pub(crate) fn count_active(dialect: Dialect, caller: &TokenHash) -> Statement {
    let active = SessionStatus::ACTIVE.map(SessionStatus::as_str);
    let select = Query::select()
        .expr_as(Expr::col("id").count(), "active")
        .from(TABLE)
        .and_where(Expr::col("owner_id").eq(user_of(caller)))
        .and_where(Expr::col("status").is_in(active))
        .take();
    dialect.statement(&select)
}

/// Adds a session.
pub(crate) fn add(dialect: Dialect, session: Session) -> Result<Step, SqlError> {
    Ok(Step::new(dialect.statement(&SessionRow::from(session).insert(dialect)?)))
}

/// What changes in a session's row besides the time.
pub(crate) struct Touch {
    /// The new status.
    pub(crate) status: Option<SessionStatus>,
    /// What goes with the new status.
    pub(crate) error: Option<String>,
    /// The new title.
    pub(crate) title: Option<String>,
}

/// Changes a session's row.
pub(crate) fn touch(dialect: Dialect, id: &SessionId, touch: Touch, at: Timestamp) -> Result<Step, SqlError> {
    let mut update = Query::update();
    update.table(TABLE).value("last_active_at", dialect.time(at)).and_where(Expr::col("id").eq(id.as_str()));
    if let Some(status) = touch.status {
        update.value("status", status.as_str()).value("error_message", touch.error.into_value(dialect)?);
    }
    if let Some(title) = touch.title {
        update.value("title", title);
    }
    Ok(Step::guarded(dialect.statement(&update)))
}
