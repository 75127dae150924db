//! A database that another program has: what it is asked and what it answers, as JSON.
//!
//! The other program passes each [`Call`] to [`answer`]. [`RemoteDatabase`] makes calls of what the statements of this
//! crate ask.

/// The path that calls are posted to, with the key of the database as bearer token.
pub const PATH: &str = "/transfer";

mod calls;
mod database;

pub use self::calls::{Call, Reply, answer};
pub use self::database::{RemoteDatabase, Transport, TransportError};
