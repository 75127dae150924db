//! `portway doctor`: looks at everything that a gateway stands on, and says what to do about what is wrong.
//!
//! It changes nothing but for a small file that it writes and removes to time the disk, and a small object
//! where attachments are kept, and works beside a running gateway as well as without one. Exit codes: 0 nothing is wrong, 1
//! problems were found, 2 wrong usage.

mod agents;
mod backend;
mod clock;
mod data_folder;
mod database;
mod objects;
mod report;
mod sandboxes;
mod server;
mod work;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use self::report::Report;
use self::server::Server;
use crate::config::{Config, ObjectFlags, PlaceArgs, SandboxFlags, ServeArgs};
use crate::gateway::DatabaseUrl;

/// Flags of `portway doctor`.
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Where the gateway keeps its things.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Database of the gateway, if it is not the configured one
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Address that the gateway listens on, if it is not the configured one
    #[arg(long, env = "PORTWAY_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where agents work, if not as configured.
    #[command(flatten)]
    pub sandbox: SandboxFlags,
    /// Where attachments are kept, if not as configured.
    #[command(flatten)]
    pub objects: ObjectFlags,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Looks, and prints what it finds.
pub async fn run(args: DoctorArgs) -> ExitCode {
    let json = args.json;
    let report = examine(args).await;
    let text = if json { report.json() } else { report.text() };
    // Whoever reads may stop reading.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn examine(args: DoctorArgs) -> Report {
    let mut report = Report::default();
    let data = args.place.data_folder();
    // Who is asked where a gateway listens does not start one there.
    let DoctorArgs { place, database, listen, sandbox, objects, json: _ } = args;
    let serve = ServeArgs { place, database, listen, sandbox, objects, insecure: true, ..ServeArgs::default() };
    let config = match Config::load(serve) {
        Ok(config) => {
            report.fine("configuration", "it can be used");
            Some(config)
        }
        Err(error) => {
            for mistake in error.0 {
                report.problem("configuration", mistake, "correct it: the gateway does not start with it");
            }
            None
        }
    };
    if let Some(config) = &config {
        match &config.sandbox {
            // The programs are on the backend's machine.
            Some(sandbox) => backend::check(&mut report, config, sandbox).await,
            None => agents::check(&mut report, config),
        }
    }
    clock::check(&mut report, &data).await;
    let url = config.as_ref().and_then(|config| config.database.as_ref());
    let has_folder = data_folder::check(&mut report, &data);
    // A server can be looked at before the first start.
    if !has_folder && !matches!(url, Some(DatabaseUrl::Postgres(_))) {
        return report;
    }
    if let Some(config) = &config
        && (has_folder || config.objects.is_some())
    {
        objects::check(&mut report, &data, config.objects.as_ref()).await;
    }
    let server = server::check(&mut report, &data, config.as_ref().map(|config| config.listen)).await;
    let running = matches!(server, Server::Running);
    if let Some(database) = database::check(&mut report, &data, url, running).await {
        let engines = work::check(&mut report, &database, running).await;
        sandboxes::check(&mut report, &data, engines.as_deref(), running);
    }
    report
}
