//! JSON-RPC 2.0: what is said in it, and what is answered.
//!
//! Methods are the operations of the table, under their names. Parameters are given by name and are the fields of the input:
//! those that REST takes from path, query and body together.

mod discovery;
mod request;
mod response;

pub(crate) use self::discovery::{DISCOVER, describe};
pub(crate) use self::request::{Call, Message, read};
pub(crate) use self::response::{Fault, failure, success};
