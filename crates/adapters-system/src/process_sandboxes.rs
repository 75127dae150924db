//! Sandboxes that are processes of this machine.
//!
//! Not a wall: an agent runs as the user who runs the gateway, and can read and write what that user can.

mod family;
mod folders;
mod launch;
mod process;
mod registry;
mod run_file;
mod runner_log;
mod session_locks;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::ids::SessionId;
use portway_ports::sandboxes::{SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use tokio::process::Child;
use tokio::time::{Instant, timeout};

use self::folders::Folders;
use self::process::Process;
use self::registry::{Registry, Sandbox, blocking};
use self::run_file::{RunFile, RunFolder};
use self::runner_log::RunnerLog;
use self::session_locks::SessionLocks;

/// Where run files are, in the data folder.
const RUN_FOLDER: &str = "run";

/// How long what was killed may take to be gone.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// A runner that fails within this time is taken to have logged why.
const QUICK: Duration = Duration::from_secs(120);

/// Where runners come from and where their things are kept.
#[derive(Debug, Clone)]
pub struct ProcessSandboxOptions {
    /// The data folder: `run/`, `logs/` and `workspaces/` are made in it.
    pub data: PathBuf,
    /// The runner's program: a path, or a bare name to search for.
    pub runner: PathBuf,
    /// Its leading arguments.
    pub runner_args: Vec<OsString>,
    /// Where runners reach the gateway, such as `ws://127.0.0.1:8080`.
    pub gateway_url: String,
    /// How long a runner may take to end itself and its agent before it is killed.
    pub grace: Duration,
}

impl ProcessSandboxOptions {
    /// A runner without arguments, and three seconds of grace.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>, runner: impl Into<PathBuf>, gateway_url: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            runner: runner.into(),
            runner_args: Vec::new(),
            gateway_url: gateway_url.into(),
            grace: Duration::from_secs(3),
        }
    }
}

/// A folder below the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct OpenError {
    /// The folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: io::Error,
}

/// A sandbox that a run file tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The session.
    pub session: SessionId,
    /// The generation of its runner.
    pub generation: u32,
    /// Whether its runner lives.
    pub alive: bool,
}

/// A sandbox that was started on this machine, as a look from outside finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The session.
    pub session: SessionId,
    /// The generation of its runner.
    pub generation: u32,
    /// The runner's process, which leads a group of its own.
    pub pid: i32,
    /// Whether it lives.
    pub alive: bool,
}

/// Looks at the sandboxes of a data folder without touching them, for a program that is not their gateway. Blocks for
/// moments.
///
/// # Errors
/// When the run folder exists and cannot be read.
pub fn sightings(data: &Path) -> io::Result<Vec<Sighting>> {
    let runs = run_file::look(&data.join(RUN_FOLDER))?;
    let sighting = |run: RunFile| {
        let alive = run.process().is_some();
        Sighting { session: run.session, generation: run.generation, pid: run.pid, alive }
    };
    Ok(runs.into_iter().map(sighting).collect())
}

/// Runs each runner as a process on this machine.
///
/// Runners outlive the gateway: dropping this stops none. `<data>/run/` tells the next gateway which there are; it takes
/// them over when it asks for them. A runner's number alone is never trusted, since numbers are used again: a process is
/// only believed alive, and only signalled, if it started when the run file says.
///
/// What a runner starts ends with it, even what left its process group: on Linux all descendants are noted every two
/// seconds (more often after a start) while the runner lives, and those that are left after its end are killed. Not found
/// are processes that came and cut all ties with the family between two looks, and all that outlived a runner that died
/// while no gateway ran; the runner's own agent ends then because its standard input closes. On other systems only the
/// runner's process group is signalled, and the check of numbers is weaker: the process must lead its group.
///
/// Methods need a tokio runtime with time and I/O. Clones share everything.
#[derive(Debug, Clone)]
pub struct ProcessSandboxes {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: ProcessSandboxOptions,
    folders: Folders,
    registry: Arc<Registry>,
    locks: SessionLocks,
}

