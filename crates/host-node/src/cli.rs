//! The command line of the binary `portway`.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration; `portway chat`, `portway api` and `portway mcp` have more, see
//! [`crate::chat`], [`crate::call`] and [`crate::mcp`].

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::agents::AgentsArgs;
use crate::call::ApiArgs;
use crate::chat::ChatArgs;
use crate::config::ServeArgs;
use crate::db::DbArgs;
use crate::doctor::DoctorArgs;
use crate::gateway::GatewayBuilder;
use crate::mcp::McpArgs;
use crate::runtime::{run_alone, run_parallel};
use crate::sandbox::SandboxArgs;
use crate::{agents, call, chat, child, db, doctor, logging, mcp, sandbox, serve};

/// The portable gateway for coding-agent sessions.
#[derive(Debug, Parser)]
#[command(name = "portway", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (what happens when no command is named).
    Serve(ServeArgs),
    /// Talk to an agent in this terminal.
    Chat(ChatArgs),
    /// Call an operation of a gateway.
    Api(ApiArgs),
    /// Be an MCP server on standard input and output, for the tools of a gateway.
    Mcp(McpArgs),
    /// Print a script that completes this command line in a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// List the agents, what they lack and how to get it.
    Agents(AgentsArgs),
    /// Look for trouble with a gateway's data, database, agents and work, and say what to do about it.
    Doctor(DoctorArgs),
    /// Look after a gateway's database: migrate, back up, restore, move to another one.
    Db(DbArgs),
    /// Run agents for gateways on other machines.
    Sandbox(SandboxArgs),
    /// Sit beside an agent; the gateway starts it.
    #[command(hide = true)]
    Runner,
    /// The built-in demo agent, on standard input and output; a runner starts it.
    #[command(hide = true)]
    DemoAgent,
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    main_with(|builder| builder)
}

/// The same for a program that adds to the gateway: the one that is served is what `adapt` makes of the one that the
/// arguments describe.
#[must_use]
pub fn main_with(adapt: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> ExitCode {
    let cli = Cli::parse();
    // One crypto provider for the whole process. It can be installed once only, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        None => run_serve(cli.serve, adapt),
        Some(Command::Serve(args)) => run_serve(args, adapt),
        Some(Command::Chat(args)) => run_alone(chat::run(args)),
        Some(Command::Api(args)) => run_alone(call::run(args)),
        Some(Command::Mcp(args)) => run_alone(mcp::run(args)),
        Some(Command::Completions { shell }) => complete(shell),
        Some(Command::Agents(args)) => agents::run(args),
        Some(Command::Doctor(args)) => run_alone(doctor::run(args)),
        Some(Command::Db(args)) => run_alone(db::run(args)),
        Some(Command::Sandbox(args)) => run_sandbox(args),
        Some(Command::Runner) => child::runner(),
        Some(Command::DemoAgent) => child::demo_agent(),
    }
}

fn run_serve(args: ServeArgs, adapt: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> ExitCode {
    logging::start(logging::Form::for_terminal());
    run_parallel(serve::run(args, adapt))
}

fn complete(shell: Shell) -> ExitCode {
    let mut command = Cli::command();
    // The commands of operations are made when they are needed.
    command.build();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    // Whoever reads may stop reading.
    let _ = std::io::stdout().lock().write_all(&script);
    ExitCode::SUCCESS
}

fn run_sandbox(args: SandboxArgs) -> ExitCode {
    logging::start(logging::Form::for_terminal());
    run_parallel(sandbox::run(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default() {
        let cli = Cli::try_parse_from(["portway", "--listen", "127.0.0.1:0"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.listen.map(|address| address.port()), Some(0));
    }
}
