//! Everything put together, once for each instance.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use http::{HeaderValue, Request, StatusCode};
use portway_adapters_cloudflare::{
    D1Database, Keep, ObjectAlarm, ObjectName, ObjectPubSub, ObjectRateLimiter, Objects, R2Objects, WorkQueue,
    WorkerClock, WorkerEntropy, WorkerSpawner,
};
use portway_api::{ApiError, ApiOptions, BuildError, ErrorCode, McpFeatures, McpOptions, RateLimiting};
use portway_domain::ids::{InvalidId, NodeId, SessionId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::TokenHash;
use portway_ports::system::{Clock, Entropy, Spawner};
use portway_services::{Options, Ports, Services};
use portway_sql::SqlStore;
use portway_sql::archive::unfinished::{self, Unfinished};
use portway_sql::driver::SqlError;
use portway_sql::migrations::{MigrateError, SQLITE};
use tower::ServiceExt;
use worker::Env;
use worker::send::IntoSendFuture;

use crate::forward;
use crate::health::D1Health;
use crate::peer;
use crate::sandboxes;
use crate::settings::Settings;
use crate::sockets::SlotUpgrade;

/// What is published of the tables: to make it here would take several times the room.
const DESCRIPTION: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// Binding of the database.
pub(crate) const DATABASE: &str = "DB";

/// Binding of the bucket for attachments.
const OBJECTS: &str = "OBJECTS";

/// Binding of the queue that begins events for work; there may be none.
const WORK: &str = "WORK";

/// How long a runner may take to come back to an object that was asleep.
const RETURN: Duration = Duration::from_secs(5);

/// Binding of the class of objects that sessions have.
const SESSIONS: &str = "SESSIONS";

/// Binding of the class of the object that all users have.
const USERS: &str = "USERS";

/// Binding of the class of objects that callers have. It is looked at only where callers are limited.
const CALLERS: &str = "CALLERS";

/// Most bytes of what another instance says.
const MAX_SAID_BYTES: usize = 32 * 1024 * 1024;

/// All instances are one node to the store: whatever one of them began, any other may go on with.
const NODE: &str = "cloudflare";

thread_local! {
    static GATEWAY: RefCell<Option<Rc<Gateway>>> = const { RefCell::new(None) };
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Variables of the Worker.
    #[error("{0}")]
    Settings(String),
    /// The database is for `portway db`, with that key.
    #[error("the database is being copied: without PORTWAY_TRANSFER_KEY the gateway serves again")]
    Transfer(TokenHash),
    /// The contents of the database are not complete.
    #[error("{0}")]
    Unfinished(Unfinished),
    /// The database does not answer.
    #[error(transparent)]
    NoAnswer(#[from] SqlError),
    /// A binding is missing or of another kind.
    #[error("a binding of the Worker cannot be used: {0}")]
    Binding(#[from] worker::Error),
    /// The schema of the database.
    #[error(transparent)]
    Schema(#[from] MigrateError),
    /// An option of the API cannot be used.
    #[error("the API cannot be built: {0}")]
    Api(#[from] BuildError),
    /// The name of the node.
    #[error(transparent)]
    Node(#[from] InvalidId),
    /// The first administrator could not be made.
    #[error(transparent)]
    Service(#[from] portway_services::Error),
}

/// What answers events.
pub(crate) struct Gateway {
    services: Arc<Services>,
    router: Router,
    pubsub: ObjectPubSub,
    /// Begins events for work. Objects have none: they live for as long as they work.
    queue: Option<Arc<WorkQueue>>,
}

impl Gateway {
    /// The gateway of this instance of the Worker. The first events of an instance may each make one, since none may wait
    /// for another; the first that is made stays.
    pub(crate) async fn of_instance(env: &Env) -> Result<Rc<Self>, StartError> {
        if let Some(gateway) = GATEWAY.with_borrow(Clone::clone) {
            return Ok(gateway);
        }
        let settings = serving_settings(env)?;
        let database = Arc::new(D1Database::new(env.d1(DATABASE)?));
        // Each file is atomic and done once, whoever else does the same.
        if let Some(unfinished) = unfinished::find(&*database).await? {
            return Err(StartError::Unfinished(unfinished));
        }
        if database.pending_migrations(SQLITE).await? > 0 {
            database.migrate(SQLITE).await?;
        }
        let queue = env.queue(WORK).ok().map(|queue| Arc::new(WorkQueue::new(queue)));
        let made = Rc::new(Self { queue, ..Self::assemble(env, &settings, database, None, None)? });
        match settings.bootstrap_key {
            Some(key) => drop(made.services.bootstrap(Some(key)).await?),
            None => tracing::debug!("no first administrator is made without PORTWAY_BOOTSTRAP_KEY"),
        }
        Ok(GATEWAY.with_borrow_mut(|gateway| gateway.get_or_insert(made).clone()))
    }

    /// The gateway of a Durable Object. Its Worker has seen to the schema before.
    pub(crate) fn of_object(env: &Env, name: ObjectName, alarm: Arc<ObjectAlarm>) -> Result<Self, StartError> {
        let database = Arc::new(D1Database::new(env.d1(DATABASE)?));
        Self::assemble(env, &serving_settings(env)?, database, Some(name), Some(alarm))
    }

    fn assemble(
        env: &Env,
        settings: &Settings,
        database: Arc<D1Database>,
        here: Option<ObjectName>,
        alarm: Option<Arc<ObjectAlarm>>,
    ) -> Result<Self, StartError> {
        let objects = objects(env)?;
        let elsewhere = here.is_none().then(|| forward::elsewhere(objects.clone()));
        let pubsub = ObjectPubSub::new(here.clone(), objects);
        let ports = ports(env, settings, database, pubsub.clone())?;
        let mut services = Services::new(ports, options(settings))
            .as_node(NodeId::parse(NODE)?)
            .beside_others()
            .with_sandbox_root_key(settings.sandbox_root_key.clone());
        if let (Some(alarm), Some(ObjectName::Session(own))) = (alarm, here) {
            let tell = move |id: &SessionId, at: Option<Timestamp>| {
                if *id == own {
                    alarm.at_deadline(at);
                }
            };
            services = services.with_alarm(Arc::new(tell));
        }
        let services = Arc::new(services);
        let mut options = api_options(&services, settings);
        options.elsewhere = elsewhere;
        options.rates = rates(env, settings)?;
        Ok(Self { router: router(&services, options)?, services, pubsub, queue: None })
    }

    /// Answers a request, and starts work that it orders.
    pub(crate) async fn answer(&self, mut request: Request<Body>) -> Response {
        let peer = peer::of(request.headers().get(peer::CONNECTING_IP).map(HeaderValue::as_bytes));
        request.extensions_mut().insert(peer);
        let ordered = self.services.work_ordered();
        let Ok(response) = self.router.clone().oneshot(request).await;
        if ordered.now_or_never().is_some() {
            self.order_work();
        }
        response
    }

    /// Has work started that was ordered, by an event of its own where there is a queue.
    fn order_work(&self) {
        let (services, queue) = (self.services.clone(), self.queue.clone());
        let order = async move {
            if let Some(queue) = queue {
                match queue.begin_event().await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "the queue takes no message, so work is begun without it"),
                }
            }
            start_due_jobs(&services).await;
        };
        WorkerSpawner.spawn(Box::pin(order.into_send()));
    }

    /// Does all work that is due, and what that orders.
    pub(crate) async fn do_due_jobs(&self) -> Result<(), portway_services::Error> {
        loop {
            let ordered = self.services.work_ordered();
            let work = async {
                while self.services.start_due_jobs().await? > 0 {}
                Ok::<_, portway_services::Error>(())
            };
            Keep::whole(work).await?;
            if ordered.now_or_never().is_none() {
                return Ok(());
            }
        }
    }

    /// Starts work whenever some is ordered, for as long as the instance is in memory.
    pub(crate) async fn start_work(self: Rc<Self>) {
        let mut ordered = Box::pin(self.services.work_ordered());
        loop {
            ordered.as_mut().await;
            // Before the work is started, so that no order is missed meanwhile.
            ordered.set(self.services.work_ordered());
            start_due_jobs(&self.services).await;
        }
    }

    /// Tells those who watch here what another instance says.
    pub(crate) async fn hear(&self, request: Request<Body>) -> Response {
        let mut response = Response::new(Body::empty());
        let said = portway_api::read_body(request.into_body(), MAX_SAID_BYTES).await.ok();
        match said.and_then(|said| serde_json::from_str(std::str::from_utf8(&said).ok()?).ok()) {
            Some(said) => self.pubsub.hear(said),
            None => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        response
    }

    /// Asks a session whose deadline has passed, and answers with the next one.
    pub(crate) async fn ask(&self, id: &SessionId) -> Option<Timestamp> {
        self.services.ask_session(id).await.unwrap_or_else(|error| {
            tracing::warn!(session = %id, %error, "a session could not be asked; the schedule does it");
            None
        })
    }

    /// The object has just come into memory, and whatever runner was connected before has to connect again. The platform
    /// tells nobody of connections that end with the object.
    pub(crate) async fn await_runner(self: Rc<Self>, id: SessionId) {
        if let Err(error) = self.services.await_runner(&id, RETURN).await {
            tracing::warn!(session = %id, %error, "it is not known whether a runner was connected");
        }
    }

    /// Whether anybody has a socket or an event stream open here.
    pub(crate) fn is_watched(&self) -> bool {
        self.services.is_watched()
    }

    /// Ends the sockets of those who are not signed in any more.
    pub(crate) async fn check_sign_ins(&self) {
        if let Err(error) = self.services.check_sign_ins().await {
            tracing::warn!(%error, "tokens of open sockets cannot be looked at; it is tried again");
        }
    }

    /// Does what is due.
    pub(crate) async fn tick(&self) {
        if let Err(error) = self.services.tick().await {
            tracing::error!(%error, "not all that is due could be done; the next tick does it");
        }
    }

    /// Removes attachments that nothing refers to, and what has expired.
    pub(crate) async fn sweep(&self) {
        if let Err(error) = self.services.sweep_expired().await {
            tracing::warn!(%error, "what has expired stays for now");
        }
        if let Err(error) = self.services.sweep_objects().await {
            tracing::warn!(%error, "objects that nothing refers to could not be looked for");
        }
    }
}

/// The answer while nothing can be served. What is wrong is for the log: callers could do nothing about it.
pub(crate) fn unavailable(error: &StartError) -> Response {
    tracing::error!(%error, "the gateway cannot be used");
    let request = WorkerEntropy.ids(WorkerClock::new().now()).draw_text();
    let message = "The gateway cannot be used at the moment: its log says why";
    ApiError::new(ErrorCode::Unavailable, message).with_retry_after(10).into_response(&request)
}

async fn start_due_jobs(services: &Arc<Services>) {
    if let Err(error) = services.start_due_jobs().await {
        tracing::error!(%error, "work could not be started; the schedule does it");
    }
}

/// The Durable Objects of the Worker.
pub(crate) fn objects(env: &Env) -> worker::Result<Objects> {
    Ok(Objects::new(env.durable_object(SESSIONS)?, env.durable_object(USERS)?))
}

/// The settings of a gateway that serves.
fn serving_settings(env: &Env) -> Result<Settings, StartError> {
    let mut settings = settings(env)?;
    match settings.transfer_key.take() {
        Some(key) => Err(StartError::Transfer(key)),
        None => Ok(settings),
    }
}

fn settings(env: &Env) -> Result<Settings, StartError> {
    let variable = |name: &str| env.var(name).ok().map(|variable| variable.to_string());
    Settings::read(&variable).map_err(|mistakes| {
        StartError::Settings(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })
}

fn ports(env: &Env, settings: &Settings, database: Arc<D1Database>, pubsub: ObjectPubSub) -> Result<Ports, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(WorkerClock::new());
    Ok(Ports {
        store: Arc::new(SqlStore::new(database.clone())),
        health: Arc::new(D1Health(database)),
        objects: Arc::new(R2Objects::new(env.bucket(OBJECTS)?)),
        pubsub: Arc::new(pubsub),
        sandboxes: sandboxes::open(settings.sandboxes.clone(), clock.clone()),
        clock,
        entropy: Arc::new(WorkerEntropy),
        spawner: Arc::new(WorkerSpawner),
    })
}

fn options(settings: &Settings) -> Options {
    Options {
        agents: settings.agents.clone(),
        default_agent: settings.default_agent.clone(),
        timeouts: settings.timeouts,
        max_children: settings.max_children,
    }
}

/// Limits, and the objects that count.
fn rates(env: &Env, settings: &Settings) -> Result<Option<RateLimiting>, StartError> {
    let Some(limits) = settings.rate_limits else { return Ok(None) };
    let limiter = Arc::new(ObjectRateLimiter::new(env.durable_object(CALLERS)?, ""));
    Ok(Some(RateLimiting { limits, limiter }))
}

fn api_options(services: &Arc<Services>, settings: &Settings) -> ApiOptions {
    let spawner = services.spawner().clone();
    let mut options = ApiOptions::new(services.clock().clone(), services.entropy().clone(), spawner);
    options.description = Some(DESCRIPTION);
    options.public_url.clone_from(&settings.public_url);
    options.allowed_hosts.clone_from(&settings.allowed_hosts);
    options.allowed_origins.extend(settings.allowed_origins.iter().cloned());
    options.access_log = settings.access_log;
    options.mcp = Some(McpOptions { sessions: services.clone(), features: mcp_features() });
    options.kept_answers = Some(services.clone());
    options
}

fn router(services: &Arc<Services>, options: ApiOptions) -> Result<Router, BuildError> {
    let (operations, endpoints) = (portway_api::operations()?, portway_api::endpoints()?);
    portway_api::router(operations, endpoints, services.clone(), options, Arc::new(SlotUpgrade))
}

/// What is offered over MCP besides the gateway itself.
#[cfg(not(feature = "mcp-conformance"))]
fn mcp_features() -> Vec<Arc<dyn McpFeatures>> {
    Vec::new()
}

#[cfg(feature = "mcp-conformance")]
fn mcp_features() -> Vec<Arc<dyn McpFeatures>> {
    vec![Arc::new(portway_mcp_conformance::Fixtures::new(Arc::new(WorkerClock::new()), &WorkerEntropy))]
}
