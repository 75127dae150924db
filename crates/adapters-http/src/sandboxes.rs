//! The adapter.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portway_domain::ids::{SandboxId, SessionId, SnapshotId};
use portway_domain::tokens::TokenSecret;
use portway_ports::sandboxes::{SandboxError, SandboxOrder, SandboxRef, Sandboxes, StartedSandbox};
use portway_ports::system::Clock;
use serde::Serialize;

use crate::answer::{Call, is_contractual, is_gone, is_success, words};
use crate::client::{HttpAnswer, HttpClient, HttpRequest};
use crate::contract::{Create, Created, Deleted, Hibernated, Label, Named, Status, Workspace};
use crate::url::{BackendUrl, RunnerUrl};

/// Most bytes of an answer.
const MAX_ANSWER: usize = 64 * 1_024;

/// How long an answer may take. All is less than the lease of the job that asks, which would be done twice otherwise.
const START: Duration = Duration::from_secs(30);
const HIBERNATE: Duration = Duration::from_secs(50);
const STOP: Duration = Duration::from_secs(30);
const ASK: Duration = Duration::from_secs(10);

/// How long a backend may hold its answer back while a sandbox lives that is watched.
const WATCH: Duration = Duration::from_secs(25);

/// Least time between two questions about a sandbox that is watched: most backends do not hold answers back.
const POLL: Duration = Duration::from_secs(5);

/// What a backend calls a sandbox that is no more. Whatever else it says, it may live.
const GONE: [&str; 10] =
    ["gone", "terminated", "stopped", "exited", "ended", "finished", "hibernated", "failed", "error", "not_found"];

/// Which backend, and what it is told.
#[derive(Debug, Clone)]
pub struct HttpSandboxOptions {
    /// The backend.
    pub url: BackendUrl,
    /// What it lets callers in with.
    pub token: TokenSecret,
    /// Where runners there reach the gateway.
    pub gateway_url: RunnerUrl,
}

/// Sandboxes that a backend runs.
///
/// Nothing is kept here: a sandbox is named to the backend by the id that it answered, and by session and generation as
/// well. So a gateway that died before it wrote the id down still finds its sandbox at a backend that knows those, and a
/// `create-session` that is repeated there replaces the first one.
///
/// No call is repeated here. Whoever orders sandboxes does that, with pauses; the contract lets a start replace what an
/// earlier attempt left behind, and all other calls can be repeated without harm.
#[derive(Clone)]
pub struct HttpSandboxes {
    options: HttpSandboxOptions,
    client: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
}

/// What a backend says about a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// It lives, as far as the backend says anything.
    Alive,
    /// It is no more; how it ended.
    Gone(String),
}

impl HttpSandboxes {
    /// Sandboxes of that backend.
    #[must_use]
    pub fn new(options: HttpSandboxOptions, client: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self { options, client, clock }
    }

    /// Asks whether the backend is there and lets the gateway in.
    ///
    /// # Errors
    /// [`SandboxError`] says what is wrong and what to do.
    pub async fn check(&self) -> Result<(), SandboxError> {
        let nobody = SessionId::parse("portway-check").map_err(|error| SandboxError::Refused(error.to_string()))?;
        let answer = self.post(Label::Status, &Named::new(&SandboxRef::new(nobody, 0)), ASK).await?;
        let call = self.call(Label::Status);
        let refuses = matches!(answer.status, 401 | 403 | 405 | 408 | 429 | 300..=399 | 500..);
        match (is_contractual(&answer), is_success(answer.status)) {
            (true, _) if !refuses => Ok(()),
            (false, true) => Err(call.unreadable("it is no JSON object")),
            _ => Err(call.refused(&answer)),
        }
    }

