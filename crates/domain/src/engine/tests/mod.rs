//! Tests of the session state machine.

mod aborts;
mod channels;
mod children;
mod deadlines;
mod events;
mod hibernation;
mod invariants;
mod lifecycle;
mod liveness;
mod losses;
mod model;
mod models;
mod names;
mod notices;
mod prompts;
mod properties;
mod questions;
mod queue;
mod reconnects;
mod rig;
mod runner;
mod sharing;
mod store;
mod transcript;
mod tunnels;
mod workspaces;
