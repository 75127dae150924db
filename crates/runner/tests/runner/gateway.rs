//! A gateway in small, and a runner that speaks to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use portway_protocol::runner::{Answer, FromRunner, Hello, RunnerCommand, RunnerEvent, ToRunner};
use portway_runner::{AgentCommand, Config, Exit, Secret, Timing};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Longest a test waits for anything; a bound, never a pause.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TOKEN: &str = "runner-token";

/// A listener, a running runner and its workspace.
pub(crate) struct Stage {
    pub(crate) listener: TcpListener,
    pub(crate) workspace: PathBuf,
    _folder: tempfile::TempDir,
    runner: Option<JoinHandle<Exit>>,
    shutdown: Option<oneshot::Sender<()>>,
}

/// How a stage differs from the usual one.
pub(crate) struct Setup {
    pub(crate) command: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) auth_method: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) agent_session: Option<String>,
    pub(crate) timing: Timing,
}

impl Setup {
    pub(crate) fn demo() -> Self {
        Self::command(&[env!("CARGO_BIN_EXE_portway-runner"), "demo-agent"])
    }

    /// An agent that is a shell script.
    pub(crate) fn shell(script: &str) -> Self {
        Self::command(&["sh", "-c", script])
    }

    pub(crate) fn command(command: &[&str]) -> Self {
        Self {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            env: BTreeMap::new(),
            auth_method: None,
            mode: None,
            agent_session: None,
            timing: Timing {
                first_retry: Duration::from_millis(5),
                last_retry: Duration::from_millis(20),
                ..Timing::default()
            },
        }
    }

    /// Starts a runner in this process.
    pub(crate) async fn start(self) -> Stage {
        self.start_in(|_| {}).await
    }

    /// The same in a workspace that `prepare` made ready.
    pub(crate) async fn start_in(self, prepare: impl FnOnce(&Path)) -> Stage {
        let stage = Stage::new().await;
        prepare(&stage.workspace);
        self.start_on(stage)
    }

    /// The same on a stage whose runner has ended, if it had one.
    pub(crate) fn start_on(self, mut stage: Stage) -> Stage {
        let config = self.config(&stage);
        let (shutdown, receiver) = oneshot::channel();
        stage.shutdown = Some(shutdown);
        stage.runner = Some(tokio::spawn(portway_runner::run_until(config, async {
            let _ = receiver.await;
        })));
        stage
    }

    fn config(self, stage: &Stage) -> Config {
        Config {
            url: stage.url(),
            token: Secret::new(TOKEN),
            generation: 3,
            agent: AgentCommand {
                command: self.command,
                env: self.env,
                auth_method: self.auth_method,
                mode: self.mode,
            },
            workspace: stage.workspace.clone(),
            agent_session: self.agent_session,
            waits_for_start: false,
            base_env: std::env::var("PATH").map(|path| ("PATH".to_owned(), path)).into_iter().collect(),
            timing: self.timing,
        }
    }
}

impl Stage {
    /// Without a runner so far.
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("work");
        std::fs::create_dir(&workspace).unwrap();
        Self { listener, workspace, _folder: folder, runner: None, shutdown: None }
    }

    /// The address for a runner.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/api/sessions/s1/ws", self.listener.local_addr().unwrap())
    }

    /// Accepts the runner's next connection and reads its hello.
    pub(crate) async fn accept(&self) -> (Connection, Hello) {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        let socket = within(tokio_tungstenite::accept_hdr_async(stream, check)).await.unwrap();
        let mut connection = Connection { socket };
        let FromRunner::Hello(hello) = connection.frame().await else {
            panic!("the first frame is no hello");
        };
        (connection, hello)
    }

    /// Accepts the runner's first connection and welcomes it.
    pub(crate) async fn gateway(&self) -> Gateway {
        let (connection, hello) = self.accept().await;
        assert_eq!((hello.protocol, hello.generation), (2, 3));
        let mut gateway =
            Gateway { connection, events: Vec::new(), seen: Vec::new(), read: 0, last_command: 0, acknowledging: true };
        gateway.welcome().await;
        gateway
    }

    /// Refuses the next connection with that status.
    pub(crate) async fn refuse(&self, status: u16) {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        #[expect(clippy::result_large_err, reason = "the type is the library's")]
        let refuse = |_: &Request, _: Response| {
            let mut response = ErrorResponse::new(None);
            *response.status_mut() = status.try_into().unwrap();
            Err(response)
        };
        within(tokio_tungstenite::accept_hdr_async(stream, refuse)).await.unwrap_err();
    }

    pub(crate) fn shut_down(&mut self) {
        self.shutdown.take();
    }

    /// Waits until the runner has ended.
    pub(crate) async fn ended(&mut self) -> Exit {
        within(self.runner.take().unwrap()).await.unwrap()
    }

    /// How the runner ended.
    pub(crate) async fn exit(self) -> Exit {
        let _keep = self.shutdown;
        within(self.runner.unwrap()).await.unwrap()
    }
}

