//! The table `sessions`.

use portway_domain::access::{Principal, SessionRole};
use portway_domain::ids::{SessionId, UserId};
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::sharing::ParticipantRole;
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::pages::{Cursor, PageRequest};
use portway_ports::sessions::{SessionAccess, SessionListItem};
use sea_query::{Expr, ExprTrait, Order, Query, QueryStatementWriter, SelectStatement, Value};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::participants;
use crate::record::{Cells, Record, record};
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
        parent: Option<SessionId> = "parent_id",
    }
}

record! {
    // No column has the name of one of the session: D1 answers with objects.
    struct OwnerRow in "users" {
        email: String,
        name: Option<String>,
        avatar_url: Option<String>,
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
            parent: session.parent,
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
            parent: row.parent,
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
                    .fill_both(dialect, scope, arguments, |[id, caller], others| build(visible(id, caller), others))
            }
        }
    }
}

/// The id of a session; `NULL` when it is none of the caller's business.
fn visible(id: Parameter, caller: Parameter) -> Expr {
    let is_owner = Expr::col((TABLE, "owner_id")).eq(user_of(caller));
    scalar(
        Query::select()
            .column((TABLE, "id"))
            .from(TABLE)
            .and_where(Expr::col((TABLE, "id")).eq(id))
            .and_where(is_owner.or(participants::role_of(caller).is_not_null()))
            .take(),
    )
}

/// By what a page is narrowed: nothing, its status, what came before it, both.
type PageShapes = [Shape; 4];

/// A page of sessions, newest first, and one row more if there is another page. `select` gets the caller and names the
/// columns that such pages are sorted by.
fn page(
    shapes: &'static PageShapes,
    dialect: Dialect,
    caller: &TokenHash,
    status: Option<SessionStatus>,
    page: &PageRequest,
    select: impl FnOnce(Parameter) -> (SelectStatement, [(&'static str, &'static str); 2]),
) -> Statement {
    let shape = &shapes[usize::from(status.is_some()) + 2 * usize::from(page.after.is_some())];
    let arguments = [
        caller.as_str().into(),
        (u64::from(page.limit()) + 1).into(),
        status.map(SessionStatus::as_str).into(),
        dialect.optional_time(page.after.as_ref().map(|cursor| cursor.at)),
        page.after.as_ref().map(|cursor| cursor.id.as_str()).into(),
    ];
    shape.fill(dialect, arguments, |[caller, limit, of_status, at, id]| {
        let (mut select, order) = select(caller);
        let older = || Expr::tuple(order.map(Expr::col)).lt(Expr::tuple([at, id].map(Expr::from)));
        select
            .and_where_option(status.map(|_| Expr::col((TABLE, "status")).eq(of_status)))
            .and_where_option(page.after.as_ref().map(|_| older()));
        for column in order {
            select.order_by(column, Order::Desc);
        }
        select.limit(limit.as_number()).take()
    })
}

/// A page of the sessions that the caller owns.
pub(crate) fn owned(
    dialect: Dialect,
    caller: &TokenHash,
    status: Option<SessionStatus>,
    request: &PageRequest,
) -> Statement {
    static OWNED: PageShapes = [const { Shape::new() }; 4];
    page(&OWNED, dialect, caller, status, request, |caller| {
        let select = SessionRow::select()
            .expr_as(participants::listed(dialect), "participants")
            .and_where(Expr::col((TABLE, "owner_id")).eq(user_of(caller)))
            .take();
        (select, [(TABLE, "created_at"), (TABLE, "id")])
    })
}

/// A page of the sessions that the caller takes part in.
pub(crate) fn shared(
    dialect: Dialect,
    caller: &TokenHash,
    status: Option<SessionStatus>,
    request: &PageRequest,
) -> Statement {
    static SHARED: PageShapes = [const { Shape::new() }; 4];
    page(&SHARED, dialect, caller, status, request, |caller| {
        let participant = |column| (participants::TABLE, column);
        let select = SessionRow::select()
            .expr_as(participants::listed(dialect), "participants")
            .columns(OwnerRow::COLUMNS.iter().map(|column| (OwnerRow::TABLE, *column)))
            .inner_join(participants::TABLE, Expr::col((participants::TABLE, "session_id")).equals((TABLE, "id")))
            .inner_join(OwnerRow::TABLE, Expr::col((OwnerRow::TABLE, "id")).equals((TABLE, "owner_id")))
            .and_where(Expr::col(participant("user_id")).eq(user_of(caller)))
            .take();
        (select, [participant("session_created_at"), participant("session_id")])
    })
}

