//! The table `sessions`.

use portway_domain::access::{Principal, SessionRole};
use portway_domain::ids::{SessionId, UserId};
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::pages::{Cursor, PageRequest};
use portway_ports::sessions::{SessionAccess, SessionFilter, SessionListItem};
use sea_query::{Expr, ExprTrait, Order, Query, QueryStatementWriter, Value};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::shape::{Parameter, Shape};
use crate::subquery::scalar;
use crate::tokens::user_of;
use crate::value::IntoValue;

pub(crate) const TABLE: &str = SessionRow::TABLE;

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

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<SessionRow>();

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

/// A statement about a session that is read for a caller as well as for the gateway itself.
pub(crate) struct ScopedShape {
    caller: Shape,
    gateway: Shape,
}

impl ScopedShape {
    pub(crate) const fn new() -> Self {
        Self { caller: Shape::new(), gateway: Shape::new() }
    }

    /// The statement for a scope. `build` gets the id of the session, which is `NULL` when it is none of the caller's
    /// business, and the parameters of the other arguments.
    pub(crate) fn fill<const N: usize, Q: QueryStatementWriter>(
        &'static self,
        dialect: Dialect,
        scope: Scope<'_>,
        arguments: [Value; N],
        build: impl FnOnce(Expr, [Parameter; N]) -> Q,
    ) -> Statement {
        let id = scope.id.as_str().into();
        match scope.caller {
            None => self.gateway.fill_both(dialect, [id], arguments, |[id], others| build(id.into(), others)),
            Some(caller) => {
                let scope = [id, caller.as_str().into()];
                self.caller
                    .fill_both(dialect, scope, arguments, |[id, caller], others| build(owned(id, caller), others))
            }
        }
    }
}

/// The id of a session; `NULL` when it is none of the caller's business.
fn owned(id: Parameter, caller: Parameter) -> Expr {
    scalar(
        Query::select()
            .column((TABLE, "id"))
            .from(TABLE)
            .and_where(Expr::col((TABLE, "id")).eq(id))
            .and_where(Expr::col((TABLE, "owner_id")).eq(user_of(caller)))
            .take(),
    )
}

/// A page of the caller's sessions, newest first, and one row more if there is another page.
pub(crate) fn list(
    dialect: Dialect,
    caller: &TokenHash,
    status: Option<SessionStatus>,
    page: &PageRequest,
) -> Statement {
    // By what a page is narrowed: nothing, its status, what came before it, both.
    static LIST: [Shape; 4] = [const { Shape::new() }; 4];
    let shape = &LIST[usize::from(status.is_some()) + 2 * usize::from(page.after.is_some())];
    let arguments = [
        caller.as_str().into(),
        (u64::from(page.limit()) + 1).into(),
        status.map(SessionStatus::as_str).into(),
        dialect.optional_time(page.after.as_ref().map(|cursor| cursor.at)),
        page.after.as_ref().map(|cursor| cursor.id.as_str()).into(),
    ];
    shape.fill(dialect, arguments, |[caller, limit, of_status, at, id]| {
        SessionRow::select()
            .and_where(Expr::col("owner_id").eq(user_of(caller)))
            .and_where_option(status.map(|_| Expr::col("status").eq(of_status)))
            .and_where_option(page.after.as_ref().map(|_| older(at, id)))
            .order_by("created_at", Order::Desc)
            .order_by("id", Order::Desc)
            .limit(limit.as_number())
            .take()
    })
}

fn older(at: Parameter, id: Parameter) -> Expr {
    Expr::tuple([Expr::col("created_at"), Expr::col("id")]).lt(Expr::tuple([at, id].map(Expr::from)))
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
    static BY_ID: Shape = Shape::new();
    BY_ID.fill(dialect, [id.as_str().into()], |[id]| SessionRow::select().and_where(Expr::col("id").eq(id)).take())
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
    static ACTIVE: Shape = Shape::new();
    ACTIVE.fill(dialect, [caller.as_str().into()], |[caller]| {
        Query::select()
            .expr_as(Expr::col("id").count(), "active")
            .from(TABLE)
            .and_where(Expr::col("owner_id").eq(user_of(caller)))
            .and_where(Expr::col("status").is_in(SessionStatus::ACTIVE.map(SessionStatus::as_str)))
            .take()
    })
}

/// Adds a session.
pub(crate) fn add(dialect: Dialect, session: Session) -> Result<Step, SqlError> {
    Ok(Step::new(SessionRow::from(session).insert(dialect)?))
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
    // By what changes besides: nothing, the status, the title, both.
    static TOUCH: [Shape; 4] = [const { Shape::new() }; 4];
    let (has_status, has_title) = (touch.status.is_some(), touch.title.is_some());
    let arguments = [
        id.as_str().into(),
        dialect.time(at),
        touch.status.into_value(dialect)?,
        touch.error.into_value(dialect)?,
        touch.title.into_value(dialect)?,
    ];
    let shape = &TOUCH[usize::from(has_status) + 2 * usize::from(has_title)];
    Ok(Step::guarded(shape.fill(dialect, arguments, |[id, at, status, error, title]| {
        let mut update = Query::update();
        update.table(TABLE).value("last_active_at", at).and_where(Expr::col("id").eq(id));
        if has_status {
            update.value("status", status).value("error_message", error);
        }
        if has_title {
            update.value("title", title);
        }
        update
    })))
}
