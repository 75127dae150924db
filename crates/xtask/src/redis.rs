//! A Redis server for one run of the tests: on this machine, in memory, gone afterwards.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::failure::Failure;
use crate::postgres::free_port;
use crate::process as programs;
use crate::server_process::ServerProcess;

/// Tells the tests where the server is. One that is set already is used as it is.
pub(crate) const VARIABLE: &str = "PORTWAY_TEST_REDIS";

/// How long the server may take to start.
const START: Duration = Duration::from_secs(30);

/// Runs the server until its own standard input ends, however that comes about.
const SCRIPT: &str = r#"
    trap '' INT
    "$@" >/dev/null 2>&1 &
    server=$!
    cat >/dev/null
    kill -KILL "$server"; wait "$server"
"#;

/// A server that stops when this is dropped, or when this program ends in whatever way.
pub(crate) struct RedisServer {
    url: String,
    /// None for a server of somebody else's.
    _process: Option<ServerProcess>,
}

impl RedisServer {
    /// Starts a server, unless the environment names one. `install`: get the program first if there is none.
    pub(crate) fn start(install: bool) -> Result<Self, Failure> {
        if let Some(url) = env::var(VARIABLE).ok().filter(|url| !url.is_empty()) {
            return Ok(Self { url, _process: None });
        }
        match find_program() {
            Some(program) => Self::start_with(&program),
            None if install => Self::start_with(&install_program()?),
            None => Err(nothing_there()),
        }
    }

    fn start_with(program: &Path) -> Result<Self, Failure> {
        let port = free_port()?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(program).args(["--port", &port.to_string()]);
        // Nothing is written to a disk, and nobody else is let in.
        shell.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let process = ServerProcess::start(&mut shell)?;
        let server = Self { url: format!("redis://127.0.0.1:{port}"), _process: Some(process) };
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err(Failure::Environment(format!("{} does not start", program.display())));
            }
            thread::sleep(Duration::from_millis(20));
        }
        println!("Redis from {} runs on port {port}", program.display());
        Ok(server)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn find_program() -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let programs = ["redis-server", "valkey-server"];
    let mut paths = env::split_paths(&folders).flat_map(|folder| programs.map(|program| folder.join(program)));
    paths.find(|path| path.is_file())
}

/// Gets the program from Debian, without its service.
fn install_program() -> Result<PathBuf, Failure> {
    if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        return Err(nothing_there());
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        // Of a machine that is only being repaired, the package starts no service.
        programs::run(apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").args(arguments))
    };
    apt(&["update", "--quiet"])?;
    apt(&["install", "--quiet", "--yes", "--no-install-recommends", "redis-server"])?;
    find_program().ok_or_else(nothing_there)
}

fn nothing_there() -> Failure {
    Failure::Environment(format!(
        "there is no Redis server: install the package `redis-server`, or set {VARIABLE} to the URL of one"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_there_until_it_is_dropped() {
        // Without the program there is nothing to start.
        let Some(program) = find_program() else { return };
        let server = RedisServer::start_with(&program).unwrap();
        let address = server.url().trim_start_matches("redis://").to_owned();
        assert!(TcpStream::connect(&address).is_ok());
        drop(server);
        assert!(TcpStream::connect(&address).is_err());
    }
}
