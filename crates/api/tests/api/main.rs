//! The tables over HTTP, with a small state and a table of their own.
#![cfg(test)]

mod access;
mod description;
mod detached;
mod errors;
mod fixture;
mod inputs;
mod kept_answers;
mod limits;
mod logs;
mod mcp;
mod metrics;
mod origins;
mod rates;
mod rpc;
mod sockets;