#[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the signature is the library's")]
fn check(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    assert_eq!(request.uri().path(), "/api/sessions/s1/ws");
    assert_eq!(request.uri().query(), Some("role=runner&protocol=2"));
    assert_eq!(request.headers()["authorization"], format!("Bearer {TOKEN}"));
    Ok(response)
}

/// One socket.
pub(crate) struct Connection {
    socket: WebSocketStream<TcpStream>,
}

impl Connection {
    pub(crate) async fn frame(&mut self) -> FromRunner {
        loop {
            match within(self.socket.next()).await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(_) => panic!("the runner closed the socket"),
                _ => {}
            }
        }
    }

    pub(crate) async fn send(&mut self, frame: &ToRunner) {
        let text = serde_json::to_string(frame).unwrap();
        within(self.socket.send(Message::text(text))).await.unwrap();
    }

    pub(crate) async fn close(mut self, reason: &str) {
        let frame = CloseFrame { code: 4001.into(), reason: reason.to_owned().into() };
        within(self.socket.send(Message::Close(Some(frame)))).await.unwrap();
        // Read until the runner has seen it.
        while let Ok(Some(Ok(_))) = tokio::time::timeout(PATIENCE, self.socket.next()).await {}
    }
}

/// The gateway's side over several connections.
pub(crate) struct Gateway {
    pub(crate) connection: Connection,
    /// Every event by number, each once.
    pub(crate) events: Vec<RunnerEvent>,
    /// Every event that ever came, to see that a number always means the same.
    seen: Vec<RunnerEvent>,
    read: usize,
    last_command: u64,
    /// Whether events are acknowledged.
    pub(crate) acknowledging: bool,
}

impl Gateway {
    pub(crate) async fn welcome(&mut self) {
        let last_frame = self.events.len() as u64;
        self.connection.send(&ToRunner::Welcome { protocol: 2, last_frame }).await;
    }

    /// Drops the socket without a word, and welcomes the runner when it comes back, as having `known` events.
    pub(crate) async fn reconnect(&mut self, stage: &Stage, known: usize) -> Hello {
        drop(std::mem::replace(&mut self.connection, Connection::none().await));
        let (connection, hello) = stage.accept().await;
        self.connection = connection;
        self.events.truncate(known);
        self.read = self.read.min(known);
        self.welcome().await;
        hello
    }

    /// The next frame that is no event; events are taken in.
    pub(crate) async fn other_frame(&mut self) -> FromRunner {
        loop {
            match self.connection.frame().await {
                FromRunner::Event { frame, event } => self.take(frame, event).await,
                other => return other,
            }
        }
    }

    async fn take(&mut self, frame: u64, event: RunnerEvent) {
        let expected = self.events.len() as u64 + 1;
        assert!(frame <= expected, "a gap: {frame} after {}", expected - 1);
        let index = usize::try_from(frame).unwrap() - 1;
        match self.seen.get(index) {
            Some(seen) => assert_eq!(*seen, event, "{frame} changed"),
            None => self.seen.push(event.clone()),
        }
        if frame == expected {
            self.events.push(event);
        }
        if self.acknowledging {
            self.connection.send(&ToRunner::Ack { frame }).await;
        }
    }

