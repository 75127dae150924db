//! The gateway as a process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use portway::agents::PRESETS;
use reqwest::Method;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::agents::Agent;
use super::api::{Api, send};
use super::backend::Backend;
use super::host::{WorkerFiles, free_address, is_worker};
use super::postgres::{Schema, Server};
use super::session::Session;
use super::{PATIENCE, eventually, processes};

/// The first administrator's key.
pub(crate) const KEY: &str = "sk_test_0123456789abcdef0123456789abcdef";

/// The variable that names the backend for agents.
const BACKEND: &str = "PORTWAY_SANDBOX_URL";

/// How much of each log a failed test shows, in bytes.
const SHOWN: usize = 6_000;

/// A gateway with a data folder of its own. When it is dropped, it is stopped, and everything that it started with it.
pub(crate) struct Gateway {
    scratch: TempDir,
    key: Option<String>,
    arguments: Vec<String>,
    variables: Vec<(&'static str, OsString)>,
    drain: u64,
    listens_as_configured: bool,
    address: Option<SocketAddr>,
    running: Option<Running>,
    /// The server that its database is on, if it is no file.
    server: Option<Server>,
    schema: Option<Arc<Schema>>,
    /// Where the agents of a Worker run.
    backend: Option<Backend>,
    /// Another one on the same database, which everybody talks to.
    second: Option<Box<Self>>,
}

struct Running {
    child: Child,
    printed: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

/// How a gateway that did not start ended.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Gateway {
    /// One that is not started yet, with the key [`KEY`] and that `portway.toml`.
    pub(crate) fn prepared(config: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for folder in ["data", "tmp"] {
            std::fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        let gateway = Self {
            scratch,
            key: Some(KEY.to_owned()),
            arguments: Vec::new(),
            variables: Vec::new(),
            drain: 5,
            listens_as_configured: false,
            address: None,
            running: None,
            server: Server::for_all(),
            schema: None,
            backend: None,
            second: None,
        };
        std::fs::write(gateway.data().join("portway.toml"), config).unwrap();
        gateway
    }

    /// The same without a key that was chosen for it.
    pub(crate) fn without_key(mut self) -> Self {
        self.key = None;
        self
    }

    /// The same with further arguments.
    pub(crate) fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// The same with a variable in its environment.
    pub(crate) fn with_variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// The same without that variable.
    pub(crate) fn without_variable(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self
    }

    /// The same with its agents on that backend.
    pub(crate) fn on_backend(self, url: &str, token: &str) -> Self {
        self.with_variable(BACKEND, url).with_variable("PORTWAY_SANDBOX_TOKEN", token)
    }

    /// The same with its database in a file, whatever the other gateways use.
    pub(crate) fn on_file(mut self) -> Self {
        self.server = None;
        self
    }

    /// The same with its database on that server.
    pub(crate) fn on_server(mut self, server: Server) -> Self {
        self.server = Some(server);
        self
    }

    /// The same with its database in the place of another one's, which ran once.
    pub(crate) fn beside(mut self, other: &Self) -> Self {
        self.server = other.server.clone();
        self.schema = Some(other.schema.clone().expect("it is on a server and ran"));
        self.with_variable("PORTWAY_OBJECTS", other.data().join("objects"))
    }

    /// The same with its database in that schema.
    pub(crate) fn in_schema(mut self, schema: Schema) -> Self {
        self.schema = Some(Arc::new(schema));
        self
    }

    /// The same that lets agents finish for that many seconds when it stops.
    pub(crate) fn draining(mut self, seconds: u64) -> Self {
        self.drain = seconds;
        self
    }

    /// The same on the address that its `portway.toml` names.
    pub(crate) fn listening_as_configured(mut self) -> Self {
        self.listens_as_configured = true;
        self
    }

    /// A running one.
    pub(crate) async fn start(config: &str) -> Self {
        let mut gateway = Self::prepared(config);
        gateway.launch().await;
        gateway
    }

    /// A running one that knows that agent.
    pub(crate) async fn for_agent(agent: &Agent) -> Self {
        Self::start(&agent.config()).await
    }

    /// Starts it; again on the same address if it ran before, so that runners and clients find it.
    pub(crate) async fn launch(&mut self) {
        if let Err(refused) = self.try_launch().await {
            panic!("the gateway does not start: {refused:?}");
        }
        if gateways_are_two() && self.server.is_some() && self.second.is_none() {
            let config = std::fs::read_to_string(self.data().join("portway.toml")).unwrap();
            let mut second = Self::prepared(&config).beside(self);
            second.arguments.clone_from(&self.arguments);
            second.variables.extend(self.variables.iter().cloned());
            if let Err(refused) = second.try_launch().await {
                panic!("the second gateway does not start: {refused:?}");
            }
            self.second = Some(Box::new(second));
        }
    }

    /// Starts it, or tells how it ended.
    pub(crate) async fn try_launch(&mut self) -> Result<(), Refused> {
        assert!(self.running.is_none(), "it runs already");
        if let (Some(server), None) = (&self.server, &self.schema) {
            self.schema = Some(Arc::new(Schema::create(server.clone()).await));
        }
        let mut command = match WorkerFiles::find() {
            Some(files) => self.worker_command(&files).await,
            None => self.command(),
        };
        let mut child = command.spawn().unwrap();
        let printed = Arc::new(Mutex::new(Vec::new()));
        let (sender, first) = oneshot::channel();
        let reader = read_lines(child.stdout.take().unwrap(), printed.clone(), sender);
        self.running = Some(Running { child, printed, reader });
        let first = tokio::time::timeout(PATIENCE, first).await.expect("the gateway says nothing");
        let Ok(line) = first else {
            let status = self.ended().await;
            return Err(Refused { code: status.code(), stderr: self.log() });
        };
        let rest = line.split_once("http://").unwrap_or_else(|| panic!("no address in {line:?}")).1;
        self.address = Some(rest.split(' ').next().unwrap().parse().unwrap());
        Ok(())
    }

    async fn worker_command(&mut self, files: &WorkerFiles) -> Command {
        let has_backend = self.backend.is_some() || self.variables.iter().any(|(name, _)| *name == BACKEND);
        if !has_backend {
            let config = std::fs::read_to_string(self.data().join("portway.toml")).unwrap();
            let of_agents = self.variables.iter().filter(|(name, _)| !name.starts_with("PORTWAY_")).cloned();
            let folders = std::env::temp_dir();
            let folders = ["--allow-folder", folders.to_str().expect("its name is text")];
            let mut backend =
                Backend::prepared(&config).of_a_worker().with_arguments(&folders).with_variables(of_agents);
            backend.launch().await;
            self.backend = Some(backend);
        }
        let address = *self.address.get_or_insert_with(free_address);
        let mut command = files.command(&self.data(), address, self.backend.as_ref());
        if let Some(key) = &self.key {
            command.env("PORTWAY_BOOTSTRAP_KEY", key);
        }
        let log = File::options().append(true).create(true).open(self.log_file()).unwrap();
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).env("TMPDIR", self.mark());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command
    }

