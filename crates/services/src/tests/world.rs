//! The services on an in-memory store, with sandboxes and a clock that the tests command.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use portway_adapters_s3::MemoryObjects;
use portway_adapters_sqlite::SqliteDatabase;
use portway_domain::access::{Permission, Role, SessionRole};
use portway_domain::engine::{Engine, RunnerHello, RunnerReport, Timeouts};
use portway_domain::ids::{NodeId, SandboxId, SessionId};
use portway_domain::sandbox_tokens::SandboxKey;
use portway_domain::sessions::Session;
use portway_domain::time::Timestamp;
use portway_domain::tokens::{AccessToken, TokenHash, TokenKind, TokenSecret};
use portway_domain::tunnels::SandboxUrls;
use portway_domain::users::User;
use portway_ports::commit::{ChangeSet, Commit, Write};
use portway_ports::health::Health;
use portway_ports::pubsub::{Delivery, Hint, PubSub, SharedHint, Subscription, Topic};
use portway_ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway_ports::system::{Clock, Entropy, Spawner, Task};
use portway_ports::{Store, StoreError};
use portway_sql::SqlStore;
use portway_sql::dialect::Dialect;
use portway_sql::driver::{Read, SqlDriver, SqlError, Step, WriteOutcome};
use portway_sql::migrations::SQLITE;
use portway_sql::row::Row;
use tokio::sync::{Notify, mpsc};

use crate::context::{CallerSlot, IdempotencyKey};
use crate::sessions::NewSession;
use crate::{Context, Options, Ports, Services};

/// How many children of a session may live at once: more than a page of them.
pub(super) const MAX_CHILDREN: u32 = 120;