    /// The next event in order.
    pub(crate) async fn event(&mut self) -> RunnerEvent {
        loop {
            if let Some(event) = self.events.get(self.read) {
                self.read += 1;
                return event.clone();
            }
            match self.connection.frame().await {
                FromRunner::Event { frame, event } => self.take(frame, event).await,
                FromRunner::Ack { .. } | FromRunner::Ping {} => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads up to the first event that `wanted` accepts.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&RunnerEvent) -> bool) -> RunnerEvent {
        loop {
            let event = self.event().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    pub(crate) async fn ready(&mut self) -> String {
        match self.until(|event| !matches!(event, RunnerEvent::Models { .. })).await {
            RunnerEvent::Ready { agent_session_id: Some(id) } => id,
            other => panic!("not ready: {other:?}"),
        }
    }

    /// Reads a turn up to the status that follows its end.
    pub(crate) async fn turn(&mut self) -> Turn {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            let ended =
                matches!(event, RunnerEvent::AgentStatus { status: portway_protocol::message::AgentStatus::Idle, .. });
            events.push(event);
            if ended {
                return Turn { events };
            }
        }
    }

    pub(crate) async fn question(&mut self) -> (String, Vec<portway_protocol::message::Choice>) {
        let question = |event: &RunnerEvent| matches!(event, RunnerEvent::Question { .. });
        match self.until(question).await {
            RunnerEvent::Question { question_id, choices, .. } => (question_id, choices),
            _ => unreachable!(),
        }
    }

    pub(crate) async fn command(&mut self, body: RunnerCommand) {
        self.last_command += 1;
        let command = self.last_command;
        self.numbered(command, body).await;
    }

    pub(crate) async fn numbered(&mut self, command: u64, body: RunnerCommand) {
        self.connection.send(&ToRunner::Command { command, body }).await;
    }

    pub(crate) async fn prompt(&mut self, id: &str, text: &str) {
        self.command(prompt(id, text)).await;
    }

    pub(crate) async fn abort(&mut self, id: &str) {
        self.command(RunnerCommand::Abort { message_id: id.to_owned() }).await;
    }

    pub(crate) async fn choose(&mut self, question: &str, choice: &str) {
        self.command(RunnerCommand::Answer {
            question_id: question.to_owned(),
            answer: Answer::Selected { choice: choice.to_owned() },
        })
        .await;
    }

    /// Says stop and sees the runner end well.
    pub(crate) async fn stop(mut self, stage: Stage) {
        self.connection.send(&ToRunner::Stop {}).await;
        assert_eq!(stage.exit().await, Exit::Stopped);
    }
}

impl Connection {
    /// A socket to nowhere, to take the place of a dropped one.
    async fn none() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let role = tokio_tungstenite::tungstenite::protocol::Role::Server;
        Self { socket: WebSocketStream::from_raw_socket(stream, role, None).await }
    }
}

/// The events of one turn.
pub(crate) struct Turn {
    pub(crate) events: Vec<RunnerEvent>,
}

impl Turn {
    /// All prose.
    pub(crate) fn text(&self) -> String {
        self.events
            .iter()
            .filter_map(|event| match event {
                RunnerEvent::TextDelta { delta, .. } => Some(delta.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The types of its last events, the status that closes it left out.
    pub(crate) fn end(&self, count: usize) -> Vec<String> {
        let types: Vec<String> = self
            .events
            .iter()
            .map(|event| {
                let value = serde_json::to_value(event).unwrap();
                let kind = value["type"].as_str().unwrap().to_owned();
                match value["reason"].as_str() {
                    Some(reason) => format!("{kind}:{reason}"),
                    None => kind,
                }
            })
            .collect();
        types[types.len() - 1 - count..types.len() - 1].to_vec()
    }

    pub(crate) fn error(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            RunnerEvent::Error { error } => Some(error.as_str()),
            _ => None,
        })
    }
}

pub(crate) fn prompt(id: &str, text: &str) -> RunnerCommand {
    RunnerCommand::Prompt {
        message_id: id.to_owned(),
        content: text.to_owned(),
        model: None,
        model_preferences: Vec::new(),
        attachments: Vec::new(),
    }
}

pub(crate) fn prompt_for(id: &str, wanted: &str) -> RunnerCommand {
    RunnerCommand::Prompt {
        message_id: id.to_owned(),
        content: "x".to_owned(),
        model: Some(wanted.to_owned()),
        model_preferences: Vec::new(),
        attachments: Vec::new(),
    }
}

pub(crate) fn read(folder: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(name)).ok()
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it took too long")
}