impl ProcessSandboxes {
    /// Makes the folders that are needed.
    ///
    /// # Errors
    /// [`OpenError`] when a folder cannot be made or is not the user's own.
    pub fn open(mut options: ProcessSandboxOptions) -> Result<Self, OpenError> {
        let failed = |path: &PathBuf| {
            let path = path.clone();
            move |source| OpenError { path, source }
        };
        // Runners have another current folder than the gateway.
        options.data = std::path::absolute(&options.data).map_err(failed(&options.data))?;
        let folders = Folders::new(&options.data);
        folders.make_logs().map_err(failed(&options.data))?;
        let run = options.data.join(RUN_FOLDER);
        let runs = RunFolder::open(run.clone()).map_err(failed(&run))?;
        let registry = Registry::new(runs, folders.clone());
        Ok(Self { inner: Arc::new(Inner { options, folders, registry, locks: SessionLocks::default() }) })
    }

    /// All sandboxes that run files tell of, for a host to decide at its start which to wait for and which to stop.
    /// From then on the living ones are watched like those started here.
    ///
    /// # Errors
    /// When the run folder cannot be read.
    pub async fn orphans(&self) -> io::Result<Vec<Orphan>> {
        let registry = Arc::clone(&self.inner.registry);
        let runs = blocking(move || registry.runs.list()).await.unwrap_or_else(|| Ok(Vec::new()))?;
        let orphan = |run: RunFile| {
            let found = self.inner.registry.find(&run.session, run.generation);
            let alive = found.is_some_and(|sandbox| sandbox.is_alive());
            Orphan { session: run.session, generation: run.generation, alive }
        };
        Ok(runs.into_iter().map(orphan).collect())
    }

    /// The same as [`Sandboxes::start`] with a gateway of the caller's choice, such as `ws://127.0.0.1:8080`.
    ///
    /// # Errors
    /// Those of [`Sandboxes::start`].
    pub async fn start_at(&self, gateway_url: String, order: SandboxOrder) -> Result<(), SandboxError> {
        let inner = Arc::clone(&self.inner);
        // A task of its own: a start that nobody waits for any more must not end between the process and its run file.
        tokio::spawn(async move { inner.start(&gateway_url, order).await })
            .await
            .unwrap_or_else(|error| Err(SandboxError::Unavailable(format!("the start of the sandbox failed: {error}"))))
    }

    /// Removes the run file of a sandbox that is dead; without effect if it lives.
    pub async fn forget(&self, session: &SessionId, generation: u32) {
        let _held = self.inner.locks.lock(session).await;
        if self.inner.registry.find(session, generation).is_none() {
            self.inner.registry.runs.remove(session, generation);
        }
    }
}

#[async_trait]
impl Sandboxes for ProcessSandboxes {
    async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        self.start_at(self.inner.options.gateway_url.clone(), order).await.map(|()| StartedSandbox::default())
    }

    async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError> {
        let _held = self.inner.locks.lock(&sandbox.session).await;
        self.inner.stop(&sandbox.session, sandbox.generation).await
    }

    async fn delete_workspace(&self, session: &SessionId) -> Result<bool, SandboxError> {
        let _held = self.inner.locks.lock(session).await;
        self.inner.delete_workspace(session).await
    }

    async fn is_alive(&self, sandbox: &SandboxRef) -> Result<bool, SandboxError> {
        let found = self.inner.registry.find(&sandbox.session, sandbox.generation);
        Ok(found.is_some_and(|sandbox| sandbox.is_alive()))
    }

    async fn on_this_node(&self) -> Result<Vec<SandboxRef>, SandboxError> {
        let found = self.orphans().await.map_err(|error| {
            SandboxError::Unavailable(format!("the folder of running sandboxes cannot be read: {error}"))
        })?;
        Ok(found.into_iter().map(|orphan| SandboxRef::new(orphan.session, orphan.generation)).collect())
    }

    async fn was_here(&self, sandbox: &SandboxRef) -> bool {
        let generations = self.inner.registry.generations(&sandbox.session);
        generations.is_ok_and(|generations| generations.contains(&sandbox.generation))
    }

    async fn ended(&self, sandbox: &SandboxRef) -> String {
        let (registry, session, generation) = (&self.inner.registry, &sandbox.session, sandbox.generation);
        match registry.find(session, generation) {
            Some(sandbox) => sandbox.ended().await,
            None => registry.ending(session, generation).unwrap_or_else(|| "it does not exist".to_owned()),
        }
    }
}

