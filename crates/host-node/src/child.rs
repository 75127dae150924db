//! Runners and the demo agent, which are started by the path of the program that the gateway is part of.

use std::ffi::OsStr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::logging;
use crate::runtime::run_alone;

/// The only argument of a program that is to be a runner.
pub(crate) const RUNNER: &str = "portway-runner";

/// The only argument of a program that is to be the demo agent.
pub(crate) const DEMO_AGENT: &str = "portway-demo-agent";

/// Whether this program has asked what it is. One that never asks would start itself anew for each runner.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Is a runner or the demo agent, if a gateway started this program as one, and answers with the exit code once that is
/// over. Call it first in `main`, before anything else is set up:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = portway::run_if_child() {
///         return code;
///     }
///     // The program itself.
///     ExitCode::SUCCESS
/// }
/// ```
///
/// It looks at the arguments only: such a child has exactly one, `portway-runner` or `portway-demo-agent`. It starts a
/// runtime of its own, so it must not be called from within one.
#[must_use]
pub fn run_if_child() -> Option<ExitCode> {
    ASKED.store(true, Ordering::Relaxed);
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(word), None) if word == OsStr::new(RUNNER) => Some(runner()),
        (Some(word), None) if word == OsStr::new(DEMO_AGENT) => Some(demo_agent()),
        _ => None,
    }
}

/// Whether [`run_if_child`] was called, so that the program can be started as a runner.
pub(crate) fn can_be_child() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// The program as a runner.
pub(crate) fn runner() -> ExitCode {
    logging::start(logging::Form::Plain);
    run_alone(async {
        match portway_runner::Config::from_env() {
            Ok(config) => portway_runner::run(config).await.into(),
            Err(error) => {
                tracing::error!(%error, "the runner cannot start");
                ExitCode::from(2)
            }
        }
    })
}

/// The program as the demo agent.
pub(crate) fn demo_agent() -> ExitCode {
    run_alone(portway_runner::demo::run())
}
