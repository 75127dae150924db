//! Why a gateway cannot be built.

use std::io;
use std::path::PathBuf;

use portway_adapters_sqlite::OpenError;
use portway_api::BuildError;
use portway_sql::driver::SqlError;
use portway_sql::migrations::MigrateError;

pub use super::database_url::DatabaseUrlError;
use crate::data_folder::DataFolderError;

/// Why the gateway cannot start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Choices that cannot work: all of them, each with a text of its own.
    #[error("{}", lines(.0))]
    Options(Vec<OptionError>),
    /// The data folder.
    #[error(transparent)]
    Data(#[from] DataFolderError),
    /// The SQLite database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The Postgres database.
    #[error(transparent)]
    Postgres(#[from] portway_adapters_postgres::OpenError),
    /// Another gateway uses the database file.
    #[error("the database {0} is in use by another gateway: stop that one, or choose another file")]
    DatabaseInUse(PathBuf),
    /// The file that keeps other gateways from the database.
    #[error("{path} cannot be used: {source}; the folder of the database has to exist and be writable")]
    DatabaseLock {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The contents of the database are not complete.
    #[error("{0}")]
    Unfinished(String),
    /// The database does not answer.
    #[error(transparent)]
    NoAnswer(#[from] SqlError),
    /// The schema of the database.
    #[error(transparent)]
    Schema(#[from] MigrateError),
    /// The folder for attachments.
    #[error(transparent)]
    Objects(#[from] portway_adapters_s3::FolderError),
    /// The folder of running sandboxes.
    #[error(transparent)]
    Sandboxes(#[from] portway_adapters_system::OpenError),
    /// The program's own path, which runners are started by.
    #[error("the path of this program cannot be found: {0}")]
    Program(io::Error),
    /// The key in the data folder that the keys of sandboxes follow from.
    #[error("{0}")]
    SandboxRootKey(String),
    /// An option of the API cannot be used.
    #[error("the API cannot be built: {0}")]
    Api(#[from] BuildError),
    /// Something that the services did at the start.
    #[error(transparent)]
    Service(#[from] portway_services::Error),
}

/// A choice of the builder that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// Nothing says where data is kept.
    #[error(
        "no database is named: call database(\"sqlite:///path/file.db\"), database(\"postgres://user:password@machine/database\"), database(\"sqlite::memory:\") or data_folder(path)"
    )]
    NoDatabase,
    /// The database URL.
    #[error(transparent)]
    DatabaseUrl(#[from] DatabaseUrlError),
    /// Agents that run as processes need a folder to work in.
    #[error(
        "agents run as processes of this machine and need a folder to work in: call data_folder(path), or bring sandboxes(...) of your own"
    )]
    NoDataFolder,
    /// Runners on this machine cannot reach the gateway.
    #[error(
        "runners have to reach the gateway: call gateway_address(address) with the address that its service is served on, or bring sandboxes(...) of your own"
    )]
    NoGatewayAddress,
    /// Runners are started by this program's own path, and the program would not notice.
    #[error(
        "runners are started by this program's own path: call portway::run_if_child() first in main and return what it answers, or name another program with runner(...)"
    )]
    NoRunner,
    /// There is no agent to open sessions with.
    #[error("no agent is named: call agent(name, command)")]
    NoAgent,
    /// An agent whose name or command cannot be used.
    #[error(
        "the agent \"{0}\": a name has 1 to 100 letters, digits, '_', '-' or '.', and its command begins with a program"
    )]
    Agent(String),
    /// The default agent is none.
    #[error("the default agent \"{name}\" is not among the agents: {known}")]
    DefaultAgent {
        /// What was asked for.
        name: String,
        /// Which there are.
        known: String,
    },
}

fn lines(errors: &[OptionError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
