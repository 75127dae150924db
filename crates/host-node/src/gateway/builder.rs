//! What a program decides about its gateway.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use portway_api::McpFeatures;
use portway_domain::children::DEFAULT_LIVE_CHILDREN;
use portway_domain::engine::Timeouts;
use portway_domain::rates::RateLimits;
use portway_domain::sandbox_tokens::SandboxRootKey;
use portway_domain::tokens::TokenSecret;
use portway_ports::objects::ObjectStore;
use portway_ports::rates::RateLimiter;
use portway_ports::sandboxes::{AgentCommand, Sandboxes};

use super::Gateway;
use super::database_url::DatabaseUrl;
use super::error::{DatabaseUrlError, OptionError, StartError};
use crate::child;
use crate::config::DEMO_AGENT;

/// What a program decides about its gateway. Every choice has a default but two: where data is kept, and, unless the
/// program brings sandboxes of its own, the address that runners reach the gateway at.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// // All that is wrong is told at once.
/// let Err(error) = portway::Gateway::builder().database("mysql://host/portway").build().await else { panic!() };
/// assert_eq!(error.to_string().lines().count(), 4);
/// assert!(error.to_string().starts_with("databases of the scheme \"mysql\" are not supported"));
/// # });
/// ```
#[must_use = "nothing happens before build() is called"]
#[derive(Default)]
pub struct GatewayBuilder {
    database: Option<Result<DatabaseUrl, DatabaseUrlError>>,
    data_folder: Option<PathBuf>,
    agents: BTreeMap<String, AgentCommand>,
    first_agent: Option<String>,
    default_agent: Option<String>,
    timeouts: Timeouts,
    max_children: Option<u32>,
    pub(super) public_url: Option<String>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) without_access_log: bool,
    pub(super) public_metrics: bool,
    pub(super) rate_limits: Option<RateLimits>,
    pub(super) rate_limiter: Option<Arc<dyn RateLimiter>>,
    bootstrap_key: Option<TokenSecret>,
    gateway_address: Option<SocketAddr>,
    sandboxes: Option<Arc<dyn Sandboxes>>,
    pub(super) sandbox_root_key: Option<SandboxRootKey>,
    pub(super) objects: Option<Arc<dyn ObjectStore>>,
    pub(super) mcp_features: Vec<Arc<dyn McpFeatures>>,
    runner: Option<RunnerProgram>,
}

/// The program that runners are.
#[derive(Debug, Clone)]
pub(super) struct RunnerProgram {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

/// Where agents work.
pub(super) enum SandboxPlan {
    /// In processes of this machine.
    Processes {
        /// Everything that is kept goes here.
        folder: PathBuf,
        /// What is started for each session.
        runner: RunnerProgram,
        /// What runners connect to.
        gateway_url: String,
    },
    /// Wherever the program says.
    Own {
        /// The program's adapter.
        sandboxes: Arc<dyn Sandboxes>,
        /// Everything that is kept goes here, if anywhere.
        folder: Option<PathBuf>,
    },
}

/// Choices that fit together.
pub(super) struct Plan {
    /// The database; the one of the data folder if none was named.
    pub(super) database: Option<DatabaseUrl>,
    pub(super) sandboxes: SandboxPlan,
    pub(super) services: portway_services::Options,
    pub(super) bootstrap_key: Option<TokenSecret>,
}

impl GatewayBuilder {
    /// Where data is kept: `sqlite:///path/file.db`, which is made if it does not exist; the database of a Postgres
    /// server, `postgres://user:password@machine:5432/database`, which has to exist; or `sqlite::memory:` for a gateway
    /// that forgets everything when it ends. A path is taken as it stands, without decoding.
    ///
    /// Other gateways may use the same Postgres database, each with a data folder of its own. A sandbox stays with the
    /// gateway that started it; when that one is gone for good, its sessions go on with new sandboxes at others.
    ///
    /// Default: `portway.db` in the data folder.
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.database = Some(url.into().parse());
        self
    }

    /// The same with a URL that was read already.
    pub(crate) fn database_url(mut self, url: DatabaseUrl) -> Self {
        self.database = Some(Ok(url));
        self
    }

