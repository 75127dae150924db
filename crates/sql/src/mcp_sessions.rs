//! The table `mcp_sessions`.

use portway_domain::ids::UserId;
use portway_domain::mcp::{MAX_MCP_SESSIONS, McpLogLevel, McpSession, McpSessionId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::mcp_sessions::KeptMcpSession;
use portway_ports::pages::MAX_PAGE;
use sea_query::{Expr, ExprTrait, LockType, Order, Query};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::record::{Record, record};
use crate::row::Row;
use crate::shape::{Parameter, Shape};
use crate::tokens::user_of;
use crate::users;

const TABLE: &str = McpSessionRow::TABLE;

record! {
    struct McpSessionRow in "mcp_sessions" {
        id: McpSessionId,
        user: UserId = "user_id",
        revision: String,
        capabilities: String,
        log_level: Option<McpLogLevel>,
        expires_at: Timestamp,
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<McpSessionRow>();

impl From<KeptMcpSession> for McpSessionRow {
    fn from(kept: KeptMcpSession) -> Self {
        let KeptMcpSession { session, user, expires_at } = kept;
        let McpSession { id, revision, capabilities, log_level } = session;
        Self { id, user, revision, capabilities, log_level, expires_at }
    }
}

impl From<McpSessionRow> for KeptMcpSession {
    fn from(row: McpSessionRow) -> Self {
        let McpSessionRow { id, user, revision, capabilities, log_level, expires_at } = row;
        Self { session: McpSession { id, revision, capabilities, log_level }, user, expires_at }
    }
}

/// The caller's session of that id, unless that has expired.
pub(crate) fn of_caller(dialect: Dialect, caller: &TokenHash, id: &McpSessionId, now: Timestamp) -> Statement {
    static OF_CALLER: Shape = Shape::new();
    OF_CALLER.fill(dialect, [caller.as_str().into(), id.as_str().into(), dialect.time(now)], |[caller, id, now]| {
        McpSessionRow::select()
            .and_where(Expr::col("id").eq(id))
            .and_where(Expr::col("user_id").eq(user_of(caller)))
            .and_where(Expr::col("expires_at").gt(now))
            .take()
    })
}

/// The session in the answer to [`of_caller`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Option<KeptMcpSession>, SqlError> {
    Ok(McpSessionRow::decode_first(rows)?.map(KeptMcpSession::from))
}

/// Adds a session of a user, and removes as many as would be too many with it.
pub(crate) fn add(dialect: Dialect, session: KeptMcpSession) -> Result<Vec<Step>, SqlError> {
    let (wait, make_room) = (wait_for_others(dialect, &session.user), make_room(dialect, &session.user));
    Ok(vec![wait, make_room, Step::new(McpSessionRow::from(session).insert(dialect)?)])
}

/// Has the user's row to itself where several writers run at the same time, so that two that add see each other.
fn wait_for_others(dialect: Dialect, user: &UserId) -> Step {
    static WAIT: Shape = Shape::new();
    Step::new(WAIT.fill(dialect, [user.as_str().into()], |[user]| {
        let mut select = Query::select();
        select.column("id").from(users::TABLE).and_where(Expr::col("id").eq(user)).lock(LockType::NoKeyUpdate).take()
    }))
}

/// Leaves so many sessions of a user that there is room for one.
fn make_room(dialect: Dialect, user: &UserId) -> Step {
    static MAKE_ROOM: Shape = Shape::new();
    let arguments = [user.as_str().into(), MAX_PAGE.into(), MAX_MCP_SESSIONS.saturating_sub(1).into()];
    Step::new(MAKE_ROOM.fill(dialect, arguments, |[user, limit, kept]| {
        let excess = Query::select()
            .column("id")
            .from(TABLE)
            .and_where(Expr::col("user_id").eq(user))
            .order_by("expires_at", Order::Desc)
            .order_by("id", Order::Desc)
            .limit(limit.as_number())
            .offset(kept.as_number())
            .take();
        Query::delete().from_table(TABLE).and_where(dialect.among(Expr::col("id"), excess)).take()
    }))
}

/// Lets a session of a user expire later.
pub(crate) fn renew(dialect: Dialect, id: &McpSessionId, user: &UserId, expires_at: Timestamp) -> Step {
    static RENEW: Shape = Shape::new();
    let arguments = [id.as_str().into(), user.as_str().into(), dialect.time(expires_at)];
    Step::guarded(RENEW.fill(dialect, arguments, |[id, user, expires_at]| {
        let mut update = Query::update();
        update.table(TABLE).value("expires_at", expires_at).and_where(is_of(id, user)).take()
    }))
}

/// Sets the level of a session of a user.
pub(crate) fn set_log_level(dialect: Dialect, id: &McpSessionId, user: &UserId, level: McpLogLevel) -> Step {
    static SET_LOG_LEVEL: Shape = Shape::new();
    let arguments = [id.as_str().into(), user.as_str().into(), level.as_str().into()];
    Step::guarded(SET_LOG_LEVEL.fill(dialect, arguments, |[id, user, level]| {
        let mut update = Query::update();
        update.table(TABLE).value("log_level", level).and_where(is_of(id, user)).take()
    }))
}

/// Removes a session of a user.
pub(crate) fn remove(dialect: Dialect, id: &McpSessionId, user: &UserId) -> Step {
    static REMOVE: Shape = Shape::new();
    Step::guarded(REMOVE.fill(dialect, [id.as_str().into(), user.as_str().into()], |[id, user]| {
        Query::delete().from_table(TABLE).and_where(is_of(id, user)).take()
    }))
}

fn is_of(id: Parameter, user: Parameter) -> Expr {
    Expr::col("id").eq(id).and(Expr::col("user_id").eq(user))
}

/// A session that has expired, if there is one.
pub(crate) fn expired(dialect: Dialect, now: Timestamp) -> Statement {
    static EXPIRED: Shape = Shape::new();
    EXPIRED.fill(dialect, [dialect.time(now)], |[now]| {
        Query::select().column("id").from(TABLE).and_where(Expr::col("expires_at").lte(now)).limit(1).take()
    })
}

/// Removes some sessions that have expired, the oldest ones.
pub(crate) fn remove_expired(dialect: Dialect, at: Timestamp, limit: u32) -> Step {
    static REMOVE_EXPIRED: Shape = Shape::new();
    Step::new(REMOVE_EXPIRED.fill(dialect, [dialect.time(at), limit.into()], |[at, limit]| {
        let oldest = Query::select()
            .column("id")
            .from(TABLE)
            .and_where(Expr::col("expires_at").lte(at))
            .order_by("expires_at", Order::Asc)
            .limit(limit.as_number())
            .take();
        Query::delete().from_table(TABLE).and_where(dialect.among(Expr::col("id"), oldest)).take()
    }))
}
