//! `portway-runner`: the runner alone, for sandbox images that carry no gateway.
//!
//! Without arguments it runs the runner with the configuration of its environment; `portway-runner demo-agent`
//! is the built-in demo agent on stdin and stdout.

use std::process::ExitCode;

use portway_runner::Config;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(start(std::env::args().nth(1)));
    // A read of stdin that nobody waits for must not hold the process.
    runtime.shutdown_background();
    code
}

async fn start(argument: Option<String>) -> ExitCode {
    match argument.as_deref() {
        None => match Config::from_env() {
            Ok(config) => portway_runner::run(config).await.into(),
            Err(error) => {
                tracing::error!(%error, "cannot run");
                ExitCode::FAILURE
            }
        },
        Some("demo-agent") => portway_runner::demo::run().await,
        Some(_) => {
            tracing::error!("unknown argument: say nothing, or `demo-agent`");
            ExitCode::from(2)
        }
    }
}
