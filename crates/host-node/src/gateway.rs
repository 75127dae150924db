//! Everything put together: the store, the sandboxes, the services and the router.

mod background;
mod builder;
mod database;
mod database_url;
mod error;
mod hints;
mod objects;
mod sandbox_key;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use portway_adapters_system::{ProcessSandboxOptions, ProcessSandboxes, SystemClock, SystemEntropy, TokioSpawner};
use portway_api::{ApiOptions, BuildError, McpOptions, RateLimiting};
use portway_domain::tokens::TokenSecret;
use portway_ports::sandboxes::Sandboxes;
use portway_ports::system::{Clock, Entropy};
use portway_rate_limits::MemoryRateLimiter;
use portway_services::{Ports, Services};
use portway_sql::SqlStore;
use tokio::runtime::Handle;
use tokio::sync::watch;

pub use self::builder::GatewayBuilder;
pub(crate) use self::builder::reachable;
pub(crate) use self::database::{Database, DatabaseLock};
pub(crate) use self::database_url::DatabaseUrl;
pub use self::error::{DatabaseUrlError, OptionError, StartError};

use self::background::{HeldSpawner, Phase, Sharing};
use self::builder::SandboxPlan;
use self::hints::Hints;
use crate::data_folder::DataFolder;
use crate::process_metrics::ProcessMetrics;
use crate::web_socket::AxumUpgrade;

/// How long stopping all sandboxes may take at the end.
const STOP_SANDBOXES: Duration = Duration::from_secs(10);

/// How long work that was begun may take to finish at the end.
const FINISH_WORK: Duration = Duration::from_secs(5);

/// A gateway, complete but for a server: [`service`](Self::service) answers requests, and [`run`](Self::run) does the
/// work behind them.
///
/// Dropping it without [`stop`](Self::stop) is what a crash is: nothing that was acknowledged is lost, and agents go on
/// until the next gateway on the same database takes them over.
pub struct Gateway {
    services: Arc<Services>,
    router: Router,
    database: Database,
    hints: Hints,
    runtime: TokioSpawner,
    spawner: HeldSpawner,
    phase: watch::Sender<Phase>,
    folder: Option<DataFolder>,
    first_key: Option<TokenSecret>,
    _lock: Option<DatabaseLock>,
}

