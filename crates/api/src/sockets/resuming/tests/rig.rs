//! The services on a store in memory, one session with a runner, and sockets that are polled by hand.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::task::noop_waker;
use portway_adapters_s3::MemoryObjects;
use portway_adapters_sqlite::SqliteDatabase;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::engine::{Actor, Engine, Event, RunnerHello, RunnerReport, Timeouts};
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::time::Timestamp;
use portway_domain::tokens::{TokenHash, TokenSecret};
use portway_domain::workspaces::{GitState, KeptFile};
use portway_ports::health::Health;
use portway_ports::pubsub::{PubSub, Topic};
use portway_ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway_ports::sessions::Transcript;
use portway_ports::shared_text::SharedText;
use portway_ports::system::{Clock, Entropy, Spawner, Task};
use portway_ports::{Store, StoreError};
use portway_protocol::resuming::{ResumingFrame, Sequenced};
use portway_pubsub::LocalPubSub;
use portway_services::sessions::NewSession;
use portway_services::{Context, Options, Ports, Services};
use portway_sql::SqlStore;
use portway_sql::migrations::SQLITE;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::open;
use crate::socket::{Incoming, Socket, SocketClosed};

/// Nothing here waits for anything but what the test does.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing has to be waited for")
}

pub(super) struct Rig {
    pub(super) services: Arc<Services>,
    pub(super) session: SessionId,
    pub(super) by: Actor,
    store: Arc<dyn Store>,
    pubsub: LocalPubSub,
    clock: Arc<ManualClock>,
    admin: TokenSecret,
    frame: u64,
}

impl Rig {
    /// A session whose agent takes prompts.
    pub(super) fn new() -> Self {
        let database = SqliteDatabase::in_memory().unwrap();
        now(database.migrate(SQLITE)).unwrap();
        let store: Arc<dyn Store> = Arc::new(SqlStore::new(Arc::new(database)));
        let pubsub = LocalPubSub::new();
        let clock = Arc::new(ManualClock(AtomicI64::new(1_800_000_000_000)));
        let ports = Ports {
            store: store.clone(),
            objects: Arc::new(MemoryObjects::new(clock.clone())),
            health: Arc::new(Outside),
            pubsub: Arc::new(pubsub.clone()),
            sandboxes: Arc::new(Outside),
            clock: clock.clone(),
            entropy: Arc::new(Counter::default()),
            spawner: Arc::new(Outside),
        };
        let options = Options {
            agents: BTreeMap::from([("demo".to_owned(), AgentCommand::new(["agent"]))]),
            default_agent: "demo".to_owned(),
            max_children: 10,
            timeouts: Timeouts::default(),
        };
        let services = Arc::new(Services::new(ports, options));
        let admin = now(services.bootstrap(None)).unwrap().unwrap();
        let new = NewSession { workspace: "w".to_owned(), ..NewSession::default() };
        let opened = now(services.open_session(&services.context(&admin, Permission::SignedIn), new)).unwrap();
        let by = Actor { user: opened.owner, name: "A".to_owned() };
        let mut rig = Self { services, session: opened.id, by, store, pubsub, clock, admin, frame: 0 };
        rig.connect();
        rig
    }

    fn connect(&mut self) {
        let node = NodeId::parse("node").unwrap();
        self.apply(Event::SandboxPrepared { generation: 1, node, token: TokenHash::of("secret") });
        let connection = "connection".to_owned();
        let hello = RunnerHello { generation: 1, connection, last_command: 0, last_frame: 0, turn: None };
        self.apply(Event::RunnerConnected(hello));
        self.report(RunnerReport::Ready { agent_session: None });
        assert!(self.engine().is_connected());
    }

    /// Applies an event, which may be refused.
    pub(super) fn apply(&mut self, event: Event) {
        now(self.services.apply(&self.session, vec![event], Vec::new(), self.services.moment())).unwrap();
    }

    /// The runner reports something.
    pub(super) fn report(&mut self, report: RunnerReport) {
        self.report_all(vec![report]);
    }

    /// The runner reports several things that are committed together.
    pub(super) fn report_all(&mut self, reports: Vec<RunnerReport>) {
        let reported = reports.into_iter().map(|report| {
            self.frame += 1;
            Event::Reported { generation: 1, frame: self.frame, report }
        });
        let events: Vec<Event> = reported.collect();
        now(self.services.apply(&self.session, events, Vec::new(), self.services.moment())).unwrap();
    }

