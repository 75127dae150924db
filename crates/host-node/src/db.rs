//! `portway db`: looks after the database of a gateway.
//!
//! Exit codes: 0 done, 1 begun and failed, 2 not begun: the arguments, the configuration, a database or an archive that
//! cannot be used, or one that is in use.

mod backup;
mod copy;
mod database;
mod error;
mod file;
mod migrate;
mod place;
mod progress;
mod restore;
mod status;
mod verify;
mod worker;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::config::PlaceArgs;

/// Flags of `portway db`.
#[derive(Debug, Clone, Args)]
pub struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

/// Whose database it is.
#[derive(Debug, Clone, Default, Args)]
pub struct DatabaseArgs {
    /// Where the gateway keeps its things.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Database of the gateway, if it is not the configured one
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
enum DbCommand {
    /// Bring the schema up to date, as the gateway does when it starts
    Migrate(DatabaseArgs),
    /// Tell which schema the database has, and how much is in it
    Status {
        #[command(flatten)]
        database: DatabaseArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write everything into a file, while the gateway goes on or without one
    Backup {
        /// The file to write
        file: PathBuf,
        #[command(flatten)]
        database: DatabaseArgs,
        /// Try the backup out once it is written, as `portway db verify` does
        #[arg(long)]
        verify: bool,
        /// Write over a file that exists
        #[arg(long)]
        force: bool,
    },
    /// Try a backup out: restore it into a scratch database and check what is there
    Verify {
        /// The backup
        file: PathBuf,
    },
    /// Fill an empty database with a backup
    Restore {
        /// The backup
        file: PathBuf,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Fill an empty database with what another one holds; goes on where it was interrupted
    Copy {
        /// Database to read
        #[arg(long, value_name = "URL")]
        from: String,
        /// Database to fill
        #[arg(long, value_name = "URL")]
        to: String,
        /// Forget what an interrupted copy has written
        #[arg(long)]
        restart: bool,
    },
}

/// Does what was asked for.
pub async fn run(args: DbArgs) -> ExitCode {
    let done = match args.command {
        DbCommand::Migrate(database) => migrate::run(&database).await,
        DbCommand::Status { database, json } => status::run(&database, json).await,
        DbCommand::Backup { file, database, verify, force } => backup::run(&file, &database, verify, force).await,
        DbCommand::Verify { file } => verify::run(&file).await,
        DbCommand::Restore { file, database } => restore::run(&file, &database).await,
        DbCommand::Copy { from, to, restart } => copy::run(&from, &to, restart).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            for line in error.to_string().lines() {
                let _ = writeln!(stderr, "portway: {line}");
            }
            error.exit_code()
        }
    }
}

/// Says something on standard output.
fn say(text: &str) {
    // Whoever reads may stop reading.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
