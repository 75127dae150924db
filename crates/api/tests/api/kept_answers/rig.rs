//! The gateway of notes with the services behind it, which keep its answers in a database in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use portway_adapters_s3::MemoryObjects;
use portway_adapters_sqlite::SqliteDatabase;
use portway_api::KeptAnswers;
use portway_domain::engine::Timeouts;
use portway_domain::tokens::TokenSecret;
use portway_ports::StoreError;
use portway_ports::health::Health;
use portway_ports::sandboxes::{AgentCommand, SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway_pubsub::LocalPubSub;
use portway_services::error::Error;
use portway_services::kept_answers::{Claim, Ended, HeldKey};
use portway_services::{Context, Options, Ports, Services};
use portway_sql::SqlStore;
use portway_sql::migrations::SQLITE;

use crate::detached::Tasks;
use crate::fixture::{Answer, Gate, Gateway, TOKEN, options, signed_in};

pub(crate) struct Keeping {
    pub(crate) gateway: Gateway,
    /// Where claims wait that were written, if they do.
    pub(crate) claimed: Arc<Gate>,
    tasks: Arc<Tasks>,
}

impl Keeping {
    pub(crate) async fn new() -> Self {
        Self::with(|services, _| services).await
    }

    /// Requests wait once their claim is written, before they know of it.
    pub(crate) async fn waiting_after_claims() -> Self {
        Self::with(|services, claimed| Arc::new(SlowClaims { services, claimed })).await
    }

    async fn with(answers: impl FnOnce(Arc<Services>, Arc<Gate>) -> Arc<dyn KeptAnswers>) -> Self {
        let mut options = options();
        let (claimed, tasks) = (Arc::<Gate>::default(), Arc::<Tasks>::default());
        let database = SqliteDatabase::in_memory().unwrap();
        database.migrate(SQLITE).await.unwrap();
        let ports = Ports {
            store: Arc::new(SqlStore::new(Arc::new(database))),
            objects: Arc::new(MemoryObjects::new(options.clock.clone())),
            health: Arc::new(Outside),
            pubsub: Arc::new(LocalPubSub::new()),
            sandboxes: Arc::new(Outside),
            clock: options.clock.clone(),
            entropy: options.entropy.clone(),
            spawner: tasks.clone(),
        };
        let of_services = Options {
            agents: BTreeMap::from([("demo".to_owned(), AgentCommand::new(["agent"]))]),
            default_agent: "demo".to_owned(),
            max_children: 10,
            timeouts: Timeouts::default(),
        };
        let services = Arc::new(Services::new(ports, of_services));
        services.bootstrap(Some(TokenSecret::opaque(TOKEN).unwrap())).await.unwrap();
        let answers = answers(services, claimed.clone());
        options.kept_answers = Some(answers);
        options.spawner = tasks.clone();
        Self { gateway: Gateway::with(options), claimed, tasks }
    }

    /// Makes a note, with a key.
    pub(crate) async fn create(&self, id: &str) -> Answer {
        let request = signed_in("POST", "/api/notes").header("idempotency-key", "k1");
        self.gateway.send(request.body(Body::from(format!(r#"{{"id":"{id}"}}"#))).unwrap()).await
    }

    /// Removes a note, with a key.
    pub(crate) async fn remove(&self, id: &str) -> Answer {
        let request = signed_in("DELETE", &format!("/api/notes/{id}")).header("idempotency-key", "k1");
        self.gateway.send(request.body(Body::empty()).unwrap()).await
    }

    /// How often a handler was called.
    pub(crate) fn calls(&self) -> usize {
        self.gateway.state.contexts.lock().unwrap().len()
    }

    /// Waits for the end of the tasks so far.
    pub(crate) async fn tasks_ended(&self) {
        self.tasks.ended().await;
    }
}

struct SlowClaims {
    services: Arc<Services>,
    claimed: Arc<Gate>,
}

#[async_trait]
impl KeptAnswers for SlowClaims {
    async fn claim(&self, context: &Context) -> Result<Claim, Error> {
        let claim = self.services.claim_key(context).await;
        self.claimed.pass().await;
        claim
    }

    async fn release(&self, held: HeldKey, ended: Ended) {
        self.services.release_key(held, ended).await;
    }
}

/// What these tests do without.
struct Outside;

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

    async fn ended(&self, _: &SandboxRef) -> String {
        std::future::pending().await
    }
}
