//! The table `open_sockets`: who has sessions open, and on which node.

use portway_domain::ids::{NodeId, SessionId, UserId};
use portway_domain::time::Timestamp;
use portway_domain::users::Profile;
use portway_ports::presence::OpenSocket;
use sea_query::{Expr, ExprTrait, OnConflict, Order, Query};

use crate::dialect::Dialect;
use crate::driver::{SqlError, Statement, Step};
use crate::nodes;
use crate::record::{Record, record};
use crate::row::Row;
use crate::users::ProfileRow;

const TABLE: &str = SocketRow::TABLE;

/// Most sockets in an answer about a session.
const MOST: u64 = 1_000;

record! {
    struct SocketRow in "open_sockets" {
        node: NodeId = "node_id",
        number: u64,
        session: SessionId = "session_id",
        user: UserId = "user_id",
    }
}

/// Adds a socket, unless it is there.
pub(crate) fn add(dialect: Dialect, socket: OpenSocket) -> Result<Step, SqlError> {
    let OpenSocket { node, number, session, user } = socket;
    let values = SocketRow { node, number, session, user }.into_values(dialect)?;
    let mut known = OnConflict::columns(["node_id", "number"]);
    known.do_nothing();
    let insert = SocketRow::insert_of(values.iter().cloned().map(Expr::val))?.on_conflict(known).take();
    Ok(Step::new(dialect.statement(&insert)))
}

/// Removes a socket, if it is there.
pub(crate) fn remove(dialect: Dialect, node: &NodeId, number: u64) -> Step {
    let delete = Query::delete()
        .from_table(TABLE)
        .and_where(Expr::col("node_id").eq(node.as_str()))
        .and_where(Expr::col("number").eq(number))
        .take();
    Step::new(dialect.statement(&delete))
}

/// The sockets of a node after a number.
pub(crate) fn of_node(dialect: Dialect, node: &NodeId, after: u64, limit: u32) -> Statement {
    let select = SocketRow::select()
        .and_where(Expr::col("node_id").eq(node.as_str()))
        .and_where(Expr::col("number").gt(after))
        .order_by("number", Order::Asc)
        .limit(limit.into())
        .take();
    dialect.statement(&select)
}

/// The sockets in the answer to [`of_node`].
pub(crate) fn decode_sockets(rows: Vec<Row>) -> Result<Vec<OpenSocket>, SqlError> {
    let socket =
        |row: SocketRow| OpenSocket { node: row.node, number: row.number, session: row.session, user: row.user };
    Ok(SocketRow::decode_all(rows)?.into_iter().map(socket).collect())
}

/// Who is behind the sockets that other nodes which are there have open for a session.
pub(crate) fn elsewhere(dialect: Dialect, session: &SessionId, node: &NodeId, now: Timestamp) -> Statement {
    let select = ProfileRow::select()
        .inner_join(TABLE, Expr::col((TABLE, "user_id")).equals((ProfileRow::TABLE, "id")))
        .and_where(Expr::col((TABLE, "session_id")).eq(session.as_str()))
        .and_where(Expr::col((TABLE, "node_id")).ne(node.as_str()))
        .and_where(nodes::is_there(dialect, (TABLE, "node_id"), now))
        .order_by((TABLE, "node_id"), Order::Asc)
        .order_by((TABLE, "number"), Order::Asc)
        .limit(MOST)
        .take();
    dialect.statement(&select)
}

/// The users in the answer to [`elsewhere`].
pub(crate) fn decode_present(rows: Vec<Row>) -> Result<Vec<Profile>, SqlError> {
    Ok(ProfileRow::decode_all(rows)?.into_iter().map(Profile::from).collect())
}
