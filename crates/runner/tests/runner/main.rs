//! The runner against a gateway in small, with the demo agent and with shell scripts as agents.
#![cfg(test)]

mod conversations;
mod gateway;
mod models;
mod process;
mod reconnects;
mod requests;
mod starts;
mod turns;
mod workspaces;
