//! `portway mcp`: a server of the Model Context Protocol on standard input and output, for programs that start their servers
//! by themselves. It passes messages on to a gateway, with the key for it.
//!
//! Exit codes: 0 the input ended, 1 failed, 2 wrong usage, 3 no gateway answers, 4 no key that the gateway takes.

mod bridge;
mod events;
mod message;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use tokio::io::BufReader;

use self::bridge::Bridge;
use crate::client::exit::Exit;
use crate::client::{Connection, GatewayArgs};
use crate::terminal_text::clean;

/// Arguments of `portway mcp`.
#[derive(Debug, Clone, Args)]
pub struct McpArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// Passes messages on until the input ends. What is wrong goes to the standard error: the output is the client's.
pub async fn run(args: McpArgs) -> ExitCode {
    let connection = match Connection::find(&args.gateway).await {
        Ok(connection) => connection,
        Err(error) => {
            let exit = error.exit();
            return failed(&error.to_string(), exit);
        }
    };
    let bridge = Bridge::new(connection, tokio::io::stdout());
    match bridge.run(BufReader::new(tokio::io::stdin())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("the input cannot be read: {error}"), Exit::Failed),
    }
}

fn failed(message: &str, exit: Exit) -> ExitCode {
    // There is nobody to tell when that fails.
    let _ = writeln!(std::io::stderr().lock(), "portway: {}", clean(message));
    exit.into()
}
