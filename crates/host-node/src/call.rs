//! `portway api`: calls an operation of a gateway. The commands are the operations of the table, and their flags the fields
//! of the input.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage or input, 3 no gateway answers or it asks to try again later, 4 no
//! key that the gateway takes, 5 no such thing for this key.

mod answer;
mod arguments;
mod rpc;

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use self::arguments::OperationCommand;
use self::rpc::{CallError, call};
use crate::client::{Connection, GatewayArgs};
use crate::terminal_text::clean;

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Tables for people
    Table,
    /// JSON, as the gateway writes it
    Json,
}

/// Flags that every operation has.
#[derive(Debug, Clone, Args)]
struct CallArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// How to show the answer [default: table on a terminal, json elsewhere]
    #[arg(long, value_name = "FORM")]
    output: Option<Form>,
    /// A file with a JSON object that has fields which no flag gives; - is the standard input
    #[arg(long, value_name = "FILE")]
    input: Option<String>,
}

/// Arguments of `portway api`.
#[derive(Debug, Clone)]
pub struct ApiArgs {
    operation: String,
    matches: ArgMatches,
    call: CallArgs,
}

impl Args for ApiArgs {
    fn augment_args(command: Command) -> Command {
        // There are many, and other commands are not to wait for them.
        command.subcommand_required(true).arg_required_else_help(true).defer(|command| {
            let operations = arguments::commands().into_iter();
            // The texts of the operation come last: flags that are taken over bring theirs.
            command.subcommands(
                operations.map(|operation| operation.describe(CallArgs::augment_args(operation.command()))),
            )
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ApiArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (operation, matches) = matches.subcommand().ok_or_else(missing)?;
        let call = CallArgs::from_arg_matches(matches)?;
        Ok(Self { operation: operation.to_owned(), matches: matches.clone(), call })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Calls the operation, and prints its answer to the standard output, or what is wrong to the standard error.
pub async fn run(args: ApiArgs) -> ExitCode {
    match carry_out(&args).await {
        Ok(text) => {
            // Whoever reads may stop reading.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            // There is nobody to tell when that fails.
            let _ = writeln!(std::io::stderr().lock(), "portway: {}", clean(&error.to_string()));
            error.exit().into()
        }
    }
}

async fn carry_out(args: &ApiArgs) -> Result<String, CallError> {
    let commands = arguments::commands();
    let operation = commands.iter().find(|operation| operation.name() == args.operation);
    let operation: &OperationCommand = operation.ok_or_else(|| CallError::Usage("no such operation".to_owned()))?;
    let input = operation.input(&args.matches, args.call.input.as_deref())?;
    let connection = Connection::find(&args.call.gateway).await?;
    let result = call(&connection, operation.name(), &input, operation.key(&args.matches)).await?;
    let is_terminal = std::io::stdout().is_terminal();
    Ok(match args.call.output.unwrap_or(if is_terminal { Form::Table } else { Form::Json }) {
        Form::Json => answer::json(&result),
        Form::Table => answer::table(&result, is_terminal.then(answer::terminal_width).flatten()),
    })
}
