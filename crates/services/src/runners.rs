//! The runner's side of a session.

use std::sync::Arc;
use std::time::Duration;

use portway_domain::engine::{Engine, Event, Link, Refusal, RunnerHello, RunnerReport};
use portway_domain::ids::SessionId;
use portway_domain::tokens::TokenHash;
use portway_ports::sessions::PendingCommand;

use crate::Services;
use crate::error::Error;
use crate::recovery::sandbox_of;

/// Most commands that are read at once for a runner.
const COMMAND_PAGE: u32 = 64;

/// Why a runner cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// It is not wanted any more and must end.
    #[error("{0}")]
    Stale(String),
    /// A newer connection took its place.
    #[error("a newer connection took the place of this one")]
    Replaced,
    /// It must connect again, and send again what was not acknowledged.
    #[error("{0}")]
    Reconnect(String),
    /// The gateway cannot serve it at the moment.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<Refusal> for RunnerError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Gap(_) => Self::Reconnect(refusal.to_string()),
            _ => Self::Stale(refusal.to_string()),
        }
    }
}

impl Services {
    /// Whether `token` is the secret of the session's present runner.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when it is not, which includes sessions that do not exist or have no sandbox.
    pub async fn admit_runner(&self, id: &SessionId, token: &TokenHash) -> Result<(), Error> {
        let (_, engine) = self.ports.store.engine(id).await?.ok_or(Error::Unauthorized)?;
        admit(&engine.value, token)
    }

    /// A runner said hello. Answers the last report that is durable: it goes on after it. Its secret is checked again, in
    /// the very state that the hello is applied to: another runner may have been prepared since it was let in.
    ///
    /// # Errors
    /// [`RunnerError::Stale`] when it must end.
    pub async fn runner_connected(
        &self,
        id: &SessionId,
        token: &TokenHash,
        hello: RunnerHello,
    ) -> Result<u64, RunnerError> {
        let events = vec![Event::RunnerConnected(hello)];
        let stepped = self.apply_if(id, |engine| admit(engine, token), events, Vec::new(), self.moment()).await;
        let stepped = stepped.map_err(|error| match error {
            Error::Unauthorized => RunnerError::from(Refusal::StaleRunner),
            error => error.into(),
        })?;
        match stepped.refused {
            Some(refusal) => Err(refusal.into()),
            None => Ok(stepped.engine.runner.last_frame),
        }
    }

    /// A runner reported, in order. Answers the number up to which everything is durable; also when later reports were
    /// refused, which the next call or connection will show.
    ///
    /// # Errors
    /// [`RunnerError::Stale`] when it must end; [`RunnerError::Reconnect`] when reports are missing.
    pub async fn runner_reported(
        &self,
        id: &SessionId,
        generation: u32,
        reports: Vec<(u64, RunnerReport)>,
    ) -> Result<u64, RunnerError> {
        let events = reports.into_iter().map(|(frame, report)| Event::Reported { generation, frame, report }).collect();
        let stepped = self.apply(id, events, Vec::new(), self.moment()).await?;
        match stepped.refused {
            Some(refusal) => Err(refusal.into()),
            None => Ok(stepped.engine.runner.last_frame),
        }
    }

    /// A runner took over all commands up to `number`.
    ///
    /// # Errors
    /// [`RunnerError::Stale`] when it must end.
    pub async fn commands_taken(&self, id: &SessionId, generation: u32, number: u64) -> Result<(), RunnerError> {
        let event = Event::CommandsTaken { generation, command: number };
        let stepped = self.apply(id, vec![event], Vec::new(), self.moment()).await?;
        stepped.refused.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// Commands after `after` that the runner has not taken over, in order; at most a page of them.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn pending_commands(
        &self,
        id: &SessionId,
        generation: u32,
        after: u64,
    ) -> Result<Vec<PendingCommand>, Error> {
        Ok(self.ports.store.pending_commands(id, generation, after, COMMAND_PAGE).await?)
    }

    /// A connection of a runner was lost.
    pub async fn runner_disconnected(self: &Arc<Self>, id: &SessionId, generation: u32, connection: String) {
        let event = Event::RunnerDisconnected { generation, connection };
        match self.apply(id, vec![event], Vec::new(), self.moment()).await {
            Ok(stepped) => self.ask_while_lost(&stepped.engine),
            Err(error) => {
                tracing::warn!(session = %id, generation, %error, "the loss of a runner's connection could not be recorded");
            }
        }
    }

    /// The host has lost whatever connections the session had: its runner has so long to come back by itself, and counts as
    /// disconnected after that.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn await_runner(self: &Arc<Self>, id: &SessionId, patience: Duration) -> Result<(), Error> {
        let Some((_, engine)) = self.ports.store.engine(id).await? else { return Ok(()) };
        let Link::Connected { connection } = engine.value.runner.link else { return Ok(()) };
        self.ports.clock.sleep(patience).await;
        self.runner_disconnected(id, engine.value.runner.generation, connection).await;
        Ok(())
    }

    /// Asks about a sandbox whose runner is away, for as long as that may be.
    fn ask_while_lost(self: &Arc<Self>, engine: &Engine) {
        let Link::Lost { deadline } = engine.runner.link else { return };
        if self.ports.sandboxes.are_watched() {
            return;
        }
        let (services, sandbox) = (self.clone(), sandbox_of(engine));
        self.ports.spawner.spawn(Box::pin(async move {
            let clock = &services.ports.clock;
            let detail = tokio::select! {
                detail = services.ports.sandboxes.ended(&sandbox) => detail,
                () = clock.sleep(deadline.since(clock.now())) => return,
            };
            services.sandbox_gone(&sandbox.session, sandbox.generation, detail).await;
        }));
    }
}

/// Whether `token` is the secret of the session's present runner.
pub(crate) fn admit(engine: &Engine, token: &TokenHash) -> Result<(), Error> {
    let right = engine.runner.token.as_ref().is_some_and(|wanted| wanted.matches(token));
    if right && engine.has_sandbox() && !engine.status.is_ended() { Ok(()) } else { Err(Error::Unauthorized) }
}