pub(super) struct World {
    pub(super) services: Arc<Services>,
    pub(super) store: Arc<dyn Store>,
    pub(super) objects: Arc<MemoryObjects>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) sandboxes: Arc<FakeSandboxes>,
    pub(super) hints: Arc<RecordedHints>,
    pub(super) admin: TokenSecret,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::over(|driver| driver).await
    }

    /// A world whose services are set up in another way.
    pub(super) async fn with_services(set_up: impl FnOnce(Services) -> Services) -> Self {
        let mut world = Self::new().await;
        let services = Services::new(world.services.ports.clone(), world.services.options.clone());
        world.services = Arc::new(set_up(services.as_node(world.node())));
        world
    }

    /// A world whose database is wrapped.
    pub(super) async fn over(wrap: impl FnOnce(Arc<dyn SqlDriver>) -> Arc<dyn SqlDriver>) -> Self {
        let database = SqliteDatabase::in_memory().unwrap();
        database.migrate(SQLITE).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(SqlStore::new(wrap(Arc::new(database))));
        let objects = Arc::new(MemoryObjects::new(Arc::new(ManualClock::default())));
        let mut world = Self::on(store, objects, "first", ManualClock::default());
        world.admin = world.services.bootstrap(None).await.unwrap().unwrap();
        world
    }

    /// Another node on the same store, with sandboxes of its own.
    pub(super) fn neighbour(&self) -> Self {
        Self {
            admin: self.admin.clone(),
            ..Self::on(self.store.clone(), self.objects.clone(), "second", ManualClock::default())
        }
    }

    /// The same node after a new start.
    pub(super) fn again(&self) -> Self {
        let later = ManualClock::default();
        later.advance(Duration::from_secs(1));
        Self { admin: self.admin.clone(), ..Self::on(self.store.clone(), self.objects.clone(), "first", later) }
    }

    fn on(store: Arc<dyn Store>, objects: Arc<MemoryObjects>, node: &str, clock: ManualClock) -> Self {
        let clock = Arc::new(clock);
        let sandboxes = Arc::new(FakeSandboxes::default());
        let hints = Arc::new(RecordedHints::default());
        let ports = Ports {
            store: store.clone(),
            health: Arc::new(Healthy),
            objects: objects.clone(),
            pubsub: hints.clone(),
            sandboxes: sandboxes.clone(),
            clock: clock.clone(),
            entropy: Arc::new(Counter::default()),
            spawner: Arc::new(TestSpawner),
        };
        let agent = AgentCommand::new(["agent"]);
        let options = Options {
            agents: BTreeMap::from([("demo".to_owned(), agent)]),
            default_agent: "demo".to_owned(),
            timeouts: Timeouts::default(),
            max_children: MAX_CHILDREN,
        };
        let node = NodeId::parse(node).unwrap();
        let services = Arc::new(Services::new(ports, options).as_node(node));
        Self { services, store, objects, clock, sandboxes, hints, admin: TokenSecret::runner([0; 32]) }
    }

    pub(super) fn node(&self) -> NodeId {
        self.services.node.clone()
    }

    pub(super) async fn next_job_at(&self) -> Option<Timestamp> {
        self.store.next_job_at(&self.node(), self.clock.now()).await.unwrap()
    }

    /// A request of the administrator.
    pub(super) fn context(&self, permission: Permission) -> Context {
        let moment = self.services.moment();
        Context {
            credential: Some(self.admin.hash()),
            permission,
            request_id: "request".to_owned(),
            now: moment.now,
            ids: moment.ids,
            idempotency: None,
            local: true,
            base_url: "http://localhost".to_owned(),
            caller: CallerSlot::default(),
        }
    }

    pub(super) fn signed_in(&self) -> Context {
        self.context(Permission::SignedIn)
    }

    /// The key of somebody else, a member.
    pub(super) async fn somebody_else(&self) -> TokenSecret {
        let (mut moment, secret) = (self.services.moment(), TokenSecret::runner([9; 32]));
        let user = User::new(moment.ids.draw(), "eve@example.org".to_owned(), Role::Member, moment.now);
        let token = AccessToken {
            id: moment.ids.draw(),
            user: user.id.clone(),
            kind: TokenKind::Api,
            name: "eve".to_owned(),
            prefix: secret.prefix(),
            hash: secret.hash(),
            created_at: moment.now,
            expires_at: None,
        };
        let set = ChangeSet::new().with(Write::AddUser(user)).with(Write::AddToken(token));
        assert_eq!(self.store.commit(set).await, Ok(Commit::Done));
        secret
    }

    pub(super) fn as_owner(&self) -> Context {
        self.context(Permission::Session(SessionRole::Owner))
    }

    pub(super) fn with_key(&self, mut context: Context, key: &str, digest: &str) -> Context {
        context.idempotency = Some(IdempotencyKey { key: key.to_owned(), digest: digest.to_owned() });
        context
    }

    pub(super) async fn open(&self) -> Session {
        let new = NewSession { workspace: "w".to_owned(), ..NewSession::default() };
        self.services.open_session(&self.signed_in(), new).await.unwrap()
    }

    /// Opens a session whose runner is connected and whose agent is ready.
    pub(super) async fn open_ready(&self) -> SessionId {
        let session = self.open().await;
        self.start_jobs();
        self.sandboxes.started(&session.id, 1).await;
        self.connect(&session.id, 1).await;
        session.id
    }

    /// The stored state of a session's engine.
    pub(super) async fn engine(&self, id: &SessionId) -> Engine {
        self.services.ports.store.engine(id).await.unwrap().unwrap().1.value
    }

    pub(super) async fn connect(&self, id: &SessionId, generation: u32) {
        let hello = RunnerHello {
            generation,
            connection: format!("connection {generation}"),
            last_command: 0,
            last_frame: 0,
            turn: None,
        };
        let token = self.sandboxes.started(id, generation).await;
        self.services.runner_connected(id, &token, hello).await.unwrap();
        let ready = RunnerReport::Ready { agent_session: Some(format!("talk {generation}")) };
        assert_eq!(self.services.runner_reported(id, generation, vec![(1, ready)]).await, Ok(1));
    }

    pub(super) fn start_jobs(&self) {
        let services = self.services.clone();
        TestSpawner.spawn(Box::pin(services.run_jobs()));
    }
}

/// Lets what goes on beside the test come to its end.
pub(super) async fn settled() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Time that moves when it is told to; sleeping only lets others run.
pub(super) struct ManualClock(AtomicU64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicU64::new(1_800_000_000_000))
    }
}

impl ManualClock {
    pub(super) fn advance(&self, span: Duration) {
        self.0.fetch_add(u64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.load(Ordering::SeqCst)).unwrap())
    }

    async fn sleep(&self, _: Duration) {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn draw(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        bytes
    }
}

struct TestSpawner;

