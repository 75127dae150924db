//! A sandbox backend as a process.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::api::{Reply, send};
use super::gateway::{Refused, bare_command, read_lines, tail};
use super::{PATIENCE, eventually, processes};

/// A backend with a data folder of its own. When it is dropped it ends, with everything that it started.
pub(crate) struct Backend {
    scratch: TempDir,
    arguments: Vec<String>,
    variables: Vec<(&'static str, OsString)>,
    address: Option<SocketAddr>,
    child: Option<Child>,
    may_leave: bool,
}

impl Backend {
    /// One that is not started yet, with that `portway.toml`.
    pub(crate) fn prepared(config: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for folder in ["data", "tmp"] {
            std::fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        std::fs::write(scratch.path().join("data/portway.toml"), config).unwrap();
        Self { scratch, arguments: Vec::new(), variables: Vec::new(), address: None, child: None, may_leave: false }
    }

    /// The same with further arguments.
    pub(crate) fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// The same with further variables in its environment, which its agents get.
    pub(crate) fn with_variables(mut self, variables: impl IntoIterator<Item = (&'static str, OsString)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// The same whose gateway may end without putting its sandboxes away.
    pub(crate) fn of_a_worker(mut self) -> Self {
        self.may_leave = true;
        self
    }

    /// A running one.
    pub(crate) async fn start(config: &str) -> Self {
        let mut backend = Self::prepared(config);
        backend.launch().await;
        backend
    }

    /// Starts it; again on the same address if it ran before.
    pub(crate) async fn launch(&mut self) {
        if let Err(refused) = self.try_launch().await {
            panic!("the backend does not start: {refused:?}");
        }
    }

    /// Starts it, or tells how it ended.
    pub(crate) async fn try_launch(&mut self) -> Result<(), Refused> {
        let log = File::options().append(true).create(true).open(self.log_file()).unwrap();
        let listen = self.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut command = bare_command();
        command.args(["sandbox", "serve", "--data"]).arg(self.data()).args(&self.arguments);
        if !self.arguments.iter().any(|argument| argument == "--listen") {
            command.args(["--listen", &listen.to_string()]);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("TMPDIR", self.mark()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let (sender, first) = oneshot::channel();
        drop(read_lines(child.stdout.take().unwrap(), Arc::new(Mutex::new(Vec::new())), sender));
        self.child = Some(child);
        let first = tokio::time::timeout(PATIENCE, first).await.expect("the backend says nothing");
        let Ok(line) = first else {
            let code = self.ended().await;
            return Err(Refused { code, stderr: std::fs::read_to_string(self.log_file()).unwrap() });
        };
        let rest = line.split_once("http://").unwrap_or_else(|| panic!("no address in {line:?}")).1;
        self.address = Some(rest.split(' ').next().unwrap().parse().unwrap());
        Ok(())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address.expect("it ran once"))
    }

    /// The file with its token.
    pub(crate) fn token_file(&self) -> String {
        self.data().join("sandbox-token").display().to_string()
    }

    fn log_file(&self) -> PathBuf {
        self.scratch.path().join("backend.log")
    }

    fn mark(&self) -> PathBuf {
        self.scratch.path().join("tmp")
    }

    /// Its token.
    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.token_file()).unwrap().trim().to_owned()
    }

    /// Calls it with its token.
    pub(crate) async fn call(&self, label: &str, body: &Value) -> Reply {
        self.call_with(&self.token(), label, body).await
    }

    /// Calls it with some token.
    pub(crate) async fn call_with(&self, token: &str, label: &str, body: &Value) -> Reply {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let request = client.request(Method::POST, format!("{}/{label}", self.url()));
        send(request.bearer_auth(token).json(body)).await
    }

    /// Runners and agents that run on it, as process numbers.
    pub(crate) fn descendants(&self) -> Vec<i32> {
        let own = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        processes::marked(&self.mark()).into_iter().filter(|pid| Some(*pid) != own).collect()
    }

    /// Waits until no runner and no agent is left.
    pub(crate) async fn no_descendants(&self) {
        eventually("no process of the backend is left", async || self.descendants().is_empty().then_some(())).await;
    }

    /// The process of a session's runner.
    pub(crate) async fn runner(&self, session: &str) -> i32 {
        eventually("the session has a runner", async || {
            let mut files = std::fs::read_dir(self.data().join("run")).into_iter().flatten().flatten();
            files.find_map(|file| {
                let run: Value = serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()?;
                let pid = i32::try_from(run["pid"].as_i64()?).ok()?;
                (run["session"] == session && processes::is_alive(pid)).then_some(pid)
            })
        })
        .await
    }

    /// Ends it at once; its runners live on.
    pub(crate) async fn kill9(&mut self) {
        self.child.as_mut().expect("it runs").kill().unwrap();
        self.ended().await;
    }

    /// Asks it to end and waits until it has; its runners live on.
    pub(crate) async fn stop(&mut self) {
        let pid = self.child.as_ref().expect("it runs").id();
        processes::signal(i32::try_from(pid).unwrap(), Signal::SIGTERM);
        assert_eq!(self.ended().await, Some(0), "the backend stops cleanly");
    }

    async fn ended(&mut self) -> Option<i32> {
        let child = self.child.as_mut().expect("it runs");
        let status = eventually("the backend ends", async || child.try_wait().unwrap()).await;
        self.child = None;
        status.code()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let left = self.descendants();
        let failed = std::thread::panicking();
        if failed {
            eprintln!("---- log of the backend\n{}\n----", tail(&self.log_file()));
        }
        processes::kill_marked(&self.mark());
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        assert!(failed || self.may_leave || left.is_empty(), "left behind on the backend: {left:?}");
    }
}
