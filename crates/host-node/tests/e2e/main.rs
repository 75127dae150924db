//! The binary `portway` from end to end: every test starts it as a process and talks to it over its public API.
//!
//! Tests that drive an agent run with the built-in demo agent and with the example agent of the TypeScript ACP library,
//! which `cargo xtask test` installs. Those of real coding agents, which it installs too, talk
//! to a model server of ours. Where an agent is missing, its tests show as ignored; with `PORTWAY_REQUIRE_COMPONENTS=1`
//! they fail instead. What the tests find out about processes they read from `/proc`.
#![cfg(test)]

mod aborts;
mod agents_command;
mod api_keys;
mod attachments;
mod broken_agents;
mod children;
mod coding_agents;
mod commands;
mod crashes;
mod db;
mod deletion;
mod doctor;
mod durable_objects;
mod event_streams;
mod events;
mod fake_model;
mod garbage;
mod harness;
mod hibernation;
mod idempotency;
mod kills;
mod legacy_runner;
mod limits;
mod logs;
mod mcp;
mod memories;
mod metrics;
mod models;
mod neighbours;
mod permissions;
mod postgres;
mod prompts;
mod queue;
mod rates;
mod requests;
mod resuming;
mod sandboxes;
mod search;
mod sessions;
mod shared_objects;
mod sharing;
mod starting;
mod stopping;
mod surfaces;
mod termination;
mod trials;
mod wire;
mod workspaces;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::trials::Trials;

/// Tests wait more than they compute.
const THREADS: usize = 6;

fn main() -> ExitCode {
    // Fails only if the process has a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let mut trials = Trials::default();
    // Two gateways do the same as one to those who open sessions and talk in them.
    if harness::gateway::gateways_are_two() {
        add_talks(&mut trials);
        return libtest_mimic::run(&arguments, trials.into_list()).exit_code();
    }
    // The longest first, so that nothing waits for it at the end.
    kills::add(&mut trials);
    garbage::add(&mut trials);
    coding_agents::add(&mut trials);
    db::add(&mut trials);
    add_talks(&mut trials);
    stopping::add(&mut trials);
    surfaces::add(&mut trials);
    children::add_alone(&mut trials);
    event_streams::add_alone(&mut trials);
    sandboxes::add(&mut trials);
    starting::add(&mut trials);
    resuming::add(&mut trials);
    postgres::add(&mut trials);
    neighbours::add(&mut trials);
    shared_objects::add(&mut trials);
    requests::add(&mut trials);
    limits::add(&mut trials);
    durable_objects::add(&mut trials);
    doctor::add(&mut trials);
    logs::add(&mut trials);
    metrics::add(&mut trials);
    rates::add(&mut trials);
    api_keys::add(&mut trials);
    search::add(&mut trials);
    mcp::add(&mut trials);
    memories::add(&mut trials);
    agents_command::add(&mut trials);
    libtest_mimic::run(&arguments, trials.into_list()).exit_code()
}

/// What is about sessions and those who talk in them.
fn add_talks(trials: &mut Trials) {
    broken_agents::add(trials);
    prompts::add(trials);
    attachments::add(trials);
    permissions::add(trials);
    aborts::add(trials);
    crashes::add(trials);
    queue::add(trials);
    commands::add(trials);
    termination::add(trials);
    deletion::add(trials);
    hibernation::add(trials);
    sessions::add(trials);
    sharing::add(trials);
    children::add(trials);
    idempotency::add(trials);
    events::add(trials);
    event_streams::add(trials);
    wire::add(trials);
    legacy_runner::add(trials);
    models::add(trials);
    workspaces::add(trials);
}
