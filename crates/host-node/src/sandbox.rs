//! `portway sandbox serve`: this machine as a sandbox backend, whose sandboxes are processes, for gateways elsewhere.

mod backend;
mod gateways;
mod operations;
mod options;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use tokio::net::TcpListener;

pub use self::options::SandboxServeArgs;

use self::backend::{Backend, OpenError};
use self::options::Options;
use crate::proxies::TrustedProxies;
use crate::serve::{Signals, close, refuse, serve_until_told};

/// What follows `portway sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Run agents on this machine for gateways that present the token
    Serve(SandboxServeArgs),
}

/// Runs the command.
pub async fn run(args: SandboxArgs) -> ExitCode {
    let SandboxCommand::Serve(args) = args.command;
    match start(args).await {
        Ok((listener, backend, signals)) => serve(listener, backend, signals).await,
        Err(reason) => refuse(&reason),
    }
}

/// Everything up to the first request, or why there will be none.
async fn start(args: SandboxServeArgs) -> Result<(TcpListener, Backend, Signals), String> {
    let options = Options::load(args).map_err(|error| error.to_string())?;
    let cannot_listen = |error| format!("cannot listen on {}: {error}", options.listen);
    let listener = TcpListener::bind(options.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    // Before anything is started: a signal that came without them would leave it behind.
    let signals = Signals::listen().map_err(|_| "signals cannot be received".to_owned())?;
    let backend = Backend::open(&options).await.map_err(|error: OpenError| error.to_string())?;
    greet(&backend, address);
    Ok((listener, backend, signals))
}

/// Says on standard output where the backend is, and how gateways get in.
fn greet(backend: &Backend, address: SocketAddr) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "Portway runs sandboxes at http://{address} (API: http://{address}/docs)");
    let _ = writeln!(stdout, "Token for gateways: {}", backend.token_source());
    let _ = writeln!(stdout, "On the gateway: portway serve --sandbox-url http://{address} --sandbox-token-file FILE");
    let _ = stdout.flush();
}

/// Serves until told to stop. Sandboxes live on: they belong to their gateways, which go on with them when the backend
/// is there again.
async fn serve(listener: TcpListener, backend: Backend, mut signals: Signals) -> ExitCode {
    let backend = Arc::new(backend);
    let router = match operations::router(&backend) {
        Ok(router) => router,
        Err(error) => return refuse(&format!("the API cannot be built: {error}")),
    };
    let graceful = serve_until_told(listener, router, &TrustedProxies::default(), &mut signals).await;
    backend.close();
    tokio::select! {
        () = close(graceful) => ExitCode::SUCCESS,
        () = signals.next() => ExitCode::FAILURE,
    }
}
