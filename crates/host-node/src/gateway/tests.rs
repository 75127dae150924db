//! The gateway in memory, with sandboxes that only take note.

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use portway_domain::access::{Permission, SessionRole};
use portway_domain::ids::SessionId;
use portway_domain::sessions::SessionStatus;
use portway_ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, StartedSandbox};
use portway_services::prompts::NewPrompt;
use portway_services::sessions::NewSession;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

use super::*;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq, Eq)]
enum Call {
    Start(SessionId, u32),
    Stop(SessionId, u32),
}

/// A sandbox without anything in it.
struct Noted {
    calls: mpsc::UnboundedSender<Call>,
    running: watch::Sender<bool>,
}

fn noted() -> (Arc<Noted>, mpsc::UnboundedReceiver<Call>) {
    let (calls, receiver) = mpsc::unbounded_channel();
    (Arc::new(Noted { calls, running: watch::channel(false).0 }), receiver)
}

#[async_trait]
impl Sandboxes for Noted {
    async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        self.running.send_replace(true);
        self.calls.send(Call::Start(order.session, order.generation)).unwrap();
        Ok(StartedSandbox::default())
    }

    async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError> {
        self.calls.send(Call::Stop(sandbox.session.clone(), sandbox.generation)).unwrap();
        self.running.send_replace(false);
        Ok(())
    }

    async fn is_alive(&self, _: &SandboxRef) -> Result<bool, SandboxError> {
        Ok(*self.running.borrow())
    }

    async fn ended(&self, _: &SandboxRef) -> String {
        let _ = self.running.subscribe().wait_for(|running| !running).await;
        "it was stopped".to_owned()
    }
}

fn in_memory(sandboxes: Arc<Noted>) -> GatewayBuilder {
    Gateway::builder().database("sqlite::memory:").sandboxes(sandboxes).agent("any", AgentCommand::new(["any"]))
}

async fn open(gateway: &Gateway) -> SessionId {
    let context = gateway.services().context(gateway.first_key().unwrap(), Permission::SignedIn);
    let new = NewSession { workspace: "w".to_owned(), ..NewSession::default() };
    gateway.services().open_session(&context, new).await.unwrap().id
}

async fn problems(builder: GatewayBuilder) -> Vec<OptionError> {
    match builder.build().await {
        Err(StartError::Options(problems)) => problems,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was built"),
    }
}

#[tokio::test]
async fn all_that_is_missing_is_told_at_once() {
    let expected =
        [OptionError::NoDatabase, OptionError::NoDataFolder, OptionError::NoGatewayAddress, OptionError::NoRunner];
    assert_eq!(problems(Gateway::builder()).await, expected);
}

#[tokio::test]
async fn memory_alone_is_no_place_for_processes_to_work() {
    let builder = Gateway::builder().database("sqlite::memory:").runner("portway", ["runner"]);
    let builder = builder.gateway_address(([127, 0, 0, 1], 1).into()).agent("any", AgentCommand::new(["any"]));
    assert_eq!(problems(builder).await, [OptionError::NoDataFolder]);
}

#[tokio::test]
async fn agents_are_checked() {
    let builder = || Gateway::builder().database("sqlite::memory:").sandboxes(noted().0);
    assert_eq!(problems(builder()).await, [OptionError::NoAgent]);
    let wrong = builder()
        .agent("a b", AgentCommand::new(["x"]))
        .agent("empty", AgentCommand::new([""; 1]))
        .default_agent("other");
    let default = OptionError::DefaultAgent { name: "other".to_owned(), known: "a b, empty".to_owned() };
    let expected = [OptionError::Agent("a b".to_owned()), OptionError::Agent("empty".to_owned()), default];
    assert_eq!(problems(wrong).await, expected);
}

#[tokio::test]
async fn the_first_agent_is_the_default() {
    let builder = in_memory(noted().0).agent("a", AgentCommand::new(["a"]));
    assert_eq!(builder.build().await.unwrap().services().default_agent(), "any");
}

#[tokio::test]
async fn options_of_the_api_are_checked() {
    let Err(error) = in_memory(noted().0).allowed_hosts(["a:80"]).build().await else { panic!("it was built") };
    assert!(matches!(error, StartError::Api(BuildError::Options(_))), "{error}");
}

