//! Doing the durable work: starting sandboxes, putting them away, stopping them; what sessions tell each other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portway_domain::engine::{Event, Link};
use portway_domain::ids::{SandboxId, SessionId};
use portway_domain::jobs::{Job, LEASE, MAX_ATTEMPTS, Work, backoff};
use portway_domain::text::keepable;
use portway_domain::tokens::TokenSecret;
use portway_ports::commit::{ChangeSet, Write};
use portway_ports::sandboxes::{SandboxError, SandboxOrder, SandboxRef, StartedSandbox};
use tokio::sync::oneshot;

use crate::Services;
use crate::error::Error;

/// Most jobs that are claimed at once.
const CLAIM: u32 = 16;

/// How long the loop sleeps at the most: work that another node left behind is found after that time.
const POLL: Duration = Duration::from_secs(5);

/// The same where other nodes order work that only this one can do.
const SHARED_POLL: Duration = Duration::from_secs(1);

impl Services {
    /// Does jobs as they come, until it is dropped. Run one per node.
    pub async fn run_jobs(self: Arc<Self>) {
        loop {
            let woken = self.new_work.notified();
            tokio::pin!(woken);
            // Registered before looking, so that work which is added while looking is not slept through.
            woken.as_mut().enable();
            match self.start_due_jobs().await {
                Ok(0) => self.wait_for_work(woken).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "jobs could not be claimed");
                    self.ports.clock.sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn wait_for_work(&self, woken: impl Future<Output = ()>) {
        let next = self.ports.store.next_job_at(&self.node, self.ports.clock.now()).await.unwrap_or_default();
        let poll = if self.is_shared.load(Ordering::Relaxed) { SHARED_POLL } else { POLL };
        let span = next.map_or(poll, |at| at.since(self.ports.clock.now()).clamp(Duration::from_millis(10), poll));
        // In a fixed order, as runs of the simulation have to be repeatable.
        tokio::select! {
            biased;
            () = woken => {}
            () = self.ports.clock.sleep(span) => {}
        }
    }

    /// Starts the jobs that are due, each on a task of its own, and answers how many those were. It is one round of
    /// [`Services::run_jobs`], for a host that is called now and then and runs no loop.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn start_due_jobs(self: &Arc<Self>) -> Result<usize, Error> {
        let (told, answer) = oneshot::channel();
        let services = self.clone();
        // On a task of its own, because callers are dropped when their host stops: jobs that were claimed and never begun
        // would lie there until their leases run out.
        self.ports.spawner.spawn(Box::pin(async move {
            let _ = told.send(services.claim_and_start_jobs().await);
        }));
        answer.await.unwrap_or_else(|_| Err(Error::Internal("nobody claims jobs any more".to_owned())))
    }

    async fn claim_and_start_jobs(self: &Arc<Self>) -> Result<usize, Error> {
        let now = self.ports.clock.now();
        let jobs = self.ports.store.claim_jobs(&self.node, now, now.plus(LEASE), CLAIM).await?;
        let count = jobs.len();
        self.counters.claimed(count);
        for job in jobs {
            let services = self.clone();
            self.ports.spawner.spawn(Box::pin(async move { services.run_job(job).await }));
        }
        Ok(count)
    }

    async fn run_job(self: Arc<Self>, job: Job) {
        let result = match &job.work {
            Work::StartSandbox { session, generation } => self.start_sandbox(&job, session, *generation).await,
            Work::HibernateSandbox { session, generation, sandbox } => {
                self.hibernate_sandbox(&job, &reference(session, *generation, sandbox)).await
            }
            Work::StopSandbox { session, generation, sandbox } => {
                self.stop_sandbox(&job, &reference(session, *generation, sandbox)).await
            }
            Work::TellParent { parent, child, event } => self.notify_parent(&job, parent, child, event).await,
            Work::StopChildren { session } => self.stop_children(&job, session).await,
            Work::DeleteSession { session } => self.delete_session(&job, session).await,
        };
        if let Err(error) = result {
            tracing::error!(job = %job.id, attempt = job.attempts, %error, "a job failed");
            self.counters.retried();
            self.retry(&job, &error.to_string()).await;
        }
    }

    async fn start_sandbox(self: &Arc<Self>, job: &Job, id: &SessionId, generation: u32) -> Result<(), Error> {
        // An earlier attempt got that far and could not say so. Its runner has the secret that is stored: starting another
        // one would end it, which looks like the loss of the sandbox.
        match self.ports.sandboxes.is_alive(&SandboxRef::new(id.clone(), generation)).await {
            Ok(true) => return self.sandbox_started(job, id, generation, StartedSandbox::default()).await,
            Ok(false) => {}
            Err(error) => return self.sandbox_not_started(job, id, generation, error).await,
        }
        let token = TokenSecret::runner(self.ports.entropy.draw());
        let prepared = Event::SandboxPrepared { generation, node: self.node.clone(), token: token.hash() };
        let is_wanted = match self.apply(id, vec![prepared], Vec::new(), self.moment()).await {
            Ok(stepped) => stepped.refused.is_none() && stepped.engine.runner.generation == generation,
            Err(Error::NotFound { .. }) => false,
            Err(error) => return Err(error),
        };
        if !is_wanted {
            return self.complete(job).await;
        }
        match self.order_sandbox(id, generation, token).await? {
            Ok(started) => self.sandbox_started(job, id, generation, started).await,
            Err(error) => self.sandbox_not_started(job, id, generation, error).await,
        }
    }

    async fn sandbox_not_started(
        &self,
        job: &Job,
        id: &SessionId,
        generation: u32,
        error: SandboxError,
    ) -> Result<(), Error> {
        if let SandboxError::Unavailable(reason) = &error
            && self.has_time_for_another_start(job, id).await?
        {
            return Err(Error::Unavailable { message: reason.clone(), retry_after: 1 });
        }
        self.counters.failed();
        let event = Event::SandboxFailed { generation, node: self.node.clone(), error: error.to_string() };
        self.tell_of_sandbox(job, &SandboxRef::new(id.clone(), generation), event).await
    }

    /// Tells a session what became of the start of a sandbox, and completes the job. That is not one change: what became
    /// of it is true, and has to be told, whoever has the job by now.
    async fn tell_of_sandbox(&self, job: &Job, sandbox: &SandboxRef, event: Event) -> Result<(), Error> {
        match self.apply(&sandbox.session, vec![event], Vec::new(), self.moment()).await {
            Ok(_) => self.complete(job).await,
            // The session was deleted meanwhile.
            Err(Error::NotFound { .. }) => self.stop_sandbox(job, sandbox).await,
            Err(error) => Err(error),
        }
    }

    /// Whether the next attempt comes before the session gives up, which it would do without knowing what is wrong.
    async fn has_time_for_another_start(&self, job: &Job, id: &SessionId) -> Result<bool, Error> {
        let engine = self.ports.store.engine(id).await?.map(|(_, engine)| engine.value);
        let next = self.ports.clock.now().plus(backoff(job.attempts));
        let in_time =
            engine.is_some_and(|engine| matches!(engine.runner.link, Link::Starting { deadline } if next < deadline));
        Ok(in_time && job.attempts < MAX_ATTEMPTS)
    }

    async fn sandbox_started(
        self: &Arc<Self>,
        job: &Job,
        id: &SessionId,
        generation: u32,
        started: StartedSandbox,
    ) -> Result<(), Error> {
        let StartedSandbox { id: sandbox, urls } = started;
        let event = Event::SandboxStarted { generation, node: self.node.clone(), sandbox: sandbox.clone(), urls };
        let sandbox = reference(id, generation, &sandbox);
        self.tell_of_sandbox(job, &sandbox, event).await?;
        self.watch_sandbox(sandbox);
        if self.is_leaving.load(Ordering::SeqCst) {
            self.apply(id, vec![Event::SandboxRetired], Vec::new(), self.moment()).await?;
        }
        Ok(())
    }

    async fn order_sandbox(
        &self,
        id: &SessionId,
        generation: u32,
        token: TokenSecret,
    ) -> Result<Result<StartedSandbox, SandboxError>, Error> {
        let Some((session, engine)) = self.ports.store.engine(id).await? else {
            return Ok(Err(SandboxError::Refused("the session is gone".to_owned())));
        };
        let Some(agent) = self.options.agents.get(&session.agent) else {
            let text = format!("the agent '{}' is no longer configured", session.agent);
            return Ok(Err(SandboxError::Refused(text)));
        };
        let order = SandboxOrder {
            session: id.clone(),
            owner: engine.value.owner,
            generation,
            agent_name: session.agent,
            agent: agent.clone(),
            directory: session.directory,
            token,
            key: self.sandbox_root_key.as_ref().map(|root| root.of_session(id)),
            agent_session: engine.value.runner.agent_session,
            snapshot: engine.value.runner.snapshot,
        };
        Ok(self.ports.sandboxes.start(order).await)
    }

    async fn hibernate_sandbox(&self, job: &Job, sandbox: &SandboxRef) -> Result<(), Error> {
        let generation = sandbox.generation;
        let event = match self.ports.sandboxes.hibernate(sandbox).await {
            Ok(snapshot) => Event::SandboxPutAway { generation, snapshot },
            Err(SandboxError::Unavailable(reason)) if job.attempts < MAX_ATTEMPTS => {
                return Err(Error::Unavailable { message: reason, retry_after: 1 });
            }
            Err(error) => {
                self.counters.failed();
                Event::SandboxFailed { generation, node: self.node.clone(), error: error.to_string() }
            }
        };
        self.apply_and_complete(job, &sandbox.session, event).await
    }

    async fn stop_sandbox(&self, job: &Job, sandbox: &SandboxRef) -> Result<(), Error> {
        match self.ports.sandboxes.stop(sandbox).await {
            Ok(()) => self.complete(job).await,
            Err(error) => Err(Error::Unavailable { message: error.to_string(), retry_after: 1 }),
        }
    }

    /// Tells a session what came of a job; one that is gone need not know.
    pub(crate) async fn apply_and_complete(&self, job: &Job, id: &SessionId, event: Event) -> Result<(), Error> {
        match self.apply(id, vec![event], vec![completion(job)], self.moment()).await {
            Ok(_) => Ok(()),
            Err(Error::NotFound { .. }) => self.complete(job).await,
            Err(error) => Err(error),
        }
    }

    /// Tells the session when its sandbox is no more.
    pub(crate) fn watch_sandbox(self: &Arc<Self>, sandbox: SandboxRef) {
        if !self.ports.sandboxes.are_watched() {
            return;
        }
        let services = self.clone();
        self.ports.spawner.spawn(Box::pin(async move {
            let detail = services.ports.sandboxes.ended(&sandbox).await;
            services.sandbox_gone(&sandbox.session, sandbox.generation, detail).await;
        }));
    }

    /// Records the end of a sandbox, for as long as it takes: a session must not wait for a runner that is gone.
    pub(crate) async fn sandbox_gone(&self, id: &SessionId, generation: u32, detail: String) {
        loop {
            let event = Event::SandboxGone { generation, detail: detail.clone() };
            match self.apply(id, vec![event], Vec::new(), self.moment()).await {
                Ok(_) | Err(Error::NotFound { .. }) => return,
                Err(error) => {
                    tracing::error!(session = %id, generation, %error, "the end of a sandbox could not be recorded");
                    self.ports.clock.sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    pub(crate) async fn complete(&self, job: &Job) -> Result<(), Error> {
        // A conflict means that the lease ran out and somebody else has the job now.
        self.commit(ChangeSet::new().with(completion(job))).await?;
        Ok(())
    }

    async fn retry(&self, job: &Job, error: &str) {
        let run_at = self.ports.clock.now().plus(backoff(job.attempts));
        let write =
            Write::RetryJob { id: job.id.clone(), attempts: job.attempts, run_at, error: keepable(error).into_owned() };
        if let Err(error) = self.commit(ChangeSet::new().with(write)).await {
            tracing::error!(job = %job.id, %error, "a failed job could not be put back; its lease will run out");
        }
        // The loop sleeps until the next job is due, and did not know of this one.
        self.new_work.notify_waiters();
    }
}

fn reference(session: &SessionId, generation: u32, id: &Option<SandboxId>) -> SandboxRef {
    SandboxRef { session: session.clone(), generation, id: id.clone() }
}

pub(crate) fn completion(job: &Job) -> Write {
    Write::CompleteJob { id: job.id.clone(), attempts: job.attempts }
}