    /// The data folder of whoever runs its agents.
    pub(crate) fn agents_data(&self) -> PathBuf {
        self.backend.as_ref().map_or_else(|| self.data(), Backend::data)
    }

    fn command(&self) -> Command {
        let mut command = bare_command();
        if let Some(schema) = self.schema() {
            command.env("DATABASE_URL", schema.url());
        }
        if let Some(key) = &self.key {
            command.env("PORTWAY_BOOTSTRAP_KEY", key);
        }
        let listen = self.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let log = File::options().append(true).create(true).open(self.log_file()).unwrap();
        command
            .args(["serve", "--drain", &self.drain.to_string()])
            .args(&self.arguments)
            .arg("--data")
            .arg(self.data())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("TMPDIR", self.mark())
            .current_dir(self.scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        if !self.listens_as_configured {
            command.args(["--listen", &listen.to_string()]);
        }
        command
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// The server that its database is on, if it is no file.
    pub(crate) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    /// Its place on a server, if its database is no file.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.schema.as_deref()
    }

    /// A folder that is not its data folder and goes away with it.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    fn mark(&self) -> PathBuf {
        self.scratch.path().join("tmp")
    }

    /// Everything that its runners wrote to their logs.
    pub(crate) fn runner_logs(&self) -> String {
        let folders = self.both().into_iter().map(|gateway| gateway.agents_data().join("logs"));
        let files = folders.flat_map(|logs| std::fs::read_dir(logs).into_iter().flatten().flatten());
        files.map(|file| String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned()).collect()
    }