impl Inner {
    async fn start(&self, gateway_url: &str, order: SandboxOrder) -> Result<(), SandboxError> {
        if order.agent.command.first().is_none_or(String::is_empty) {
            return Err(SandboxError::Refused("the agent has no command; name its program".to_owned()));
        }
        let _held = self.locks.lock(&order.session).await;
        self.replace(&order.session, order.generation).await?;
        let (workspace, log, log_start) = self.prepare(&order).await?;
        let mut child = launch::launch(&self.options, gateway_url, &order, &workspace, log)?;
        let Some(process) = child.id().and_then(Process::of_child) else {
            let _ = child.start_kill();
            return Err(SandboxError::Unavailable("the runner's process cannot be looked at".to_owned()));
        };
        let gate = child.stdin.take();
        let log = self.folders.log(&order.session);
        let began = Instant::now();
        let sandbox = self.registry.add(&order.session, order.generation, process, move |_| async move {
            wait_for(child, &log, log_start, began).await
        });
        let written = self.registry.runs.write(&RunFile::new(&order.session, order.generation, process));
        if let Err(error) = written {
            self.end(&sandbox).await?;
            return Err(SandboxError::Unavailable(format!("the run file cannot be written: {error}")));
        }
        launch::release(gate).await;
        tracing::info!(session = %order.session, generation = order.generation, pid = process.pid(), "a sandbox started");
        Ok(())
    }

    async fn delete_workspace(&self, session: &SessionId) -> Result<bool, SandboxError> {
        let mut living = self.generations(session)?.into_iter().filter_map(|found| self.registry.find(session, found));
        if let Some(living) = living.next() {
            let text = format!("generation {} of the session runs in the workspace: stop it first", living.generation);
            return Err(SandboxError::Refused(text));
        }
        let (folders, session) = (self.folders.clone(), session.clone());
        let removed = blocking(move || folders.remove_workspace(&session)).await.unwrap_or(Ok(false));
        removed.map_err(|error| SandboxError::Unavailable(format!("the workspace cannot be removed: {error}")))
    }

    fn generations(&self, session: &SessionId) -> Result<Vec<u32>, SandboxError> {
        let found = self.registry.generations(session);
        found.map_err(|error| SandboxError::Unavailable(format!("the run folder cannot be read: {error}")))
    }

    /// Stops what is left of the session, up to and with this generation.
    async fn replace(&self, session: &SessionId, generation: u32) -> Result<(), SandboxError> {
        let generations = self.generations(session)?;
        let newer = generations.iter().filter(|found| **found > generation);
        if let Some(newer) =
            newer.filter_map(|found| self.registry.find(session, *found)).find(|found| found.is_alive())
        {
            let text = format!("generation {} of the session runs already", newer.generation);
            return Err(SandboxError::Refused(text));
        }
        for older in generations.into_iter().filter(|found| *found <= generation) {
            self.stop(session, older).await?;
        }
        Ok(())
    }

    /// The folder to work in, the log to write to, and the log's present length.
    async fn prepare(&self, order: &SandboxOrder) -> Result<(PathBuf, File, u64), SandboxError> {
        let (folders, session, directory) = (self.folders.clone(), order.session.clone(), order.directory.clone());
        let prepared = blocking(move || {
            let workspace = folders.workspace(&session, directory.as_deref())?;
            let (log, length) = folders
                .log(&session)
                .open()
                .map_err(|error| SandboxError::Unavailable(format!("the runner's log cannot be opened: {error}")))?;
            Ok((workspace, log, length))
        });
        prepared.await.unwrap_or_else(|| Err(SandboxError::Unavailable("the gateway is ending".to_owned())))
    }

    async fn stop(&self, session: &SessionId, generation: u32) -> Result<(), SandboxError> {
        match self.registry.find(session, generation) {
            Some(sandbox) => self.end(&sandbox).await,
            None => {
                self.registry.runs.remove(session, generation);
                Ok(())
            }
        }
    }

    async fn end(&self, sandbox: &Arc<Sandbox>) -> Result<(), SandboxError> {
        sandbox.terminate().await;
        if timeout(self.options.grace, sandbox.ended()).await.is_ok() {
            return Ok(());
        }
        sandbox.kill().await;
        match timeout(KILL_WAIT, sandbox.ended()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(SandboxError::Unavailable("the runner was killed but does not end".to_owned())),
        }
    }
}

/// Waits for a runner that was started here, which also collects its exit status.
async fn wait_for(mut child: Child, log: &RunnerLog, log_start: u64, began: Instant) -> String {
    let status = match child.wait().await {
        Ok(status) => status,
        Err(error) => return format!("it cannot be waited for: {error}"),
    };
    let line = (!status.success() && began.elapsed() < QUICK).then(|| log.last_line(log_start)).flatten();
    match line {
        Some(line) => format!("{}: {line}", words(status)),
        None => words(status),
    }
}

fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}