/// The sessions in the answer to [`owned`].
pub(crate) fn decode_owned(rows: Vec<Row>, owner: &Principal) -> Result<Vec<SessionListItem>, SqlError> {
    let item = |row| {
        let mut cells = Cells::new(row);
        Ok(SessionListItem {
            session: SessionRow::decode_cells(&mut cells)?.into(),
            participants: participants::decode_listed(&mut cells)?,
            owner_name: owner.name.clone(),
            owner_email: owner.email.clone(),
            owner_avatar_url: owner.avatar_url.clone(),
        })
    };
    rows.into_iter().map(item).collect()
}

/// The sessions in the answer to [`shared`].
pub(crate) fn decode_shared(rows: Vec<Row>) -> Result<Vec<SessionListItem>, SqlError> {
    let item = |row| {
        let mut cells = Cells::new(row);
        let session = SessionRow::decode_cells(&mut cells)?.into();
        let participants = participants::decode_listed(&mut cells)?;
        let owner = OwnerRow::decode_cells(&mut cells)?;
        Ok(SessionListItem {
            session,
            participants,
            owner_name: owner.name,
            owner_email: owner.email,
            owner_avatar_url: owner.avatar_url,
        })
    };
    rows.into_iter().map(item).collect()
}

/// Two lists as one, newest first.
pub(crate) fn merged(first: Vec<SessionListItem>, second: Vec<SessionListItem>) -> Vec<SessionListItem> {
    if second.is_empty() {
        return first;
    }
    let mut both = first;
    both.extend(second);
    both.sort_by(|left, right| {
        let place = |item: &SessionListItem| (item.session.created_at, item.session.id.clone());
        place(right).cmp(&place(left))
    });
    both
}

/// Where the page after this row begins.
pub(crate) fn cursor(item: &SessionListItem) -> Cursor {
    Cursor { at: item.session.created_at, id: item.session.id.as_str().to_owned() }
}

/// A session with the caller's role in it, whoever owns it.
pub(crate) fn by_id(dialect: Dialect, caller: &TokenHash, id: &SessionId) -> Statement {
    static BY_ID: Shape = Shape::new();
    BY_ID.fill(dialect, [id.as_str().into(), caller.as_str().into()], |[id, caller]| {
        SessionRow::select()
            .expr_as(participants::role_of(caller), "role")
            .and_where(Expr::col((TABLE, "id")).eq(id))
            .take()
    })
}

/// The session in the answer to [`by_id`], and the caller's role as a participant.
pub(crate) fn decode(rows: Vec<Row>) -> Result<Option<(Session, Option<ParticipantRole>)>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let session = SessionRow::decode_cells(&mut cells)?.into();
        Ok((session, cells.take(participants::TABLE, "role")?))
    };
    rows.into_iter().next().map(decode).transpose()
}

/// A session with the caller's role in it; `participant` is the one that the caller has if they are not the owner.
pub(crate) fn access(session: Session, participant: Option<ParticipantRole>, caller: &Principal) -> SessionAccess {
    let is_owner = session.owner == caller.user;
    let role = if is_owner { Some(SessionRole::Owner) } else { participant.map(SessionRole::from) };
    SessionAccess { session, role }
}

/// How many active sessions the caller owns, as `active`. Children count towards the bound of their parent.
pub(crate) fn count_active(dialect: Dialect, caller: &TokenHash) -> Statement {
    static ACTIVE: Shape = Shape::new();
    ACTIVE.fill(dialect, [caller.as_str().into()], |[caller]| {
        Query::select()
            .expr_as(Expr::col("id").count(), "active")
            .from(TABLE)
            .and_where(Expr::col("owner_id").eq(user_of(caller)))
            .and_where(Expr::col("status").is_in(SessionStatus::ACTIVE.map(SessionStatus::as_str)))
            .and_where(Expr::col("parent_id").is_null())
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

/// Removes a session and every row that refers to it.
pub(crate) fn remove(dialect: Dialect, id: &SessionId) -> Step {
    static REMOVE: Shape = Shape::new();
    Step::guarded(REMOVE.fill(dialect, [id.as_str().into()], |[id]| {
        Query::delete().from_table(TABLE).and_where(Expr::col("id").eq(id)).take()
    }))
}