    /// Its process.
    pub(crate) fn process(&self) -> i32 {
        i32::try_from(self.running.as_ref().expect("it runs").child.id()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.scratch.path().join("gateway.log")
    }

    /// Everything that it wrote to standard error, in all its runs.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it ran once")
    }

    /// Its API, for the first administrator.
    pub(crate) fn api(&self) -> Api {
        let api = Api::new(self.address(), self.key.as_deref().unwrap_or_default());
        match &self.second {
            Some(second) => api.through(second.address()),
            None => api,
        }
    }

    /// Itself, and the one that stands in front of it.
    fn both(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.second.as_deref()).collect()
    }

    /// Runners and agents that run, as process numbers.
    pub(crate) fn descendants(&self) -> Vec<i32> {
        let own = self.both().into_iter().flat_map(Self::own_descendants);
        match &self.backend {
            Some(backend) => backend.descendants(),
            // What is below the process of a Worker is part of it.
            None if is_worker() => Vec::new(),
            None => own.collect(),
        }
    }

    fn own_descendants(&self) -> Vec<i32> {
        let own = self.running.as_ref().and_then(|running| i32::try_from(running.child.id()).ok());
        processes::marked(&self.mark()).into_iter().filter(|pid| Some(*pid) != own).collect()
    }

    /// Waits until no runner and no agent is left.
    pub(crate) async fn no_descendants(&self) {
        eventually("no process is left", async || self.descendants().is_empty().then_some(())).await;
    }

    /// How many of its sandboxes it knows of.
    pub(crate) fn runner_count(&self) -> usize {
        std::fs::read_dir(self.agents_data().join("run")).map_or(0, Iterator::count)
    }

    /// The process of a session's runner.
    pub(crate) async fn runner(&self, session: &str) -> i32 {
        eventually("the session has a runner", async || {
            let folders = self.both().into_iter().map(|gateway| gateway.agents_data().join("run"));
            let files = folders.flat_map(|run| std::fs::read_dir(run).into_iter().flatten().flatten());
            let mut runners = files.filter_map(|file| {
                let run: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
                let pid = i32::try_from(run["pid"].as_i64()?).ok()?;
                (run["session"] == session && processes::is_alive(pid)).then_some(pid)
            });
            runners.next()
        })
        .await
    }

    /// The process of a session's agent.
    pub(crate) async fn agent(&self, session: &str) -> i32 {
        let runner = self.runner(session).await;
        eventually("the runner has an agent", async || processes::children(runner).first().copied()).await
    }

    /// The folder that a session's agent works in.
    pub(crate) fn workspace(&self, session: &str) -> PathBuf {
        let folders = self.both().into_iter().map(|gateway| gateway.agents_data().join("workspaces").join(session));
        let mut folders = folders.filter(|folder| folder.exists());
        folders.next().unwrap_or_else(|| self.agents_data().join("workspaces").join(session))
    }

    /// Ends it at once, as a power failure would; its runners live on.
    pub(crate) async fn kill9(&mut self) {
        self.running.as_mut().expect("it runs").child.kill().unwrap();
        self.ended().await;
        if is_worker() {
            processes::kill_marked(&self.mark());
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let running = self.running.as_ref().expect("it runs");
        processes::signal(i32::try_from(running.child.id()).unwrap(), signal);
    }

    /// Asks it to end and waits until it has: nothing may be left then.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        self.stopped().await;
    }

