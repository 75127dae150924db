//! The tokio runtime of a command.

use std::process::ExitCode;

use tokio::runtime::Builder;

/// Runs a program on the calling thread alone.
pub(crate) fn run_alone(program: impl Future<Output = ExitCode>) -> ExitCode {
    run(Builder::new_current_thread(), program)
}

/// Runs a program on a thread for each core.
pub(crate) fn run_parallel(program: impl Future<Output = ExitCode>) -> ExitCode {
    run(Builder::new_multi_thread(), program)
}

fn run(mut builder: Builder, program: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot start");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(program);
    // A read of standard input that nobody waits for must not hold the process.
    runtime.shutdown_background();
    code
}
