//! What a backend does, whoever asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portway_adapters_http::RunnerUrl;
use portway_adapters_system::{ProcessSandboxOptions, ProcessSandboxes};
use portway_domain::ids::SessionId;
use portway_domain::tokens::TokenHash;
use portway_ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes};
use portway_services::{Context, Error};
use tokio::sync::watch;

use super::gateways::Gateways;
use super::options::Options;
use crate::child;
use crate::config::DEMO_AGENT;
use crate::data_folder::{DataFolder, DataFolderError};
use crate::secret_file::{KeptError, kept_secret};

/// Longest that an answer is held back while a sandbox lives.
const LONGEST_WATCH: Duration = Duration::from_secs(30);

/// Why a backend cannot start.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Data(#[from] DataFolderError),
    #[error(transparent)]
    Sandboxes(#[from] portway_adapters_system::OpenError),
    #[error("the sandboxes of an earlier backend cannot be found: {0}")]
    Earlier(std::io::Error),
    #[error("the path of this program cannot be found: {0}")]
    Program(std::io::Error),
    #[error(transparent)]
    Token(#[from] KeptError),
}

/// An agent that a gateway asks for.
#[derive(Debug)]
pub(super) struct WantedAgent {
    pub(super) name: String,
    /// How the gateway would start it.
    pub(super) command: AgentCommand,
}

/// A sandbox that a gateway asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) order: SandboxOrder,
    /// The agent of the order is filled in from this; the backend's default one if absent.
    pub(super) agent: Option<WantedAgent>,
    /// The address of the session's socket.
    pub(super) socket: String,
}

/// Whether a sandbox lives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// How it ended.
    Gone(String),
}

/// The backend.
pub(super) struct Backend {
    processes: ProcessSandboxes,
    agents: BTreeMap<String, AgentCommand>,
    default_agent: String,
    any_command: bool,
    gateways: Gateways,
    folders: Vec<PathBuf>,
    token: TokenHash,
    token_source: String,
    is_closing: watch::Sender<bool>,
    _folder: DataFolder,
}

impl Backend {
    /// Takes the data folder, and over what an earlier backend left running.
    pub(super) async fn open(options: &Options) -> Result<Self, OpenError> {
        let folder = DataFolder::open(&options.data)?;
        let (token, token_source) = match &options.token {
            Some((token, source)) => (token.clone(), source.clone()),
            None => {
                let path = folder.sandbox_token();
                let source = path.display().to_string();
                (kept_secret(path, |token| folder.write_sandbox_token(token))?, source)
            }
        };
        let program = std::env::current_exe().map_err(OpenError::Program)?;
        let mut agents = options.agents.clone();
        let demo = AgentCommand::new([&*program.to_string_lossy(), child::DEMO_AGENT]);
        agents.insert(DEMO_AGENT.to_owned(), demo);
        // Each order says where its gateway is.
        let mut runners = ProcessSandboxOptions::new(folder.path(), program, String::new());
        runners.runner_args = vec![child::RUNNER.into()];
        let processes = ProcessSandboxes::open(runners)?;
        for dead in processes.orphans().await.map_err(OpenError::Earlier)?.into_iter().filter(|found| !found.alive) {
            processes.forget(&dead.session, dead.generation).await;
        }
        Ok(Self {
            processes,
            agents,
            default_agent: options.default_agent.clone(),
            any_command: options.any_command,
            gateways: options.gateways.clone(),
            folders: options.folders.clone(),
            token: token.hash(),
            token_source,
            is_closing: watch::Sender::new(false),
            _folder: folder,
        })
    }

    /// Where the operator finds the token.
    pub(super) fn token_source(&self) -> &str {
        &self.token_source
    }

    /// Lets no answer be held back any more.
    pub(super) fn close(&self) {
        self.is_closing.send_replace(true);
    }