    /// Waits for its end after a signal: nothing may be left then.
    pub(crate) async fn stopped(&mut self) {
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "the gateway stops cleanly");
        self.assert_nothing_left();
    }

    fn assert_nothing_left(&self) {
        let left: Vec<String> = self.own_descendants().into_iter().map(processes::describe).collect();
        assert!(left.is_empty(), "left behind by the gateway: {left:#?}");
    }

    /// Stops it, and with it the sandbox of that session, which a Worker would leave alone.
    pub(crate) async fn stop_with_sandbox(&mut self, session: &Session) {
        if is_worker() {
            send(session.api.request(Method::POST, &session.path("/hibernate"))).await.expect(200);
            session.reaches("hibernated").await;
        }
        self.stop().await;
    }

    /// Stops it and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.launch().await;
    }

    async fn ended(&mut self) -> ExitStatus {
        let running = self.running.as_mut().expect("it runs");
        let status = eventually("the gateway ends", async || running.child.try_wait().unwrap()).await;
        self.running = None;
        status
    }

    /// What it prints in this run, once `count` lines are there.
    pub(crate) async fn printed(&self, count: usize) -> Vec<String> {
        let printed = self.running.as_ref().expect("it runs").printed.clone();
        eventually("the gateway prints", async || {
            let lines = printed.lock().unwrap().clone();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }

    /// Asks it to end, waits until it has, and answers with all that it printed in this run.
    pub(crate) async fn stop_and_read(&mut self) -> Vec<String> {
        let printed = self.running.as_ref().expect("it runs").printed.clone();
        self.signal(Signal::SIGTERM);
        let running = self.running.as_mut().expect("it runs");
        let all_read = eventually("the gateway ends", async || {
            running.child.try_wait().unwrap().filter(|_| running.reader.is_finished())
        });
        assert_eq!(all_read.await.code(), Some(0));
        self.running = None;
        std::mem::take(&mut *printed.lock().unwrap())
    }

    fn stop_in_drop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::SIGTERM);
        let running = self.running.as_mut()?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Ok(Some(status)) = running.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn show_logs(&self) {
        eprintln!("---- log of the gateway\n{}", tail(&self.log_file()));
        for file in std::fs::read_dir(self.data().join("logs")).into_iter().flatten().flatten() {
            eprintln!("---- {}\n{}", file.file_name().display(), tail(&file.path()));
        }
        eprintln!("----");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        let mut wrong = Vec::new();
        if !failed && self.running.is_some() {
            match self.stop_in_drop() {
                Some(status) if status.success() => {}
                other => wrong.push(format!("the gateway does not stop cleanly: {other:?}")),
            }
            wrong.extend(
                self.own_descendants().into_iter().map(|pid| format!("left behind: {}", processes::describe(pid))),
            );
        }
        if failed || !wrong.is_empty() {
            self.show_logs();
        }
        processes::kill_marked(&self.mark());
        if let Some(mut running) = self.running.take() {
            let _ = running.child.wait();
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Whether two gateways serve each test that has its database on a server.
pub(crate) fn gateways_are_two() -> bool {
    std::env::var("PORTWAY_TEST_GATEWAYS").is_ok_and(|count| count == "2")
}

/// The program without any of its variables.
pub(crate) fn bare_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portway"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTWAY_") {
            command.env_remove(name);
        }
    }
    command.env_remove("DATABASE_URL");
    for preset in PRESETS {
        let keys = preset.keys.iter().map(|key| key.variable);
        for variable in keys.chain(preset.settings.iter().copied()) {
            command.env_remove(variable);
        }
    }
    command
}

pub(super) fn read_lines(
    stdout: ChildStdout,
    printed: Arc<Mutex<Vec<String>>>,
    first: oneshot::Sender<String>,
) -> JoinHandle<()> {
    let mut first = Some(first);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            printed.lock().unwrap().push(line.clone());
            if let Some(first) = first.take() {
                let _ = first.send(line);
            }
        }
    })
}

pub(super) fn tail(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(SHOWN)..]).into_owned()
}
