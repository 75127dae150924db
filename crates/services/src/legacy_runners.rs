//! The side of a session that a runner of earlier gateways sees.
//!
//! Such a runner numbers nothing and acknowledges nothing. What it says is numbered here, from the very state that it is
//! applied to, so the engine treats it like what any runner reports. What a connection said that was not durable when the
//! gateway went down is lost with it: that much less is promised.

use std::borrow::Cow;

use portway_domain::channels::Channel;
use portway_domain::engine::{Actor, Engine, Event, HIBERNATES, Link, RunnerHello, RunnerReport};
use portway_domain::ids::{MessageId, SessionId, UserId};
use portway_domain::sessions::{MAX_TITLE_CHARS, SessionStatus};
use portway_domain::tokens::TokenHash;
use portway_domain::users::User;

use crate::Services;
use crate::error::Error;
use crate::runners::{RunnerError, admit};
use crate::steps::Stepped;

/// The turn that a connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownTurn {
    /// The runner goes on with it, as far as anybody can tell.
    Kept,
    /// The runner knows nothing of it: if it was taken over, it is over.
    Lost,
}

/// What goes with a prompt besides its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptOrigin {
    /// Who said it, if it is known.
    pub author: Option<User>,
    /// The models that the session's owner prefers, best first.
    pub model_preferences: Vec<String>,
    /// Where it came from, if not from a client of the gateway.
    pub channel: Option<Channel>,
}

impl Services {
    /// A runner connected without a hello. Answers the state after that, which says what it was told before. May be
    /// called again for the same connection.
    ///
    /// # Errors
    /// [`RunnerError::Stale`] when it must end.
    pub async fn legacy_runner_connected(
        &self,
        id: &SessionId,
        token: &TokenHash,
        connection: &str,
        turn: KnownTurn,
    ) -> Result<Engine, RunnerError> {
        let hello = |engine: &Engine| {
            admit(engine, token)?;
            let runner = &engine.runner;
            let hello = RunnerHello {
                generation: runner.generation,
                connection: connection.to_owned(),
                last_command: runner.taken_command,
                last_frame: runner.last_frame,
                turn: engine.turn.as_ref().filter(|_| turn == KnownTurn::Kept).map(|turn| turn.prompt.clone()),
            };
            Ok(Cow::Owned(vec![Event::RunnerConnected(hello)]))
        };
        applied(self.apply_made(id, hello, Vec::new(), self.moment()).await)
    }

    /// A runner reported over its connection, in order, and took over the commands up to `taken`.
    ///
    /// # Errors
    /// [`RunnerError::Reconnect`] when the connection was taken for lost and has to be announced again;
    /// [`RunnerError::Replaced`] when a newer one took its place; [`RunnerError::Stale`] when it must end.
    pub async fn legacy_runner_reported(
        &self,
        id: &SessionId,
        connection: &str,
        taken: u64,
        reports: &[RunnerReport],
    ) -> Result<(), RunnerError> {
        let events = |engine: &Engine| {
            is_present(engine, connection)?;
            let runner = &engine.runner;
            let generation = runner.generation;
            let taken = (taken > runner.taken_command).then_some(Event::CommandsTaken { generation, command: taken });
            let numbered = (runner.last_frame.saturating_add(1)..).zip(reports.iter().cloned());
            let reports = numbered.map(|(frame, report)| Event::Reported { generation, frame, report });
            Ok(Cow::Owned(taken.into_iter().chain(reports).collect()))
        };
        applied(self.apply_made(id, events, Vec::new(), self.moment()).await).map(drop)
    }

    /// A runner gave its session a title over its connection. One that cannot be a title is ignored.
    ///
    /// # Errors
    /// As [`Services::legacy_runner_reported`].
    pub async fn runner_titled(&self, id: &SessionId, connection: &str, title: String) -> Result<(), RunnerError> {
        let length = title.chars().count();
        if !(1..=MAX_TITLE_CHARS).contains(&length) || title.contains('\0') {
            return Ok(());
        }
        let renamed = |engine: &Engine| {
            is_present(engine, connection)?;
            Ok(Cow::Owned(vec![Event::Renamed { title: title.clone() }]))
        };
        applied(self.apply_made(id, renamed, Vec::new(), self.moment()).await).map(drop)
    }

    /// A runner says over its connection that its session is done.
    ///
    /// # Errors
    /// As [`Services::legacy_runner_reported`].
    pub async fn runner_finished(&self, id: &SessionId, connection: &str) -> Result<(), RunnerError> {
        let terminated = |engine: &Engine| {
            is_present(engine, connection)?;
            let by = Actor { user: engine.owner.clone(), name: "The agent".to_owned() };
            Ok(Cow::Owned(vec![Event::Terminated { by }]))
        };
        applied(self.apply_made(id, terminated, Vec::new(), self.moment()).await).map(drop)
    }

    /// What goes with the prompt of the present turn.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn prompt_origin(&self, id: &SessionId, prompt: &MessageId) -> Result<PromptOrigin, Error> {
        let Some((_, engine)) = self.ports.store.engine(id).await? else {
            return Ok(PromptOrigin::default());
        };
        let engine = engine.value;
        let queued = engine.turn.filter(|turn| turn.prompt == *prompt).map(|turn| turn.queued);
        let (author, channel): (Option<UserId>, _) =
            queued.map(|queued| (queued.author, queued.channel)).unwrap_or_default();
        let owner = self.ports.store.user(&engine.owner).await?;
        let model_preferences = owner.as_ref().map(|owner| owner.model_preferences.clone()).unwrap_or_default();
        let author = match author {
            Some(author) if author == engine.owner => owner,
            Some(author) => self.ports.store.user(&author).await?,
            None => None,
        };
        Ok(PromptOrigin { author, model_preferences, channel })
    }
}

/// Whether what comes over a connection counts: not when a newer one took its place, or when the runner is no longer
/// wanted.
pub(crate) fn is_present(engine: &Engine, connection: &str) -> Result<(), Error> {
    match &engine.runner.link {
        Link::Connected { connection: held } if held == connection => Ok(()),
        Link::Lost { .. } => Err(Error::Conflict("this connection was taken for lost".to_owned())),
        Link::Connected { .. } => Err(Error::Forbidden("a newer connection took its place")),
        // What it reports may overtake the word that it is to stop, which would have said why.
        _ if matches!(engine.status, SessionStatus::Hibernating | SessionStatus::Hibernated) => {
            Err(Error::SessionEnded { status: engine.status.as_str() })
        }
        _ => Err(Error::Unauthorized),
    }
}

pub(crate) fn applied(stepped: Result<Stepped, Error>) -> Result<Engine, RunnerError> {
    match stepped {
        Ok(Stepped { refused: Some(refusal), .. }) => Err(refusal.into()),
        Ok(Stepped { engine, .. }) => Ok(engine),
        Err(Error::SessionEnded { .. }) => Err(RunnerError::Stale(HIBERNATES.to_owned())),
        Err(Error::Unauthorized) => Err(RunnerError::Stale("This runner is no longer wanted".to_owned())),
        Err(Error::Forbidden(_)) => Err(RunnerError::Replaced),
        Err(Error::Conflict(reason)) => Err(RunnerError::Reconnect(reason)),
        Err(error) => Err(error.into()),
    }
}