impl Spawner for TestSpawner {
    #[expect(clippy::disallowed_methods, reason = "tests run on tokio")]
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

struct Healthy;

#[async_trait]
impl Health for Healthy {
    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Sandboxes that exist only in a list.
#[derive(Default)]
pub(super) struct FakeSandboxes {
    alive: Mutex<HashMap<(SessionId, u32), TokenHash>>,
    pub(super) refusal: Mutex<Option<SandboxError>>,
    pub(super) orders: AtomicU64,
    /// Whether sandboxes are started without anybody being told.
    pub(super) loses_answers: AtomicBool,
    /// Whoever holds it keeps sandboxes from being started.
    pub(super) gate: Arc<tokio::sync::Mutex<()>>,
    /// How the backend calls all of them, if it has names of its own.
    pub(super) name: Mutex<Option<SandboxId>>,
    /// What the last order let the sandbox check tokens with.
    pub(super) key: Mutex<Option<SandboxKey>>,
    /// Where the next sandboxes are reached.
    pub(super) urls: Mutex<SandboxUrls>,
    /// Whether all nodes can reach them, and nobody can ask about them now.
    pub(super) are_elsewhere: AtomicBool,
    pub(super) is_unreachable: AtomicBool,
    /// Whether nobody waits for their end.
    pub(super) are_unwatched: AtomicBool,
    /// Those that were stopped or put away, as they were called.
    pub(super) ended: Mutex<Vec<SandboxRef>>,
    /// Sessions whose files were removed.
    pub(super) emptied: Mutex<Vec<SessionId>>,
    /// All that there ever were.
    known: Mutex<HashSet<(SessionId, u32)>>,
    /// The conversation that the last order named.
    pub(super) conversation: Mutex<Option<String>>,
    changed: Notify,
}

impl FakeSandboxes {
    /// Waits until the sandbox exists.
    pub(super) async fn started(&self, id: &SessionId, generation: u32) -> TokenHash {
        loop {
            let changed = self.changed.notified();
            if let Some(token) = self.alive.lock().unwrap().get(&(id.clone(), generation)) {
                return token.clone();
            }
            changed.await;
        }
    }

    /// Waits until the sandbox is gone.
    pub(super) async fn gone(&self, id: &SessionId, generation: u32) {
        while self.lives(id, generation) {
            tokio::task::yield_now().await;
        }
    }

    /// Whether the sandbox lives.
    pub(super) fn lives(&self, id: &SessionId, generation: u32) -> bool {
        self.alive.lock().unwrap().contains_key(&(id.clone(), generation))
    }

    /// The sandbox was started by an earlier process of this node, and may live.
    pub(super) fn inherit(&self, id: &SessionId, generation: u32, is_alive: bool) {
        self.known.lock().unwrap().insert((id.clone(), generation));
        if is_alive {
            self.alive.lock().unwrap().insert((id.clone(), generation), TokenHash::of("inherited"));
        }
    }

    /// The sandbox dies by itself.
    pub(super) fn kill(&self, id: &SessionId, generation: u32) {
        self.alive.lock().unwrap().remove(&(id.clone(), generation));
        self.changed.notify_waiters();
    }
}

#[async_trait]
impl Sandboxes for FakeSandboxes {
    async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        self.orders.fetch_add(1, Ordering::SeqCst);
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        drop(self.gate.lock().await);
        *self.conversation.lock().unwrap() = order.agent_session;
        *self.key.lock().unwrap() = order.key;
        self.known.lock().unwrap().insert((order.session.clone(), order.generation));
        self.alive.lock().unwrap().insert((order.session, order.generation), order.token.hash());
        self.changed.notify_waiters();
        if self.loses_answers.load(Ordering::SeqCst) {
            return Err(SandboxError::Unavailable("the answer was lost".to_owned()));
        }
        Ok(StartedSandbox { id: self.name.lock().unwrap().clone(), urls: self.urls.lock().unwrap().clone() })
    }

    async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError> {
        self.ended.lock().unwrap().push(sandbox.clone());
        self.kill(&sandbox.session, sandbox.generation);
        Ok(())
    }

    async fn delete_workspace(&self, session: &SessionId) -> Result<bool, SandboxError> {
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        if self.alive.lock().unwrap().keys().any(|(of, _)| of == session) {
            return Err(SandboxError::Refused("a sandbox of the session lives".to_owned()));
        }
        self.emptied.lock().unwrap().push(session.clone());
        Ok(true)
    }

    async fn is_alive(&self, sandbox: &SandboxRef) -> Result<bool, SandboxError> {
        if self.is_unreachable.load(Ordering::SeqCst) {
            return Err(SandboxError::Unavailable("not there".to_owned()));
        }
        Ok(self.lives(&sandbox.session, sandbox.generation))
    }

    fn stay_with_node(&self) -> bool {
        !self.are_elsewhere.load(Ordering::SeqCst)
    }

    async fn on_this_node(&self) -> Result<Vec<SandboxRef>, SandboxError> {
        if !self.stay_with_node() {
            return Ok(Vec::new());
        }
        let alive = self.alive.lock().unwrap();
        Ok(alive.keys().map(|(session, generation)| SandboxRef::new(session.clone(), *generation)).collect())
    }

    async fn was_here(&self, sandbox: &SandboxRef) -> bool {
        self.known.lock().unwrap().contains(&(sandbox.session.clone(), sandbox.generation))
    }

    fn are_watched(&self) -> bool {
        !self.are_unwatched.load(Ordering::SeqCst)
    }

