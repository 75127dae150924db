//! Postgres driver: one round trip for a read, one transaction for a write; and hints between nodes.
//!
//! * **Reads** go over connections that cannot write. Several statements are folded into one, so they cost one round
//!   trip and see one snapshot.
//! * **Writes** of one step are sent as they are; several steps are one transaction. What was certainly undone because
//!   of others (a deadlock, a connection that broke before the commit) is tried again a few times.
//! * **Connections** come from two pools, one for each kind. A statement that was begun goes on when its caller is gone,
//!   so no connection is left in the middle of one; a connection whose state is not known is closed, never used again.
//! * **Every wait is bounded**: for a connection, for a lock, for a statement, and for a server that does not answer.
//!
//! Several programs may work on one database; [`PostgresDatabase::enter`] tells whether others do, and [`PostgresPubSub`]
//! tells their watchers what happens.
//!
//! Statements are prepared once for each connection and kept. That does not go together with a connection pooler in
//! transaction mode.

mod argument;
mod cells;
mod completion;
mod database;
mod error;
mod fold;
mod migrate;
mod options;
mod pools;
mod presence;
mod pubsub;
mod reads;
mod session;
mod snapshot;
mod writes;

pub use database::PostgresDatabase;
pub use error::OpenError;
pub use options::{PostgresOptions, UrlError};
pub use pubsub::PostgresPubSub;