impl Gateway {
    /// The choices to make before a gateway is built.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder::default()
    }

    async fn assemble(mut builder: GatewayBuilder) -> Result<Self, StartError> {
        let plan = builder.plan()?;
        let folder = plan.sandboxes.folder().map(DataFolder::open).transpose()?;
        let (url, lock) = match (plan.database, &folder) {
            (Some(DatabaseUrl::File(path)), _) => {
                let lock = DatabaseLock::take(&path)?;
                (DatabaseUrl::File(path), Some(lock))
            }
            (Some(url), _) => (url, None),
            // The lock of the folder is the lock of the database in it.
            (None, Some(folder)) => (DatabaseUrl::File(folder.database()), None),
            (None, None) => (DatabaseUrl::Memory, None),
        };
        let database = Database::open(&url).await?;
        let tenancy = database.enter().await?;
        let are_processes = matches!(plan.sandboxes, SandboxPlan::Processes { .. });
        let sandboxes = plan.sandboxes.open()?;
        let store = Arc::new(SqlStore::new(database.driver()));
        let hints = Hints::open(&database, &store).await?;
        let objects = match builder.objects.take() {
            Some(objects) => objects,
            None => objects::default(folder.as_ref(), &url)?,
        };
        let runtime = TokioSpawner::new(Handle::current());
        let spawner = HeldSpawner::new(runtime.clone());
        let ports = Ports {
            store,
            health: Arc::new(database.clone()),
            objects,
            pubsub: hints.port(),
            sandboxes,
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(SystemEntropy),
            spawner: Arc::new(spawner.clone()),
        };
        let root_key = match builder.sandbox_root_key.take() {
            Some(key) => Some(key),
            None if are_processes => None,
            None => sandbox_key::kept(folder.as_ref(), &url)?,
        };
        let services = Services::new(ports, plan.services).with_sandbox_root_key(root_key);
        let services = Arc::new(match &folder {
            Some(folder) => services.as_node(folder.node(SystemEntropy.ids(SystemClock::new().now()).draw())?),
            None => services,
        });
        let router = router(&services, &runtime, builder)?;
        let first_key = services.bootstrap(plan.bootstrap_key).await?;
        if let (Some(key), Some(folder)) = (&first_key, &folder) {
            folder.write_bootstrap_key(key.reveal())?;
        }
        if database.sharing() == Sharing::Possible {
            services.enter_node().await?;
        }
        services.recover(tenancy).await?;
        database.share().await?;
        let (phase, _) = watch::channel(Phase::Working);
        Ok(Self { services, router, database, hints, runtime, spawner, phase, folder, first_key, _lock: lock })
    }

    /// What answers requests, at the root of a server: a [`tower::Service`] that can be cloned, and that an axum
    /// application takes as its fallback beside routes of its own.
    ///
    /// A server that notes who is at the other end puts a [`Peer`](portway_api::Peer) on each request, see
    /// [`note_peer`](crate::note_peer); without it nobody counts as being on this machine. Session sockets are WebSockets:
    /// the server has to leave hyper's upgrade on the request, as `axum::serve` does.
    pub fn service(&self) -> Router {
        self.router.clone()
    }

    /// The work beside the requests: starting and stopping sandboxes, and keeping deadlines. Without it sessions can be
    /// opened and nothing becomes of them.
    ///
    /// The future ends when the gateway is stopped or dropped; dropping the future lets the work rest, and another call
    /// goes on with it. Usually it is `tokio::spawn(gateway.run())`.
    pub fn run(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let sharing = self.database.sharing();
        background::run(self.services.clone(), self.spawner.clone(), self.phase.subscribe(), sharing)
    }

    /// The use cases, for a program that calls them itself; [`Services::context`] makes the context of a call.
    #[must_use]
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The folder for everything that is kept, if one was named.
    #[must_use]
    pub fn folder(&self) -> Option<&DataFolder> {
        self.folder.as_ref()
    }

    /// Key of the first administrator, if this start made it: in a database that already has users there is none. It is
    /// shown this once, but for the file `bootstrap-key` in the data folder.
    #[must_use]
    pub fn first_key(&self) -> Option<&TokenSecret> {
        self.first_key.as_ref()
    }

    /// Waits until no agent is at work, at most for `limit`. Answers whether none is.
    pub async fn idle(&self, limit: Duration) -> bool {
        let idle = async {
            while self.services.is_busy() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(limit, idle).await.is_ok()
    }

    /// Closes all sockets of clients and runners, telling them to come back. New ones are closed at once from then on.
    pub fn close_sockets(&self) {
        self.hints.end_watches();
    }

    /// Closes all sockets, stops the sandboxes and the work, and closes the database. What was acknowledged is kept: the
    /// sessions go on with the next start. Takes at most some fifteen seconds; a turn that goes on ends with an error,
    /// so wait with [`idle`](Self::idle) before, if there is time. Requests that come later get an error.
    pub async fn stop(self) {
        self.close_sockets();
        // Deadlines first: a session whose sandbox is put away must not ask for another one now.
        self.phase.send_replace(Phase::Stopping);
        tokio::select! {
            () = self.put_sandboxes_away() => {}
            // The host may have dropped the work already, or never have begun it.
            () = self.run() => {}
        }
        // What was begun writes down how it ended before the database closes.
        if !self.runtime.drained(FINISH_WORK).await {
            tracing::warn!("some work did not finish in time; the next start takes it up again");
        }
        self.phase.send_replace(Phase::Ended);
        if self.database.sharing() == Sharing::Possible
            && let Err(error) = self.services.leave_node().await
        {
            tracing::debug!(%error, "other nodes were not told that this one is gone; they find out");
        }
        self.hints.close().await;
        self.database.close().await;
    }

    async fn put_sandboxes_away(&self) {
        let tenancy = self.database.tenancy().await;
        if let Err(error) = self.services.retire_sandboxes(tenancy).await {
            tracing::error!(%error, "not all sandboxes could be put away; the next start does it");
        }
        let all_gone = async {
            while self.services.has_work().await.unwrap_or(true) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(STOP_SANDBOXES, all_gone).await.is_err() {
            tracing::warn!("some sandboxes did not stop in time");
        }
    }
}

impl SandboxPlan {
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Processes { folder, .. } => Some(folder),
            Self::Own { folder, .. } => folder.as_deref(),
        }
    }

    fn open(self) -> Result<Arc<dyn Sandboxes>, StartError> {
        match self {
            Self::Processes { folder, runner, gateway_url } => {
                let mut options = ProcessSandboxOptions::new(folder, runner.program, gateway_url);
                options.runner_args = runner.arguments;
                Ok(Arc::new(ProcessSandboxes::open(options)?))
            }
            Self::Own { sandboxes, .. } => Ok(sandboxes),
        }
    }
}

fn router(services: &Arc<Services>, runtime: &TokioSpawner, builder: GatewayBuilder) -> Result<Router, BuildError> {
    // Not the spawner of the services, which holds tasks back until the work behind the requests begins.
    let spawner = Arc::new(runtime.clone());
    let mut options = ApiOptions::new(services.clock().clone(), services.entropy().clone(), spawner);
    options.public_url = builder.public_url;
    options.allowed_hosts.extend(builder.allowed_hosts);
    options.allowed_origins.extend(builder.allowed_origins);
    options.access_log = !builder.without_access_log;
    options.mcp = Some(McpOptions { sessions: services.clone(), features: builder.mcp_features });
    options.kept_answers = Some(services.clone());
    options.rates = builder.rate_limits.map(|limits| RateLimiting {
        limits,
        limiter: builder.rate_limiter.unwrap_or_else(|| Arc::new(MemoryRateLimiter::new())),
    });
    options.metrics.public = builder.public_metrics;
    options.metrics.sources = vec![services.clone(), Arc::new(ProcessMetrics::new())];
    let (operations, endpoints) = (portway_api::operations()?, portway_api::endpoints()?);
    portway_api::router(operations, endpoints, services.clone(), options, Arc::new(AxumUpgrade))
}
