//! What there is to measure: the programs and the databases that they read.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use portway_domain::ids::SessionId;
use tempfile::TempDir;

use crate::client::Request;
use crate::failure::Failure;
use crate::postgres::Server;
use crate::seed::{Seed, Seeded};
use crate::server::Program;

/// The file that the gateway keeps its database in, inside the data folder.
const DATABASE: &str = "portway.db";

/// Which database a server reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum People {
    /// It has the sessions of one user.
    Alone,
    /// It has those of other people as well.
    Crowded,
    /// It has the sessions of one user, and they wait for their sandboxes.
    Waiting,
}

/// Whether the gateway writes a line for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessLog {
    Off,
    On,
}

/// The programs, and a folder for all that they write, which is removed at the end.
pub(crate) struct World {
    scratch: TempDir,
    portway: PathBuf,
    floor: PathBuf,
    pub(crate) postgres: Option<Server>,
    pub(crate) seeded: Seeded,
}

impl World {
    /// Fills the databases, below `folder`.
    pub(crate) async fn make(
        portway: PathBuf,
        floor: PathBuf,
        folder: &Path,
        postgres: Option<Server>,
    ) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(Failure::file(folder))?;
        let scratch = tempfile::Builder::new().prefix("run-").tempdir_in(folder).map_err(Failure::file(folder))?;
        let [alone, crowded, waiting] = ["alone.db", "crowded.db", "waiting.db"].map(|name| scratch.path().join(name));
        let mut seed = Seed::open(&alone, 1).await?;
        let seeded = seed.own().await?;
        seed.close();
        copy(&alone, &crowded)?;
        copy(&alone, &waiting)?;
        let mut seed = Seed::open(&waiting, 4).await?;
        seed.wait_for_sandboxes(&seeded.sessions).await?;
        seed.close();
        let mut seed = Seed::open(&crowded, 2).await?;
        seed.others().await?;
        seed.close();
        Ok(Self { scratch, portway, floor, postgres, seeded })
    }

    /// The folder for all that is written.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The first page of the user's sessions.
    pub(crate) fn list(&self) -> Request {
        Request::get("/api/sessions?limit=20").by(&self.seeded.token)
    }

    /// The session in the middle, which has a transcript.
    pub(crate) fn one(&self) -> Request {
        Request::get(&format!("/api/sessions/{}", self.middle())).by(&self.seeded.token)
    }

    /// The same session, by JSON-RPC.
    pub(crate) fn one_by_rpc(&self) -> Request {
        let id = self.middle();
        let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"sessions.get","params":{{"id":"{id}"}}}}"#);
        Request::post("/rpc", &call).by(&self.seeded.token)
    }

    fn middle(&self) -> &str {
        let middle = self.seeded.sessions.get(self.seeded.sessions.len() / 2);
        middle.map(|id| id.as_str()).unwrap_or_default()
    }

    /// A prompt in each of the user's sessions, in a number of them that `clients` divides.
    pub(crate) fn prompts(&self, clients: usize) -> Vec<Request> {
        let sessions = &self.seeded.sessions;
        let even = sessions.len() / clients * clients;
        let prompt = |id: &SessionId| {
            let path = format!("/api/sessions/{id}/messages");
            Request::post(&path, r#"{"content":"Make the parser accept comments"}"#).by(&self.seeded.token)
        };
        sessions.iter().take(even).map(prompt).collect()
    }

    /// The floor on a database of its own.
    pub(crate) fn floor(&self, people: People) -> Result<Program, Failure> {
        let folder = self.fresh_folder("floor", people)?;
        let (program, database) = (self.floor.clone(), folder.join(DATABASE));
        Ok(Program {
            name: "the floor",
            command: Box::new(move |address: SocketAddr| {
                let mut command = Command::new(&program);
                command.env_clear().arg("--database").arg(&database).arg("--listen").arg(address.to_string());
                command
            }),
            log: folder.join("output"),
            first: self.list(),
        })
    }

    /// The gateway on a database of its own.
    pub(crate) fn portway(&self, people: People, access_log: AccessLog) -> Result<Program, Failure> {
        let folder = self.fresh_folder("portway", people)?;
        let (program, data) = (self.portway.clone(), folder.clone());
        Ok(Program {
            name: "Portway",
            command: Box::new(move |address: SocketAddr| {
                let mut command = Command::new(&program);
                command.env_clear().arg("serve").arg("--data").arg(&data);
                command.arg("--listen").arg(address.to_string());
                if access_log == AccessLog::Off {
                    command.env("PORTWAY_ACCESS_LOG", "off").env("PORTWAY_LOG", "warn");
                }
                command
            }),
            log: folder.join("output"),
            first: self.list(),
        })
    }

    /// The best messages that have a word.
    pub(crate) fn search(&self, word: &str) -> Request {
        Request::get(&format!("/api/search?q={word}&limit=20")).by(&self.seeded.token)
    }

    /// The gateway on a new database with many messages.
    pub(crate) async fn library(&self, people: People) -> Result<Program, Failure> {
        let program = self.portway(people, AccessLog::Off)?;
        let folder = program.log.parent().unwrap_or(self.folder());
        let database = folder.join(DATABASE);
        fs::remove_file(&database).map_err(Failure::file(&database))?;
        let mut seed = Seed::open(&database, 3).await?;
        let (id, _) = seed.asker().await?;
        seed.library(&id, people).await?;
        seed.close();
        Ok(program)
    }

    /// The gateway on a copy of that database on a Postgres server.
    pub(crate) async fn library_on(&self, server: &Server, people: People) -> Result<Program, Failure> {
        let name = match people {
            People::Alone | People::Waiting => "portway_bench_alone",
            People::Crowded => "portway_bench_crowded",
        };
        let library = self.library(people).await?;
        let folder = library.log.parent().unwrap_or(self.folder());
        let url = server.fresh_database(name).await?;
        let from = format!("sqlite://{}", folder.join(DATABASE).display());
        let mut copy = Command::new(&self.portway);
        copy.args(["db", "copy", "--from", &from, "--to", &url]);
        let output = copy.env_clear().output().map_err(Failure::io("copying a database"))?;
        if !output.status.success() {
            return Err(Failure::Seed(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let start = library.command;
        let command = move |address: SocketAddr| {
            let mut command = start(address);
            command.env("DATABASE_URL", &url);
            command
        };
        Ok(Program { command: Box::new(command), ..library })
    }

    /// A new folder with a copy of a database.
    fn fresh_folder(&self, name: &str, people: People) -> Result<PathBuf, Failure> {
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(self.folder());
        let folder = folder.map_err(Failure::file(self.folder()))?.keep();
        let source = match people {
            People::Alone => "alone.db",
            People::Crowded => "crowded.db",
            People::Waiting => "waiting.db",
        };
        copy(&self.folder().join(source), &folder.join(DATABASE))?;
        Ok(folder)
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map(|_| ()).map_err(Failure::file(from))
}
