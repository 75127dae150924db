//! A session without a disk, a process or a socket, as in a test of a program that uses Portway:
//! `cargo run --example in_memory`.
//!
//! The gateway keeps everything in memory, and its sandboxes are a few lines of this file: a scripted agent that answers
//! each prompt at once. What it reports goes through the same checks, the same state machine and the same store as what
//! a runner beside a real agent reports.
#![expect(clippy::print_stdout, reason = "an example shows what it does on the terminal")]

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use portway::Gateway;
use portway::domain::access::{Permission, SessionRole};
use portway::domain::engine::{Command, RunnerHello, RunnerReport};
use portway::domain::ids::{MessageId, SessionId};
use portway::domain::messages::{FinishReason, MessageRole, TextKind};
use portway::domain::tokens::{TokenHash, TokenSecret};
use portway::ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway::services::Services;
use portway::services::prompts::NewPrompt;
use portway::services::sessions::NewSession;
use tokio::sync::{Notify, mpsc};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let (orders, waiting) = mpsc::unbounded_channel();
    let sandboxes = Arc::new(ScriptedSandboxes { orders, running: Mutex::default(), changed: Notify::new() });
    let gateway = Gateway::builder()
        .database("sqlite::memory:")
        .sandboxes(sandboxes)
        .agent("scripted", AgentCommand::new(["scripted"]))
        .build()
        .await?;
    let work = tokio::spawn(gateway.run());
    let runners = tokio::spawn(run_scripted(gateway.services().clone(), waiting));

    let key = gateway.first_key().ok_or("a new gateway has a first key")?.clone();
    let transcript = talk(gateway.services(), &key).await?;
    for (role, text) in &transcript {
        println!("{}: {text}", role.as_str());
    }
    let said = |role, text: &str| (role, text.to_owned());
    assert_eq!(
        transcript,
        [
            said(MessageRole::User, "How many letters has Portway?"),
            said(MessageRole::Assistant, "You said 29 characters."),
            said(MessageRole::User, "And now?"),
            said(MessageRole::Assistant, "You said 8 characters."),
        ]
    );

    gateway.stop().await;
    work.await?;
    runners.abort();
    Ok(())
}

/// Opens a session, says two things, and reads what came of it.
async fn talk(services: &Services, key: &TokenSecret) -> Outcome<Vec<(MessageRole, String)>> {
    let new = NewSession { workspace: "test".to_owned(), ..NewSession::default() };
    let session = services.open_session(&services.context(key, Permission::SignedIn), new).await?.id;
    for text in ["How many letters has Portway?", "And now?"] {
        let context = services.context(key, Permission::Session(SessionRole::Collaborator));
        let prompt = NewPrompt { content: text.to_owned(), ..NewPrompt::default() };
        services.prompt(&context, &session, prompt).await?;
        answered(services, key, &session).await?;
    }
    let context = services.context(key, Permission::Session(SessionRole::Viewer));
    let (_, transcript) = services.transcript(&context, &session).await?;
    Ok(transcript.messages.into_iter().map(|message| (message.role, message.content)).collect())
}

/// Waits until the agent has nothing more to do.
async fn answered(services: &Services, key: &TokenSecret, session: &SessionId) -> Outcome<()> {
    let context = || services.context(key, Permission::Session(SessionRole::Viewer));
    // Watched before the state is read, so nothing that happens in between is missed.
    let mut watch = services.watch_session(&context(), session).await?;
    loop {
        let facts = services.session(&context(), session).await?.facts;
        if !facts.busy && !facts.has_queued() {
            return Ok(());
        }
        watch.subscription.next().await.ok_or("the gateway was stopped")?;
    }
}

/// Sandboxes that exist only in a list.
struct ScriptedSandboxes {
    orders: mpsc::UnboundedSender<SandboxOrder>,
    running: Mutex<HashSet<(SessionId, u32)>>,
    changed: Notify,
}

#[async_trait]
impl Sandboxes for ScriptedSandboxes {
    async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|(session, _)| *session != order.session);
        running.insert((order.session.clone(), order.generation));
        self.changed.notify_waiters();
        self.orders.send(order).map_err(|_| SandboxError::Unavailable("the test is over".to_owned()))?;
        Ok(StartedSandbox::default())
    }

    async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError> {
        let key = (sandbox.session.clone(), sandbox.generation);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn is_alive(&self, sandbox: &SandboxRef) -> Result<bool, SandboxError> {
        let key = (sandbox.session.clone(), sandbox.generation);
        Ok(self.running.lock().unwrap_or_else(PoisonError::into_inner).contains(&key))
    }

    async fn ended(&self, sandbox: &SandboxRef) -> String {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that an end between the two is not slept through.
            changed.as_mut().enable();
            if self.is_alive(sandbox).await == Ok(false) {
                return "it was stopped".to_owned();
            }
            changed.await;
        }
    }
}

/// Runs a scripted agent in each sandbox that is ordered.
async fn run_scripted(services: Arc<Services>, mut orders: mpsc::UnboundedReceiver<SandboxOrder>) {
    while let Some(order) = orders.recv().await {
        let services = services.clone();
        tokio::spawn(async move {
            let agent = ScriptedAgent {
                services,
                token: order.token.hash(),
                session: order.session,
                generation: order.generation,
                reports: 0,
            };
            if let Err(error) = agent.run().await {
                println!("the scripted agent failed: {error}");
            }
        });
    }
}

/// A runner and its agent in one.
struct ScriptedAgent {
    services: Arc<Services>,
    token: TokenHash,
    session: SessionId,
    generation: u32,
    /// How many reports there were: they are numbered from 1, without gaps.
    reports: u64,
}

impl ScriptedAgent {
    async fn run(mut self) -> Outcome<()> {
        let mut hints = self.services.watch_commands(&self.session).await;
        let hello = RunnerHello {
            generation: self.generation,
            connection: "in this process".to_owned(),
            last_command: 0,
            last_frame: 0,
            turn: None,
        };
        self.services.runner_connected(&self.session, &self.token, hello).await?;
        self.report(vec![RunnerReport::Ready { agent_session: None }]).await?;
        let mut taken = 0;
        loop {
            for pending in self.services.pending_commands(&self.session, self.generation, taken).await? {
                taken = pending.number;
                self.services.commands_taken(&self.session, self.generation, taken).await?;
                if let Command::Prompt { prompt, .. } = pending.command {
                    self.answer(prompt, &pending.content.unwrap_or_default()).await?;
                }
            }
            if hints.next().await.is_none() {
                return Ok(());
            }
        }
    }

    async fn answer(&mut self, prompt: MessageId, content: &str) -> Outcome<()> {
        let message = MessageId::parse(format!("{prompt}.1"))?;
        let text = |delta: String| RunnerReport::Text { message: message.clone(), kind: TextKind::Text, delta };
        let reports = vec![
            RunnerReport::MessageCreated { message: message.clone() },
            text("You said ".to_owned()),
            text(format!("{} characters.", content.chars().count())),
            RunnerReport::MessageFinished { message: None, reason: FinishReason::EndTurn, error: None },
            RunnerReport::Completed { prompt, aborted: false },
        ];
        self.report(reports).await
    }

    async fn report(&mut self, reports: Vec<RunnerReport>) -> Outcome<()> {
        let numbered = (self.reports + 1..).zip(reports).collect::<Vec<_>>();
        self.reports += numbered.len() as u64;
        self.services.runner_reported(&self.session, self.generation, numbered).await?;
        Ok(())
    }
}
