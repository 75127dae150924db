//! Cloudflare D1: SQLite behind an interface that takes batches of statements.
//!
//! # What D1 is like
//!
//! * A batch is atomic, and that is the only transaction there is. It sees one state of the database, so several reads
//!   in one batch are one snapshot.
//! * Nothing between the statements of a batch can look at what they did, so the batch itself has to end when a guarded
//!   step matches nothing: see [`guard`].
//! * Every number is a float: whole numbers of at most 2^53 - 1 either way are exact, others are refused before they
//!   are sent. A column of integers makes a bound number an integer again; where one meets arithmetic, text or JSON,
//!   the statement has to cast it.
//! * A result cannot tell `2` from `2.0`: both come back as an integer.
//! * Rows come back as objects. A column that is named like an array index would change its place, so it is refused.
//! * Errors are text only: see [`refusal`].
//! * Text that is not UTF-8 comes back with replacement characters instead of as an error.

mod arguments;
mod batch;
mod binding;
mod bisection;
mod call;
mod database;
mod guard;
#[cfg(target_arch = "wasm32")]
mod javascript;
mod migrate;
mod refusal;
mod rows;
mod sql_text;
mod texts;

pub use self::database::D1Database;