    async fn ended(&self, sandbox: &SandboxRef) -> String {
        self.gone(&sandbox.session, sandbox.generation).await;
        "killed by signal 9".to_owned()
    }
}

/// Remembers every hint that was published.
#[derive(Default)]
pub(super) struct RecordedHints {
    published: Mutex<Vec<(Topic, Hint)>>,
    missed: Mutex<Vec<Topic>>,
    watches: Mutex<Vec<(Topic, mpsc::UnboundedSender<Hint>)>>,
}

impl RecordedHints {
    pub(super) fn all(&self) -> Vec<(Topic, Hint)> {
        self.published.lock().unwrap().clone()
    }

    /// What watchers were told to read again.
    pub(super) fn missed(&self) -> Vec<Topic> {
        self.missed.lock().unwrap().clone()
    }
}

/// Tells what runners answer, and is silent about everything else.
struct Answers(mpsc::UnboundedReceiver<Hint>);

impl Subscription for Answers {
    fn poll_next(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Option<Delivery>> {
        self.0.poll_recv(cx).map(|hint| Some(Delivery::Hint(Arc::new(SharedHint::new(Arc::new(hint?))))))
    }
}

#[async_trait]
impl PubSub for RecordedHints {
    fn publish(&self, topic: &Topic, hint: Hint) {
        if let Hint::RunnerAnswered { .. } = &hint {
            self.watches.lock().unwrap().retain(|(watched, to)| watched != topic || to.send(hint.clone()).is_ok());
        }
        self.published.lock().unwrap().push((topic.clone(), hint));
    }

    fn missed(&self, topic: &Topic) {
        self.missed.lock().unwrap().push(topic.clone());
    }

    async fn subscribe(&self, topic: &Topic) -> Box<dyn Subscription> {
        let (to, answers) = mpsc::unbounded_channel();
        self.watches.lock().unwrap().push((topic.clone(), to));
        Box::new(Answers(answers))
    }
}

/// How a wrapped store treats one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is refused before anything happens.
    Unavailable,
    /// It happens, and the answer is lost.
    LostAnswer,
    /// It does not happen, and the answer is lost.
    LostRequest,
    /// It happens, and neither its answer nor that of the next read comes through.
    LostTwice,
    /// It happens, and an answer never comes.
    Silent,
    /// Somebody else was faster.
    Conflict,
}

/// A driver that commits badly as often as it is told.
pub(super) struct FaultyDriver {
    inner: Arc<dyn SqlDriver>,
    faults: Mutex<mpsc::UnboundedReceiver<Fault>>,
    next_read_fails: AtomicBool,
}

impl FaultyDriver {
    pub(super) fn over(inner: Arc<dyn SqlDriver>) -> (Arc<dyn SqlDriver>, mpsc::UnboundedSender<Fault>) {
        let (send, receive) = mpsc::unbounded_channel();
        (Arc::new(Self { inner, faults: Mutex::new(receive), next_read_fails: AtomicBool::new(false) }), send)
    }
}

/// A world whose store commits badly when it is told to.
pub(super) async fn faulty() -> (World, mpsc::UnboundedSender<Fault>) {
    let mut faults = None;
    let world = World::over(|driver| {
        let (driver, send) = FaultyDriver::over(driver);
        faults = Some(send);
        driver
    })
    .await;
    (world, faults.unwrap())
}

#[async_trait]
impl SqlDriver for FaultyDriver {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn read(&self, read: Read) -> Result<Vec<Vec<Row>>, SqlError> {
        if self.next_read_fails.swap(false, Ordering::SeqCst) {
            return Err(SqlError::Unavailable("it is being tested".to_owned()));
        }
        self.inner.read(read).await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<WriteOutcome, SqlError> {
        // Claims of jobs are single statements; the faults are meant for change sets.
        let fault = if steps.len() > 1 { self.faults.lock().unwrap().try_recv().ok() } else { None };
        let lost = || Err(SqlError::Unknown("it is being tested".to_owned()));
        match fault {
            None => self.inner.write(steps).await,
            Some(Fault::Unavailable) => Err(SqlError::Unavailable("it is being tested".to_owned())),
            Some(Fault::LostAnswer) => self.inner.write(steps).await.and_then(|_| lost()),
            Some(Fault::LostRequest) => lost(),
            Some(Fault::LostTwice) => {
                self.next_read_fails.store(true, Ordering::SeqCst);
                self.inner.write(steps).await.and_then(|_| lost())
            }
            Some(Fault::Silent) => {
                self.inner.write(steps).await?;
                std::future::pending().await
            }
            Some(Fault::Conflict) => Ok(WriteOutcome::Conflict { step: 0 }),
        }
    }
}
