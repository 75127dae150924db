//! Every SQL statement of the product, once, and the trait of the drivers that run them.
//!
//! A repository builds its statements with `sea-query`; a [`Dialect`](dialect::Dialect) renders them; a
//! [`SqlDriver`](driver::SqlDriver) runs them. There is one driver for each database and one repository for all of
//! them.
//!
//! # Rules for repositories
//!
//! 1. **No SQL text.** Statements are built; what a database does in its own way is a method of
//!    [`Dialect`](dialect::Dialect). The only SQL text outside that file is in the migrations, and
//!    in the module `search`, since no two databases search alike.
//! 2. **Name every column.** Never `*`, and an alias for every expression: rows that come back as objects lose one of
//!    two columns of the same name. Whole rows are a [`record!`](record) struct, whose column list, insert and decoding
//!    cannot drift apart.
//! 3. **Reads ask, writes describe.** A read is an async method. A write is a pure function that returns
//!    [`Step`](driver::Step)s; only the commit of a change set runs them, all or nothing. Nothing opens a transaction.
//! 4. **Guard every change.** An `UPDATE` or `DELETE` of an aggregate has `version = ?` in its condition and is a
//!    [`Step::guarded`](driver::Step::guarded). The loser of a race gets a conflict, never a lost update. A rule over
//!    several rows is guarded through the one row that owns it.
//! 5. **Be honest about cost.** [`Cost::Bounded`](driver::Cost::Bounded) is a key lookup or a page of at most 100 rows
//!    over an index; it may run on the caller's thread. Everything else is
//!    [`Cost::Unbounded`](driver::Cost::Unbounded).
//! 6. **Order by bytes.** Text that is ordered, compared with `<` or matched without case is an ASCII id or a key
//!    folded in Rust, in a column with binary collation. Databases disagree on everything else.
//! 7. **Type what is computed.** Cast sums and counts to the integer type that is decoded, and cast a bound number that
//!    meets arithmetic, text or JSON: some databases return decimals, others bind every number as a float.
//! 8. **Lists are one argument**: [`Dialect::in_list`](dialect::Dialect::in_list). The number of arguments is limited
//!    and the statement stays prepared.
//! 9. **Times go through the dialect** ([`Dialect::time`](dialect::Dialect::time)), JSON through
//!    [`Json`](row::Json). JSON that is signed or hashed is text: a JSON column may reorder its members.
//! 10. **Steps in order of reference.** Foreign keys are checked at once, so a parent is written before its children.
//! 11. **Render once.** A statement whose text never changes, and which a request can cause, is a `Shape`: its arguments
//!     are filled in, its text is made the first time only.
//! 12. **Done means covered.** A repository is finished when the conformance suite runs it on every database.

pub mod archive;
pub mod dialect;
pub mod driver;
pub mod migrations;
pub mod record;
pub mod remote;
pub mod row;
pub mod schema;
pub mod snapshot;
pub mod value;

mod attachments;
mod audit;
mod changed_files;
mod children;
mod commands;
mod commit;
mod deadlines;
mod diagnosis;
mod digest;
mod engines;
mod idempotency;
mod jobs;
mod json_text;
mod mcp_sessions;
mod memories;
mod messages;
mod models;
mod names;
mod nodes;
mod open_message;
mod participants;
mod presence;
mod questions;
mod removals;
mod search;
mod sessions;
mod shape;
mod share_links;
mod store;
mod subquery;
mod tokens;
mod users;
mod workspaces;

pub use self::store::SqlStore;