#[tokio::test]
async fn a_database_file_is_kept_and_belongs_to_one_gateway() {
    let scratch = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", scratch.path().join("a b.db").display());
    let build = || in_memory(noted().0).database(&url).build();
    let first = build().await.unwrap();
    assert!(first.first_key().is_some());
    assert!(matches!(build().await, Err(StartError::DatabaseInUse(_))));
    first.stop().await;
    let second = build().await.unwrap();
    assert!(second.first_key().is_none(), "the administrator is there already");
    second.stop().await;
}

#[tokio::test]
async fn a_database_in_a_folder_that_does_not_exist_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/none/a.db", scratch.path().display());
    assert!(matches!(in_memory(noted().0).database(url).build().await, Err(StartError::DatabaseLock { .. })));
}

#[tokio::test]
async fn it_can_be_built_used_and_stopped_on_any_task() {
    fn moves<T: Send>(value: T) -> T {
        value
    }
    let gateway = Arc::new(moves(in_memory(noted().0).build()).await.unwrap());
    moves(gateway.clone());
    drop(moves(gateway.run()));
    let Some(gateway) = Arc::into_inner(gateway) else { panic!("somebody else has it") };
    moves(gateway.stop()).await;
}

#[tokio::test]
async fn nothing_happens_before_it_is_run() {
    let (sandboxes, mut calls) = noted();
    let gateway = in_memory(sandboxes).build().await.unwrap();
    let id = open(&gateway).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(calls.try_recv().is_err());
    let work = tokio::spawn(gateway.run());
    assert_eq!(calls.recv().await, Some(Call::Start(id, 1)));
    drop(gateway);
    tokio::time::timeout(PATIENCE, work).await.expect("the work ends with the gateway").unwrap();
}

#[tokio::test]
async fn stopping_puts_sandboxes_away_though_nobody_does_the_work() {
    let (sandboxes, mut calls) = noted();
    let gateway = in_memory(sandboxes).build().await.unwrap();
    let id = open(&gateway).await;
    let work = tokio::spawn(gateway.run());
    assert_eq!(calls.recv().await, Some(Call::Start(id.clone(), 1)));
    work.abort();
    let services = gateway.services().clone();
    let context = services.context(gateway.first_key().unwrap(), Permission::Session(SessionRole::Owner));
    gateway.stop().await;
    assert_eq!(calls.recv().await, Some(Call::Stop(id.clone(), 1)));
    assert!(services.session(&context, &id).await.is_err(), "the database is closed");
}

#[tokio::test]
async fn sessions_go_on_with_the_next_gateway() {
    let scratch = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", scratch.path().join("portway.db").display());
    let (sandboxes, mut calls) = noted();
    let first = in_memory(sandboxes).database(&url).build().await.unwrap();
    let work = tokio::spawn(first.run());
    let id = open(&first).await;
    let key = first.first_key().unwrap().clone();
    assert_eq!(calls.recv().await, Some(Call::Start(id.clone(), 1)));
    first.stop().await;
    tokio::time::timeout(PATIENCE, work).await.expect("the work ends with the gateway").unwrap();

    let (sandboxes, mut calls) = noted();
    let second = in_memory(sandboxes).database(&url).build().await.unwrap();
    let work = tokio::spawn(second.run());
    let owner = || second.services().context(&key, Permission::Session(SessionRole::Owner));
    let detail = second.services().session(&owner(), &id).await.unwrap();
    assert_ne!(detail.session.status, SessionStatus::Error);
    let again = NewPrompt { content: "again".to_owned(), ..NewPrompt::default() };
    second.services().prompt(&owner(), &id, again).await.unwrap();
    assert_eq!(calls.recv().await, Some(Call::Start(id, 2)));
    work.abort();
}

#[tokio::test]
async fn a_request_without_a_peer_is_not_local() {
    let gateway = in_memory(noted().0).build().await.unwrap();
    let key = gateway.first_key().unwrap().reveal().to_owned();
    let ask = |peer: Option<portway_api::Peer>| {
        let body = Body::from(r#"{"workspace":"w","directory":"/"}"#);
        let request = Request::post("/api/sessions")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json");
        let mut request = request.body(body).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        gateway.service().oneshot(request)
    };
    assert_eq!(ask(None).await.unwrap().status(), StatusCode::FORBIDDEN);
    let peer = |loopback| Some(portway_api::Peer { loopback, address: None });
    assert_eq!(ask(peer(false)).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(ask(peer(true)).await.unwrap().status(), StatusCode::CREATED);
}
