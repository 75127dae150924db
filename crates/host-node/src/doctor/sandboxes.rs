//! Whether runners live that no session wants.

use std::path::Path;

use portway_adapters_system::sightings;
use portway_domain::engine::Engine;

use super::report::Report;

const CHECK: &str = "processes";

/// `engines` are those that have a sandbox; without them nobody knows who is wanted.
pub(super) fn check(report: &mut Report, data: &Path, engines: Option<&[Engine]>, running: bool) {
    let seen = match sightings(data) {
        Ok(seen) => seen,
        Err(error) => {
            report.problem(CHECK, format!("run files cannot be read: {error}"), "run this as the gateway's user");
            return;
        }
    };
    let Some(engines) = engines else {
        return;
    };
    let living: Vec<_> = seen.into_iter().filter(|sandbox| sandbox.alive).collect();
    for sandbox in &living {
        let (session, generation, pid) = (&sandbox.session, sandbox.generation, sandbox.pid);
        let is_wanted = |engine: &Engine| engine.session == *session && engine.runner.generation == generation;
        if engines.iter().any(is_wanted) {
            continue;
        }
        let message = format!("runner {pid} of session {session} lives, and no session wants it");
        let end_it = format!("end it and its agent: kill -TERM -- -{pid}");
        if running {
            report.problem(CHECK, message, format!("if it is there a minute later, {end_it}"));
        } else {
            report.note(CHECK, message, format!("the gateway ends it when it starts, or {end_it}"));
        }
    }
    report.fine(CHECK, format!("{} runners live", living.len()));
    if !running && !living.is_empty() {
        let advice = "they end themselves after ten minutes without a gateway";
        report.note(CHECK, "runners live although no gateway runs", advice);
    }
}