    /// Lets in who presents the token.
    pub(super) fn admit(&self, context: &Context) -> Result<(), Error> {
        let presented = context.credential.as_ref();
        if presented.is_some_and(|presented| presented.matches(&self.token)) {
            Ok(())
        } else {
            Err(Error::Unauthorized)
        }
    }

    /// Starts a sandbox; what is left of the session from earlier is stopped first.
    pub(super) async fn create(&self, wanted: Wanted) -> Result<(), Error> {
        let Wanted { mut order, agent, socket } = wanted;
        let gateway = self.gateway(&socket, &order.session)?;
        (order.agent_name, order.agent) = self.agent(agent)?;
        if let Some(directory) = &order.directory {
            self.check_folder(directory)?;
        }
        self.processes.start_at(gateway.to_string(), order).await.map_err(failure)
    }

    pub(super) async fn terminate(&self, sandbox: &SandboxRef) -> Result<(), Error> {
        self.processes.stop(sandbox).await.map_err(failure)
    }

    /// Ends a sandbox, whose files stay in place.
    pub(super) async fn hibernate(&self, sandbox: &SandboxRef) -> Result<(), Error> {
        if !self.processes.is_alive(sandbox).await.map_err(failure)? {
            return Err(Error::Conflict("the sandbox has ended already".to_owned()));
        }
        self.processes.hibernate(sandbox).await.map(|_| ()).map_err(failure)
    }

    /// Whether a sandbox lives. Tells that it does only after `patience`, or when the backend ends.
    pub(super) async fn life(&self, sandbox: &SandboxRef, patience: Duration) -> Result<Life, Error> {
        if self.processes.is_alive(sandbox).await.map_err(failure)? {
            let mut closing = self.is_closing.subscribe();
            tokio::select! {
                _ = self.processes.ended(sandbox) => {}
                () = tokio::time::sleep(patience.min(LONGEST_WATCH)) => return Ok(Life::Running),
                _ = closing.wait_for(|closing| *closing) => return Ok(Life::Running),
            }
        }
        Ok(Life::Gone(self.processes.ended(sandbox).await))
    }

    /// Removes a session's files; answers whether there were any.
    pub(super) async fn delete_workspace(&self, session: &SessionId) -> Result<bool, Error> {
        self.processes.delete_workspace(session).await.map_err(failure)
    }

    fn gateway(&self, socket: &str, session: &SessionId) -> Result<RunnerUrl, Error> {
        self.gateways.choose(socket, session).map_err(|unfit| invalid("doWsUrl", unfit.to_string()))
    }

    /// The backend's own command of an agent wins; a gateway's is only taken for one that is not known here.
    fn agent(&self, wanted: Option<WantedAgent>) -> Result<(String, AgentCommand), Error> {
        let name = wanted.as_ref().map_or(&self.default_agent, |agent| &agent.name);
        if let Some(own) = self.agents.get(name) {
            return Ok((name.clone(), own.clone()));
        }
        match wanted {
            Some(agent) if self.any_command => Ok((agent.name, agent.command)),
            _ => {
                let known = self.agents.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                let text = format!("the backend has no agent '{name}', only {known}: configure it in its portway.toml");
                Err(invalid("agent.name", text))
            }
        }
    }

    fn check_folder(&self, directory: &str) -> Result<(), Error> {
        let found = std::fs::canonicalize(Path::new(directory)).ok();
        let is_allowed = |found: PathBuf| self.folders.iter().any(|allowed| found.starts_with(allowed));
        if found.is_some_and(is_allowed) {
            return Ok(());
        }
        let text = format!(
            "agents may not work in {directory:?} on the backend's machine, or it does not exist there: allow it with \
             `portway sandbox serve --allow-folder`"
        );
        Err(invalid("directory", text))
    }
}

fn invalid(field: &str, message: String) -> Error {
    Error::Invalid { field: field.to_owned(), message }
}

