//! SQLite driver: one group-committing writer, readers on the calling threads.
//!
//! * **Writes** go through a bounded queue to one thread with the one connection that writes. What waits there is
//!   committed together, each change set all or nothing in its savepoint, and an answer is only given once the commit
//!   is on disk (write-ahead log, `synchronous = FULL`).
//! * **The log** is written back into the file by a thread of its own; a commit waits for the small rest at the most.
//! * **Bounded reads** run on the calling thread, on a read-only connection that stays with it.
//! * **Unbounded reads** run on a few threads of their own.
//! * **In memory** there is one connection for everything. The answers are the same.
//!
//! ```
//! # use portway_adapters_sqlite::SqliteDatabase;
//! # use portway_sql::driver::{Read, SqlDriver, Statement};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let database = SqliteDatabase::in_memory()?;
//! database.migrate(portway_sql::migrations::SQLITE).await?;
//! let one = Statement { text: "SELECT 1 AS one".into(), args: vec![] };
//! let results = database.read(Read::bounded(vec![one])).await?;
//! assert_eq!(results[0][0].get::<i64>("one")?, 1);
//! # Ok(())
//! # })
//! # }
//! ```

mod bind;
mod checkpoints;
mod connection;
mod database;
mod error;
mod group_commit;
mod migrate;
mod options;
mod queue;
mod readers;
mod snapshot;
mod writer;

pub use database::SqliteDatabase;
pub use error::OpenError;
pub use options::SqliteOptions;