    /// The folder for everything that is kept: the database, unless it has a URL; the workspaces and logs of agents;
    /// the key of the first administrator. It is made if it does not exist, for its owner only, and belongs to one
    /// gateway at a time.
    ///
    /// Default: none. The gateway then writes no file but its database and attachments.
    pub fn data_folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_folder = Some(path.into());
        self
    }

    /// An agent that sessions can be opened with: a program that speaks the Agent Client Protocol on its standard input
    /// and output, unless sandboxes of the program's own make something else of the command.
    ///
    /// A name has 1 to 100 letters, digits, `_`, `-` or `.`. Naming one twice replaces it.
    pub fn agent(mut self, name: impl Into<String>, command: AgentCommand) -> Self {
        let name = name.into();
        self.first_agent.get_or_insert_with(|| name.clone());
        self.agents.insert(name, command);
        self
    }

    /// The agent of sessions that name none. Default: the first that [`agent`](Self::agent) was called with, or else the
    /// built-in agent `demo`.
    pub fn default_agent(mut self, name: impl Into<String>) -> Self {
        self.default_agent = Some(name.into());
        self
    }

    /// How long things in a session may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How many child sessions of a session may live at once. Default: 10.
    pub fn max_children(mut self, most: u32) -> Self {
        self.max_children = Some(most);
        self
    }

    /// Scheme and host under which users reach the gateway, such as `https://gateway.example.com`. Requests under that
    /// name are answered, and its pages may call.
    ///
    /// Default: none; only loopback names are answered.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Host names that are answered besides the loopback names and the public one: `gateway.example.com`,
    /// `*.example.com`, or `*` for any. A page in a browser can reach a gateway on its reader's machine under a name of
    /// the page's choice, so name no more than is needed. Adds to earlier calls.
    pub fn allowed_hosts<T: Into<String>>(mut self, hosts: impl IntoIterator<Item = T>) -> Self {
        self.allowed_hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Origins whose pages may call, such as `https://app.example.com` or `https://*.example.com`. Adds to earlier
    /// calls.
    pub fn allowed_origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.allowed_origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// Whether each request is logged: a `tracing` event at level INFO under the target `portway::access`, for probes at
    /// DEBUG. It tells the path without its query, and no header. Default: yes.
    pub fn access_log(mut self, on: bool) -> Self {
        self.without_access_log = !on;
        self
    }

    /// Whether everybody may read `/metrics`, and not only programs on this machine. Default: no.
    pub fn public_metrics(mut self, public: bool) -> Self {
        self.public_metrics = public;
        self
    }

    /// How often callers may call. Who is not known to be a user is known by the address that a [`Peer`] on the request
    /// tells; see [`note_peer`](crate::note_peer). Default: as often as they like.
    ///
    /// [`Peer`]: portway_api::Peer
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.rate_limits = Some(limits);
        self
    }

    /// Keeps what callers have left of their limits. Default: the memory of this process.
    pub fn rate_limiter(mut self, limiter: Arc<dyn RateLimiter>) -> Self {
        self.rate_limiter = Some(limiter);
        self
    }

    /// The key of the first administrator, who is made in a database without users. Default: a random one; see
    /// [`Gateway::first_key`].
    pub fn bootstrap_key(mut self, key: TokenSecret) -> Self {
        self.bootstrap_key = Some(key);
        self
    }

    /// The address that runners on this machine reach the gateway's service at: usually what the listener says when it
    /// is asked for its local address. Loopback stands in for an address of all interfaces. The service has to answer
    /// there at its root, without a path in front and without TLS.
    pub fn gateway_address(mut self, address: SocketAddr) -> Self {
        self.gateway_address = Some(address);
        self
    }

    /// Sandboxes of the program's own, in the place of processes of this machine. No data folder, address or runner is
    /// needed then, and there is no built-in agent.
    pub fn sandboxes(mut self, sandboxes: Arc<dyn Sandboxes>) -> Self {
        self.sandboxes = Some(sandboxes);
        self
    }

    /// What lets people into sandboxes at a front door of their own follows from this key. Gateways that share a database
    /// share this too.
    ///
    /// Default: one that is made, in the data folder; none with a Postgres database or without a folder.
    pub fn sandbox_root_key(mut self, key: SandboxRootKey) -> Self {
        self.sandbox_root_key = Some(key);
        self
    }

    /// Tools, resources and prompts that are offered over MCP besides those of the gateway. May be called more than once.
    ///
    /// Default: none.
    pub fn mcp_features(mut self, features: Arc<dyn McpFeatures>) -> Self {
        self.mcp_features.push(features);
        self
    }

    /// Where attachments of prompts are kept. Gateways that share a database share this too.
    ///
    /// Default: `objects` in the data folder; without one a folder beside the database file, with `.objects` at the end
    /// of its name; memory where there is neither.
    pub fn objects(mut self, objects: Arc<dyn ObjectStore>) -> Self {
        self.objects = Some(objects);
        self
    }

    /// The program that is started beside each agent, such as `portway` with the argument `runner`. There is no built-in
    /// agent then; `portway demo-agent` is one.
    ///
    /// Default: this very program, which has to call [`run_if_child`](crate::run_if_child).
    pub fn runner<T: Into<OsString>>(
        mut self,
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = T>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        self.runner = Some(RunnerProgram { program: program.into(), arguments });
        self
    }

    /// Opens the database, brings its schema up to date, and takes over what an earlier gateway on it left behind. Needs
    /// a tokio runtime with time and I/O. No work is done in the background before [`Gateway::run`] is.
    ///
    /// # Errors
    /// [`StartError::Options`] with everything that does not fit together, before anything is touched; otherwise the
    /// first thing that is missing or in the way. Nothing is left running then.
    pub async fn build(self) -> Result<Gateway, StartError> {
        Gateway::assemble(self).await
    }

    /// Everything that can be decided without touching the world.
    pub(super) fn plan(&mut self) -> Result<Plan, StartError> {
        let mut wrong = Vec::new();
        if self.database.is_none() && self.data_folder.is_none() {
            wrong.push(OptionError::NoDatabase);
        }
        let database = self.database.take().transpose().unwrap_or_else(|error| {
            wrong.push(OptionError::DatabaseUrl(error));
            None
        });
        self.add_demo_agent()?;
        let sandboxes = self.plan_sandboxes(&mut wrong)?;
        let default_agent = self.check_agents(&mut wrong);
        let Some(sandboxes) = sandboxes.filter(|_| wrong.is_empty()) else {
            return Err(StartError::Options(wrong));
        };
        let services = portway_services::Options {
            agents: std::mem::take(&mut self.agents),
            default_agent,
            timeouts: self.timeouts,
            max_children: self.max_children.unwrap_or(DEFAULT_LIVE_CHILDREN),
        };
        Ok(Plan { database, sandboxes, services, bootstrap_key: self.bootstrap_key.take() })
    }

    /// This program is also the demo agent where it is its own runner.
    fn add_demo_agent(&mut self) -> Result<(), StartError> {
        if self.sandboxes.is_some() || self.runner.is_some() || self.agents.contains_key(DEMO_AGENT) {
            return Ok(());
        }
        let program = own_program()?.to_string_lossy().into_owned();
        self.agents.insert(DEMO_AGENT.to_owned(), AgentCommand::new([program.as_str(), child::DEMO_AGENT]));
        Ok(())
    }

    fn plan_sandboxes(&mut self, wrong: &mut Vec<OptionError>) -> Result<Option<SandboxPlan>, StartError> {
        let folder = self.data_folder.take();
        if let Some(sandboxes) = self.sandboxes.take() {
            return Ok(Some(SandboxPlan::Own { sandboxes, folder }));
        }
        if folder.is_none() {
            wrong.push(OptionError::NoDataFolder);
        }
        if self.gateway_address.is_none() {
            wrong.push(OptionError::NoGatewayAddress);
        }
        let runner = match self.runner.take() {
            Some(runner) => runner,
            None => {
                if !child::can_be_child() {
                    wrong.push(OptionError::NoRunner);
                }
                RunnerProgram { program: own_program()?, arguments: vec![child::RUNNER.into()] }
            }
        };
        let (Some(folder), Some(address)) = (folder, self.gateway_address) else {
            return Ok(None);
        };
        let gateway_url = format!("ws://{}", reachable(address));
        Ok(Some(SandboxPlan::Processes { folder, runner, gateway_url }))
    }

    /// Answers the default agent.
    fn check_agents(&self, wrong: &mut Vec<OptionError>) -> String {
        for (name, agent) in &self.agents {
            let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
            let named = (1..=100).contains(&name.len()) && name.bytes().all(harmless);
            if !named || agent.command.first().is_none_or(String::is_empty) {
                wrong.push(OptionError::Agent(name.clone()));
            }
        }
        if self.agents.is_empty() {
            wrong.push(OptionError::NoAgent);
            return String::new();
        }
        let chosen = self.default_agent.as_deref().or(self.first_agent.as_deref());
        let name = chosen.unwrap_or(DEMO_AGENT).to_owned();
        if !self.agents.contains_key(&name) {
            let known = self.agents.keys().cloned().collect::<Vec<_>>().join(", ");
            wrong.push(OptionError::DefaultAgent { name: name.clone(), known });
        }
        name
    }
}

fn own_program() -> Result<PathBuf, StartError> {
    std::env::current_exe().map_err(StartError::Program)
}

/// An address that listens on all interfaces is reached over loopback from this machine.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}