fn failure(error: SandboxError) -> Error {
    match error {
        SandboxError::Refused(text) => Error::Conflict(text),
        SandboxError::Unavailable(message) => Error::Unavailable { message, retry_after: 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn backend(scratch: &Path, folders: Vec<PathBuf>, any_command: bool) -> Backend {
        let options = Options {
            data: scratch.join("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            token: None,
            agents: BTreeMap::from([("own".to_owned(), AgentCommand::new(["own"]))]),
            default_agent: "own".to_owned(),
            gateways: Gateways::ThisMachine,
            folders,
            any_command,
        };
        Backend::open(&options).await.unwrap()
    }

    fn wanted(name: &str) -> Option<WantedAgent> {
        Some(WantedAgent { name: name.to_owned(), command: AgentCommand::new(["theirs"]) })
    }

    #[tokio::test]
    async fn the_token_is_made_once() {
        let scratch = tempfile::tempdir().unwrap();
        let first = backend(scratch.path(), Vec::new(), false).await.token.clone();
        let path = scratch.path().join("data/sandbox-token");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!((text.trim().len(), TokenHash::of(text.trim())), (64, first.clone()));
        assert_eq!(backend(scratch.path(), Vec::new(), false).await.token, first);
        std::fs::write(&path, "").unwrap();
        let options = Options {
            data: scratch.path().join("data"),
            listen: ([127, 0, 0, 1], 0).into(),
            token: None,
            agents: BTreeMap::new(),
            default_agent: "demo".to_owned(),
            gateways: Gateways::ThisMachine,
            folders: Vec::new(),
            any_command: false,
        };
        assert!(matches!(Backend::open(&options).await, Err(OpenError::Token(_))), "an empty one lets nobody in");
    }

    #[tokio::test]
    async fn a_command_of_the_gateway_is_for_agents_that_are_not_known_here() {
        let scratch = tempfile::tempdir().unwrap();
        let command = |found: Result<(String, AgentCommand), Error>| found.map(|(_, agent)| agent.command);
        let strict = backend(scratch.path(), Vec::new(), false).await;
        assert_eq!(command(strict.agent(wanted("own"))), Ok(vec!["own".to_owned()]));
        assert_eq!(command(strict.agent(None)), Ok(vec!["own".to_owned()]));
        assert!(matches!(strict.agent(wanted("other")), Err(Error::Invalid { .. })));
        drop(strict);
        let open = backend(scratch.path(), Vec::new(), true).await;
        assert_eq!(command(open.agent(wanted("own"))), Ok(vec!["own".to_owned()]));
        assert_eq!(command(open.agent(wanted("other"))), Ok(vec!["theirs".to_owned()]));
    }

    #[tokio::test]
    async fn only_allowed_folders_are_worked_in() {
        let scratch = tempfile::tempdir().unwrap();
        let allowed = scratch.path().join("allowed");
        std::fs::create_dir_all(allowed.join("below")).unwrap();
        std::fs::create_dir(scratch.path().join("allowed-not")).unwrap();
        std::os::unix::fs::symlink(scratch.path(), allowed.join("way-out")).unwrap();
        let folders = vec![allowed.canonicalize().unwrap()];
        let backend = backend(scratch.path(), folders, false).await;
        let is_allowed = |name: &str| backend.check_folder(scratch.path().join(name).to_str().unwrap()).is_ok();
        assert!(is_allowed("allowed") && is_allowed("allowed/below"));
        for bad in ["", "allowed-not", "allowed/..", "allowed/way-out", "allowed/none"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn what_never_was_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let backend = backend(scratch.path(), Vec::new(), false).await;
        let sandbox = SandboxRef::new(SessionId::parse("s").unwrap(), 1);
        let gone = Life::Gone("it does not exist".to_owned());
        assert_eq!(backend.life(&sandbox, Duration::from_secs(30)).await, Ok(gone));
        assert!(matches!(backend.hibernate(&sandbox).await, Err(Error::Conflict(_))));
        assert_eq!(backend.terminate(&sandbox).await, Ok(()));
    }
}
