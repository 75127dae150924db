//! Entities, typed ids, state machines and policies of Portway.
//!
//! Everything here is synchronous and pure: no I/O, no clock, no randomness. Time comes in as an argument and ids
//! come from an [`ids::IdStream`], so every decision can be replayed from its inputs.

mod checked;

pub mod access;
pub mod attachments;
pub mod channels;
pub mod children;
pub mod engine;
pub mod ids;
pub mod jobs;
pub mod mcp;
pub mod memories;
pub mod messages;
pub mod models;
pub mod questions;
pub mod rates;
pub mod runner_requests;
pub mod sandbox_tokens;
pub mod search;
pub mod sessions;
pub mod sharing;
pub mod states;
pub mod text;
pub mod time;
pub mod tokens;
pub mod tunnels;
pub mod users;
pub mod workspaces;