    pub(super) fn engine(&self) -> Engine {
        now(self.store.engine(&self.session)).unwrap().unwrap().1.value
    }

    pub(super) fn transcript(&self) -> Transcript {
        now(self.services.transcript(&self.as_owner(), &self.session)).unwrap().1
    }

    /// What is stored of the workspace.
    pub(super) fn workspace(&self) -> (Vec<KeptFile>, Option<GitState>) {
        let files = now(self.services.changed_files(&self.as_owner(), &self.session)).unwrap();
        (files, now(self.services.git_state(&self.as_owner(), &self.session)).unwrap())
    }

    /// Hints are lost.
    pub(super) fn miss(&self) {
        self.pubsub.missed(&Topic::Session(self.session.clone()));
    }

    pub(super) fn advance(&self, span: Duration) {
        self.clock.0.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(super) fn as_owner(&self) -> Context {
        self.services.context(&self.admin, Permission::Session(SessionRole::Owner))
    }

    /// Opens a socket from where a client left off.
    pub(super) fn open(&self, seq: Option<u64>) -> Connection {
        let (services, context) = (self.services.clone(), self.as_owner());
        let serve = now(open(services, context, self.session.clone(), seq)).ok().unwrap();
        let (to_gateway, incoming) = unbounded_channel();
        let (outgoing, from_gateway) = unbounded_channel();
        let closed = Arc::new(Mutex::new(None));
        let socket = FakeSocket { incoming, outgoing, closed: closed.clone() };
        let mut connection = Connection { task: Some(serve(Box::new(socket))), to_gateway, from_gateway, closed };
        connection.poll();
        connection
    }
}

/// The client's end of a socket, and the gateway's side of it.
pub(super) struct Connection {
    task: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    to_gateway: UnboundedSender<Incoming>,
    from_gateway: UnboundedReceiver<String>,
    closed: Arc<Mutex<Option<u16>>>,
}

impl Connection {
    /// Lets the gateway's side do all it can.
    pub(super) fn poll(&mut self) {
        let waker = noop_waker();
        if let Some(task) = &mut self.task
            && task.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_ready()
        {
            self.task = None;
        }
    }

    /// The next frame that is there.
    pub(super) fn receive(&mut self) -> Option<Sequenced> {
        let text = self.from_gateway.try_recv().ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    pub(super) fn send(&mut self, frame: &ResumingFrame) {
        self.send_text(serde_json::to_string(frame).unwrap());
    }

    pub(super) fn send_text(&mut self, text: String) {
        // Nobody reads it once the socket is closed.
        let _ = self.to_gateway.send(Incoming::Text(text));
        self.poll();
    }

    pub(super) fn close_code(&self) -> Option<u16> {
        *self.closed.lock().unwrap()
    }
}

struct FakeSocket {
    incoming: UnboundedReceiver<Incoming>,
    outgoing: UnboundedSender<String>,
    closed: Arc<Mutex<Option<u16>>>,
}

#[async_trait]
impl Socket for FakeSocket {
    fn poll_receive(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Option<Incoming>> {
        self.incoming.poll_recv(cx)
    }

    async fn send(&mut self, text: SharedText) -> Result<(), SocketClosed> {
        self.outgoing.send(text.as_str().to_owned()).map_err(|_| SocketClosed)
    }

    async fn close(&mut self, code: u16, _: &str) {
        self.closed.lock().unwrap().get_or_insert(code);
    }
}

struct ManualClock(AtomicI64);

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep(&self, span: Duration) {
        let end = self.now().plus(span);
        std::future::poll_fn(|_| if self.now() < end { Poll::Pending } else { Poll::Ready(()) }).await;
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

/// What these tests do without.
struct Outside;

impl Spawner for Outside {
    fn spawn(&self, task: Task) {
        drop(task);
    }
}

#[async_trait]
impl Health for Outside {
    async fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Sandboxes for Outside {
    async fn start(&self, _: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        Ok(StartedSandbox::default())
    }

    async fn stop(&self, _: &SandboxRef) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn is_alive(&self, _: &SandboxRef) -> Result<bool, SandboxError> {
        Ok(true)
    }

    fn stay_with_node(&self) -> bool {
        true
    }

    async fn was_here(&self, _: &SandboxRef) -> bool {
        true
    }

    async fn ended(&self, _: &SandboxRef) -> String {
        std::future::pending().await
    }
}