    fn call(&self, label: Label) -> Call<'_> {
        Call { url: &self.options.url, label }
    }

    async fn post(&self, label: Label, body: &impl Serialize, limit: Duration) -> Result<HttpAnswer, SandboxError> {
        let body = serde_json::to_string(body)
            .map_err(|error| SandboxError::Refused(format!("the request cannot be written as JSON: {error}")))?;
        let request = HttpRequest {
            url: self.options.url.of(label.as_str()),
            token: self.options.token.clone(),
            body,
            max_answer_bytes: MAX_ANSWER,
        };
        tokio::select! {
            biased;
            answer = self.client.post(request) => answer.map_err(|error| self.call(label).unreachable(&error)),
            () = self.clock.sleep(limit) => Err(self.call(label).late(limit.as_secs())),
        }
    }

    async fn state(&self, sandbox: &SandboxRef, watch: Option<Duration>) -> Result<State, SandboxError> {
        let body = Named::new(sandbox);
        let (body, limit) = match watch {
            Some(watch) => (body.waiting(watch.as_secs()), ASK + watch),
            None => (body, ASK),
        };
        let answer = self.post(Label::Status, &body, limit).await?;
        // A backend that goes by ids alone knows no sandbox without one.
        let is_unknown = sandbox.id.is_none() && matches!(answer.status, 400 | 422);
        if is_gone(answer.status) || is_unknown {
            return Ok(State::Gone("the sandbox backend does not know it".to_owned()));
        }
        let status: Status = self.call(Label::Status).value(&answer)?;
        if GONE.iter().any(|gone| status.status.eq_ignore_ascii_case(gone)) {
            return Ok(State::Gone(words(status.detail.as_deref().unwrap_or(&status.status))));
        }
        Ok(State::Alive)
    }
}

#[async_trait]
impl Sandboxes for HttpSandboxes {
    async fn start(&self, order: SandboxOrder) -> Result<StartedSandbox, SandboxError> {
        let label = if order.snapshot.is_some() { Label::Restore } else { Label::Create };
        let answer = self.post(label, &Create::new(&order, &self.options.gateway_url), START).await?;
        let created: Created = self.call(label).value(&answer)?;
        let id = SandboxId::parse(created.sandbox_id.as_str());
        let id = id.map_err(|error| self.call(label).unreadable(&format!("sandboxId: {error}")))?;
        Ok(StartedSandbox { id: Some(id), urls: created.urls() })
    }

    async fn stop(&self, sandbox: &SandboxRef) -> Result<(), SandboxError> {
        let answer = self.post(Label::Terminate, &Named::new(sandbox), STOP).await?;
        let is_over = is_success(answer.status) || is_gone(answer.status);
        if is_over { Ok(()) } else { Err(self.call(Label::Terminate).refused(&answer)) }
    }

    async fn hibernate(&self, sandbox: &SandboxRef) -> Result<Option<SnapshotId>, SandboxError> {
        let answer = self.post(Label::Hibernate, &Named::new(sandbox), HIBERNATE).await?;
        if is_gone(answer.status) {
            return Ok(None);
        }
        let hibernated: Hibernated = self.call(Label::Hibernate).value(&answer)?;
        let snapshot = hibernated.snapshot_image_id.map(SnapshotId::parse).transpose();
        snapshot.map_err(|error| self.call(Label::Hibernate).unreadable(&format!("snapshotImageId: {error}")))
    }

    async fn delete_workspace(&self, session: &SessionId) -> Result<bool, SandboxError> {
        let answer = self.post(Label::DeleteWorkspace, &Workspace { session_id: session.as_str() }, STOP).await?;
        // Not every backend has a call for this, or keeps files that anybody could name.
        if matches!(answer.status, 404 | 405 | 501) {
            return Ok(false);
        }
        let deleted: Deleted = self.call(Label::DeleteWorkspace).value(&answer)?;
        Ok(deleted.deleted)
    }

    async fn is_alive(&self, sandbox: &SandboxRef) -> Result<bool, SandboxError> {
        Ok(self.state(sandbox, None).await? == State::Alive)
    }

    fn stay_with_node(&self) -> bool {
        false
    }

    async fn was_here(&self, _: &SandboxRef) -> bool {
        true
    }

    async fn ended(&self, sandbox: &SandboxRef) -> String {
        loop {
            let asked = self.clock.now();
            match self.state(sandbox, Some(WATCH)).await {
                Ok(State::Gone(how)) => return how,
                Ok(State::Alive) => {}
                // Whether it lives is not known; the runner's own connection tells meanwhile.
                Err(error) => tracing::debug!(session = %sandbox.session, %error, "a sandbox cannot be asked about"),
            }
            let rest = POLL.saturating_sub(self.clock.now().since(asked));
            if !rest.is_zero() {
                self.clock.sleep(rest).await;
            }
        }
    }
}
