//! The table `engines`: the state of each session's engine.

use portway_domain::engine::Engine;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::sessions::Session;
use portway_domain::sharing::ParticipantRole;
use portway_domain::states::LiveState;
use portway_domain::tokens::TokenHash;
use portway_ports::Stored;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use crate::archive::Records;
use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::json_text::JsonText;
use crate::messages;
use crate::participants;
use crate::record::{Cells, Record, record};
use crate::row::Row;
use crate::sessions::{Scope, SessionRow};
use crate::shape::{Parameter, Shape};
use crate::value::IntoValue;

pub(crate) const TABLE: &str = EngineRow::TABLE;

record! {
    struct EngineRow in "engines" {
        session: SessionId = "session_id",
        state: JsonText<Engine>,
        generation: u32,
        has_sandbox: bool,
        version: u64,
        node: Option<NodeId> = "node_id",
    }
}

/// How rows are checked.
pub(crate) const RECORDS: Records = Records::of::<EngineRow>();

record! {
    struct StateRow in "engines" {
        state: JsonText<Engine>,
        version: u64,
    }
}

impl EngineRow {
    fn new(engine: Engine, version: u64) -> Self {
        Self {
            session: engine.session.clone(),
            generation: engine.runner.generation,
            has_sandbox: engine.has_sandbox(),
            node: engine.runner.node.clone(),
            state: JsonText(engine),
            version,
        }
    }
}

/// A session and its engine as they are stored: without the open message.
pub(crate) struct Loaded {
    /// The session.
    pub(crate) session: Session,
    /// The role that the caller has as a participant.
    pub(crate) role: Option<ParticipantRole>,
    /// Its engine.
    pub(crate) engine: Stored<Engine>,
}

/// A session and its engine, whoever owns it.
pub(crate) fn load(dialect: Dialect, scope: Scope<'_>) -> Statement {
    static FOR_CALLER: Shape = Shape::new();
    static FOR_GATEWAY: Shape = Shape::new();
    let load = |id, role: Expr| session_with(StateRow::COLUMNS, id).expr_as(role, "role").take();
    let id = scope.id.as_str().into();
    match scope.caller {
        Some(caller) => FOR_CALLER
            .fill(dialect, [id, caller.as_str().into()], |[id, caller]| load(id, participants::role_of(caller))),
        None => FOR_GATEWAY.fill(dialect, [id], |[id]| load(id, Expr::null())),
    }
}

/// A session with columns of its engine.
fn session_with(columns: &[&'static str], id: Parameter) -> SelectStatement {
    SessionRow::select()
        .columns(columns.iter().map(|column| (TABLE, *column)))
        .inner_join(TABLE, Expr::col((TABLE, "session_id")).equals((SessionRow::TABLE, "id")))
        .and_where(Expr::col((SessionRow::TABLE, "id")).eq(id))
        .take()
}

/// The session and engine in the answer to [`load`].
pub(crate) fn decode(rows: Vec<Row>) -> Result<Option<Loaded>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let session = SessionRow::decode_cells(&mut cells)?.into();
        let StateRow { state, version } = StateRow::decode_cells(&mut cells)?;
        let role = cells.take(participants::TABLE, "role")?;
        Ok(Loaded { session, role, engine: Stored { version, value: state.0 } })
    };
    rows.into_iter().next().map(decode).transpose()
}

/// What is shown of a session without its transcript.
pub(crate) struct Overview {
    /// The session.
    pub(crate) session: Session,
    /// What its engine does.
    pub(crate) live: LiveState,
    /// How many messages it has.
    pub(crate) message_count: u64,
    /// The role that the caller has as a participant.
    pub(crate) role: Option<ParticipantRole>,
}

/// What is shown of a session, whoever owns it.
pub(crate) fn overview(dialect: Dialect, caller: &TokenHash, id: &SessionId) -> Statement {
    static OVERVIEW: Shape = Shape::new();
    OVERVIEW.fill(dialect, [id.as_str().into(), caller.as_str().into()], |[id, caller]| {
        session_with(&["state"], id)
            .expr_as(messages::count(id), "message_count")
            .expr_as(participants::role_of(caller), "role")
            .take()
    })
}

/// What is in the answer to [`overview`].
pub(crate) fn decode_overview(rows: Vec<Row>) -> Result<Option<Overview>, SqlError> {
    let decode = |row| {
        let mut cells = Cells::new(row);
        let session = SessionRow::decode_cells(&mut cells)?.into();
        let live: JsonText<LiveState> = cells.take(TABLE, "state")?;
        let message_count = cells.take(messages::TABLE, "message_count")?;
        let role = cells.take(participants::TABLE, "role")?;
        Ok(Overview { session, live: live.0, message_count, role })
    };
    rows.into_iter().next().map(decode).transpose()
}

/// The sessions that have a sandbox or wait for one, by id.
pub(crate) fn with_sandbox(dialect: Dialect, after: Option<&SessionId>, limit: u32) -> Statement {
    let mut select = Query::select();
    select
        .column("session_id")
        .from(TABLE)
        .and_where(Expr::col("has_sandbox").eq(true))
        .and_where_option(after.map(|after| Expr::col("session_id").gt(after.as_str())))
        .order_by("session_id", Order::Asc)
        .limit(limit.into());
    dialect.statement(&select)
}

/// The sessions whose sandbox is that of a node, by id.
pub(crate) fn of_node(dialect: Dialect, node: &NodeId, after: Option<&SessionId>, limit: u32) -> Statement {
    let mut select = Query::select();
    select
        .column("session_id")
        .from(TABLE)
        .and_where(Expr::col("node_id").eq(node.as_str()))
        .and_where(Expr::col("has_sandbox").eq(true))
        .and_where_option(after.map(|after| Expr::col("session_id").gt(after.as_str())))
        .order_by("session_id", Order::Asc)
        .limit(limit.into());
    dialect.statement(&select)
}

/// Which version each of these has.
pub(crate) fn versions(dialect: Dialect, ids: &[SessionId]) -> Statement {
    let ids: Vec<&str> = ids.iter().map(SessionId::as_str).collect();
    let select = Query::select()
        .columns(["session_id", "version"])
        .from(TABLE)
        .and_where(dialect.in_list(Expr::col("session_id"), &ids))
        .take();
    dialect.statement(&select)
}

/// Adds the first state of a session's engine.
pub(crate) fn add(dialect: Dialect, engine: Engine) -> Result<Step, SqlError> {
    Ok(Step::new(EngineRow::new(engine, 1).insert(dialect)?))
}

/// Sets the state of a session's engine.
pub(crate) fn set(dialect: Dialect, engine: Engine, version: u64) -> Result<Step, SqlError> {
    static SET: Shape = Shape::new();
    let mut values = EngineRow::new(engine, version.saturating_add(1)).into_values(dialect)?;
    values.push(version.into_value(dialect)?);
    SET.fill_values(dialect, &values, |values| Ok(EngineRow::update_of(values, "session_id"))).map(Step::guarded)
}
