//! A Postgres server for one run of the tests: on this machine, in a scratch folder, gone afterwards.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, process};

use crate::failure::Failure;
use crate::process as programs;
use crate::server_process::ServerProcess;

/// Tells the tests where the server is. One that is set already is used as it is.
pub(crate) const VARIABLE: &str = "PORTWAY_TEST_POSTGRES";

/// How long the server may take to start.
const START: Duration = Duration::from_secs(60);

/// Runs the server until its own standard input ends, however that comes about, and then removes the folder.
const SCRIPT: &str = r#"
    trap '' INT
    folder="$1"; shift
    "$@" >"$folder/log" 2>&1 &
    server=$!
    cat >/dev/null
    kill -QUIT "$server"; wait "$server"
    rm -rf "$folder"
"#;

/// What makes tests fast and is good for nothing else: a crash of the machine loses everything.
const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=300",
    "shared_buffers=64MB",
    "autovacuum=off",
];

/// A server that stops when this is dropped, or when this program ends in whatever way.
pub(crate) struct PostgresServer {
    url: String,
    /// None for a server of somebody else's.
    _process: Option<ServerProcess>,
}

impl PostgresServer {
    /// Starts a server, unless the environment names one. `install`: get the programs first if there are none.
    pub(crate) fn start(install: bool) -> Result<Self, Failure> {
        if let Some(url) = env::var(VARIABLE).ok().filter(|url| !url.is_empty()) {
            return Ok(Self { url, _process: None });
        }
        let programs = match find_programs() {
            Some(programs) => programs,
            None if install => install_programs()?,
            None => return Err(nothing_there()),
        };
        Self::start_with(&programs)
    }

    fn start_with(programs: &Path) -> Result<Self, Failure> {
        let folder = Folder::make()?;
        let password = random_text()?;
        make_cluster(programs, &folder, &password)?;
        let port = free_port()?;
        let mut process = launch(programs, &folder, port)?;
        wait_until_ready(&folder, &mut process)?;
        println!("Postgres from {} runs on port {port}", programs.display());
        Ok(Self { url: format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"), _process: Some(process) })
    }

    /// With user and password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// A folder for the server, and the user that it runs as: it refuses to run as root.
struct Folder {
    path: PathBuf,
    /// User and group.
    owner: Option<(u32, u32)>,
}

impl Folder {
    fn make() -> Result<Self, Failure> {
        let path = env::temp_dir().join(format!("portway-postgres-{}", process::id()));
        DirBuilder::new().mode(0o700).create(&path).map_err(Failure::file(&path))?;
        let own = fs::metadata(&path).map_err(Failure::file(&path))?.uid();
        let owner = (own == 0).then(nobody).transpose()?;
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group)).map_err(Failure::file(&path))?;
        }
        Ok(Self { path, owner })
    }

    fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// A command that runs as the owner of the folder, in it.
    fn command(&self, program: &Path) -> Command {
        let mut command = match self.owner {
            None => Command::new(program),
            Some((user, group)) => {
                let mut setpriv = Command::new("setpriv");
                setpriv.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
                setpriv.arg(program);
                setpriv
            }
        };
        command.current_dir(&self.path);
        command
    }
}

/// User and group that own nothing.
fn nobody() -> Result<(u32, u32), Failure> {
    let id = |which: &str| -> Result<u32, Failure> {
        let text = programs::output(Command::new("id").args([which, "nobody"]))?;
        text.trim().parse().map_err(|_| Failure::Environment(format!("`id {which} nobody` answers {text:?}")))
    };
    Ok((id("-u")?, id("-g")?))
}

/// The folder of the server's programs, the newest first where Debian keeps several.
fn find_programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev().map(|(_, folder)| folder));
    folders.into_iter().find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

/// Gets the programs from Debian, without a server of its own.
fn install_programs() -> Result<PathBuf, Failure> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        return Err(nothing_there());
    }
    let settings = Path::new("/etc/postgresql-common");
    fs::create_dir_all(settings).map_err(Failure::file(settings))?;
    let file = settings.join("createcluster.conf");
    if !file.exists() {
        fs::write(&file, "create_main_cluster = false\n").map_err(Failure::file(&file))?;
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").env("UCF_FORCE_CONFFOLD", "1");
        programs::run(apt.args(arguments))
    };
    apt(&["update", "--quiet"])?;
    apt(&["install", "--quiet", "--yes", "--no-install-recommends", "postgresql"])?;
    find_programs().ok_or_else(nothing_there)
}

fn nothing_there() -> Failure {
    Failure::Environment(format!(
        "there is no Postgres server: install the package `postgresql`, or set {VARIABLE} to the URL of a server whose \
         user may create schemas, roles and databases"
    ))
}

fn make_cluster(programs: &Path, folder: &Folder, password: &str) -> Result<(), Failure> {
    let file = folder.path.join("password");
    let failed = || Failure::file(&file);
    let mut text = File::options().write(true).create_new(true).mode(0o600).open(&file).map_err(failed())?;
    text.write_all(password.as_bytes()).map_err(failed())?;
    if let Some((user, group)) = folder.owner {
        chown(&file, Some(user), Some(group)).map_err(failed())?;
    }
    let mut initdb = folder.command(&programs.join("initdb"));
    initdb.arg("-D").arg(folder.data()).arg("--pwfile").arg(&file);
    initdb.args(["-U", "postgres", "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    programs::output(&mut initdb).map(drop)
}

/// Two programs that look at once may find the same port; then one of the servers does not start.
pub(crate) fn free_port() -> Result<u16, Failure> {
    let found = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    found.map(|address| address.port()).map_err(|error| Failure::Environment(format!("there is no free port: {error}")))
}

fn launch(programs: &Path, folder: &Folder, port: u16) -> Result<ServerProcess, Failure> {
    let mut server: Vec<OsString> = vec![programs.join("postgres").into(), "-D".into(), folder.data().into()];
    server.extend(["-p".into(), port.to_string().into()]);
    server.extend(SETTINGS.iter().flat_map(|setting| ["-c".into(), (*setting).into()]));
    let mut shell = folder.command(Path::new("sh"));
    shell.args(["-c", SCRIPT, "sh"]).arg(&folder.path).args(server);
    ServerProcess::start(&mut shell)
}

/// The server says in its lock file when it takes connections.
fn wait_until_ready(folder: &Folder, process: &mut ServerProcess) -> Result<(), Failure> {
    let lock = folder.data().join("postmaster.pid");
    let deadline = Instant::now() + START;
    loop {
        let lines = fs::read_to_string(&lock).unwrap_or_default();
        if lines.lines().nth(7).is_some_and(|status| status.trim() == "ready") {
            return Ok(());
        }
        let log = || fs::read_to_string(folder.path.join("log")).unwrap_or_default();
        // It writes the lock file first, and takes it away when it ends.
        let has_ended = log().contains("database system is shut down") || process.has_ended();
        if has_ended || log().contains("FATAL") || Instant::now() > deadline {
            return Err(Failure::Environment(format!("the Postgres server does not start:\n{}", log().trim_end())));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn random_text() -> Result<String, Failure> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).map_err(Failure::file(source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_there_until_it_is_dropped() {
        // Without the programs there is nothing to start.
        let Some(programs) = find_programs() else { return };
        let server = PostgresServer::start_with(&programs).unwrap();
        let address = server.url().rsplit_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
        let folder = env::temp_dir().join(format!("portway-postgres-{}", process::id()));
        assert!(folder.is_dir() && std::net::TcpStream::connect(&address).is_ok());
        drop(server);
        assert!(!folder.exists() && std::net::TcpStream::connect(&address).is_err());
    }
}
