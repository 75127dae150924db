//! Asking the runner of a session something on behalf of somebody who waits.
//!
//! A request is a hint, and so is what the runner says to it: they reach a runner and clients of whichever node, and
//! nothing of them is kept. The node that was asked waits for the answer and tells it, or what went wrong, to everybody
//! who has the session open. So there is one answer to each request, in time, whatever happens to the runner and to its
//! node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portway_domain::engine::{Engine, Link, Notice, StatusNotice};
use portway_domain::ids::SessionId;
use portway_domain::runner_requests::{FailureCode, RunnerRequest, RunnerResponse};
use portway_ports::pubsub::{Delivery, Hint, Responded, RunnerAsked, Subscription, Topic};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::prompts::NewPrompt;
use crate::reverts::Reversion;
use crate::sessions::actor;
use crate::{Context, Services};

/// Most requests of one session that may be open at this node.
const MAX_OPEN: usize = 4;

/// How many requests are open, by session.
#[derive(Debug, Default)]
pub(crate) struct OpenRequests(Mutex<HashMap<SessionId, usize>>);

impl OpenRequests {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more, unless there are too many.
    fn open(self: &Arc<Self>, session: &SessionId) -> Option<OpenRequest> {
        let mut sessions = self.lock();
        let open = sessions.entry(session.clone()).or_default();
        if *open >= MAX_OPEN {
            return None;
        }
        *open += 1;
        Some(OpenRequest { all: Arc::clone(self), session: session.clone() })
    }
}

/// One that is open; it is until this is dropped.
struct OpenRequest {
    all: Arc<OpenRequests>,
    session: SessionId,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut sessions = self.all.lock();
        if let Some(open) = sessions.get_mut(&self.session) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                sessions.remove(&self.session);
            }
        }
    }
}

/// A request that was made.
struct Asked {
    context: Context,
    session: SessionId,
    asked: RunnerAsked,
    /// What the transcript loses when it is done.
    reversion: Option<Reversion>,
}

impl Services {
    /// Asks the session's runner something. What comes of it is told to everybody who has the session open, also that
    /// there is nobody to ask.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no session that the caller may ask in, or no such prompt to go back to;
    /// [`Error::Conflict`] when too much came after that prompt; [`Error::TooMany`] when too many requests of the session
    /// are open.
    pub async fn ask_runner(
        self: &Arc<Self>,
        context: &Context,
        id: &SessionId,
        request: RunnerRequest,
    ) -> Result<(), Error> {
        self.begin_request(context, id, request, None).await
    }

    /// The same for who waits for what comes of it. The answer is seen to also when nobody waits any more.
    ///
    /// # Errors
    /// As [`Services::ask_runner`].
    pub(crate) async fn ask_runner_and_wait(
        self: &Arc<Self>,
        context: &Context,
        id: &SessionId,
        request: RunnerRequest,
    ) -> Result<RunnerResponse, Error> {
        let (waits, answer) = oneshot::channel();
        self.begin_request(context, id, request, Some(waits)).await?;
        answer.await.map_err(|_| Error::Unavailable { message: "The gateway goes down".to_owned(), retry_after: 1 })
    }

    async fn begin_request(
        self: &Arc<Self>,
        context: &Context,
        id: &SessionId,
        request: RunnerRequest,
        waits: Option<oneshot::Sender<RunnerResponse>>,
    ) -> Result<(), Error> {
        context.token()?;
        // Before the state is read, so that no end of the connection is missed which is found there.
        let subscription = self.ports.pubsub.subscribe(&Topic::Session(id.clone())).await;
        let (principal, state) = self.acting(context, id).await?;
        let request_id = context.ids.clone().draw_text();
        let connection = match connection(&state.engine.value, &request) {
            Ok(connection) => connection,
            Err(response) => {
                self.respond(id, Responded { request_id, request, response }, waits);
                return Ok(());
            }
        };
        let reversion = match &request {
            RunnerRequest::Revert { prompt } => {
                Some(self.reversion(&state.engine.value, prompt, actor(&principal)).await?)
            }
            _ => None,
        };
        let open = self.open_requests.open(id).ok_or(Error::TooMany("Too many requests at once: wait for answers"))?;
        let asked = RunnerAsked { request_id, connection, request };
        let asked = Asked { context: context.clone(), session: id.clone(), asked, reversion };
        let services = Arc::clone(self);
        self.ports.spawner.spawn(Box::pin(async move {
            let hint = Hint::RunnerAsked(asked.asked.clone());
            services.ports.pubsub.publish(&Topic::Session(asked.session.clone()), hint);
            let response = services.wait_for_answer(&asked, subscription).await;
            let response = services.follow_up(&asked, response).await;
            drop(open);
            let RunnerAsked { request_id, request, .. } = asked.asked;
            services.respond(&asked.session, Responded { request_id, request, response }, waits);
        }));
        Ok(())
    }

    /// The session's runner answered a request.
    pub fn runner_answered(&self, id: &SessionId, request_id: String, response: RunnerResponse) {
        let hint = Hint::RunnerAnswered { request_id, response: response.bounded() };
        self.ports.pubsub.publish(&Topic::Session(id.clone()), hint);
    }

    fn respond(&self, id: &SessionId, responded: Responded, waits: Option<oneshot::Sender<RunnerResponse>>) {
        if let Some(waits) = waits {
            // Nobody waits any more if it cannot be sent.
            let _ = waits.send(responded.response.clone());
        }
        self.ports.pubsub.publish(&Topic::Session(id.clone()), Hint::Responded(responded));
    }

    async fn wait_for_answer(&self, asked: &Asked, subscription: Box<dyn Subscription>) -> RunnerResponse {
        let RunnerAsked { request, .. } = &asked.asked;
        let patience = request.patience();
        let response = tokio::select! {
            response = self.hear_answer(asked, subscription) => response,
            () = self.ports.clock.sleep(patience) => {
                let error = format!("The runner did not answer within {} s", patience.as_secs());
                RunnerResponse::failed(FailureCode::Unavailable, error)
            }
        };
        if response.answers(request) {
            return response;
        }
        RunnerResponse::failed(FailureCode::InternalError, "The runner answered something else than it was asked")
    }

    /// The answer, or that none can come any more.
    async fn hear_answer(&self, asked: &Asked, mut subscription: Box<dyn Subscription>) -> RunnerResponse {
        let RunnerAsked { request_id, connection, .. } = &asked.asked;
        loop {
            let may_be_gone = match subscription.next().await {
                Some(Delivery::Hint(hint)) => match &**hint {
                    Hint::RunnerAnswered { request_id: answered, response } if answered == request_id => {
                        return response.clone();
                    }
                    Hint::Session { notices, .. } => notices.iter().any(ends_connection),
                    _ => false,
                },
                Some(Delivery::Missed) => true,
                None => return gone(),
            };
            if may_be_gone && !self.is_connected_by(&asked.session, connection).await {
                return gone();
            }
        }
    }

    /// Whether the runner is still connected as it was. If that cannot be read, it counts as connected: time will tell.
    async fn is_connected_by(&self, id: &SessionId, connection: &str) -> bool {
        match self.ports.store.engine(id).await {
            Ok(Some((_, engine))) => held_by(&engine.value).is_some_and(|held| held == connection),
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// Does what an answer leaves to the gateway, and says what came of it.
    async fn follow_up(&self, asked: &Asked, response: RunnerResponse) -> RunnerResponse {
        match (response, &asked.reversion) {
            (RunnerResponse::Prompt { content }, _) => self.say_prompt(asked, content).await,
            (RunnerResponse::Done { .. }, Some(reversion)) => self.revert(&asked.session, reversion.clone()).await,
            (response, _) => self.note_closed_tunnel(&asked.session, &asked.asked.request, response).await,
        }
    }

    /// A command that the agent takes as a prompt is said on behalf of who asked for it.
    async fn say_prompt(&self, asked: &Asked, content: String) -> RunnerResponse {
        let moment = self.moment();
        let context = Context { now: moment.now, ids: moment.ids, ..asked.context.clone() };
        match self.prompt(&context, &asked.session, NewPrompt { content, ..NewPrompt::default() }).await {
            Ok(_) => RunnerResponse::Done { result: Some("The agent was told.".into()) },
            Err(error @ Error::Internal(_)) => {
                tracing::error!(session = %asked.session, %error, "a command could not be said to the agent");
                RunnerResponse::failed(FailureCode::InternalError, "The agent could not be told")
            }
            Err(error) => RunnerResponse::failed(FailureCode::Conflict, error.to_string()),
        }
    }
}

/// The connection of the runner that can be asked, or why there is none.
fn connection(engine: &Engine, request: &RunnerRequest) -> Result<String, RunnerResponse> {
    if engine.status.is_ended() {
        let error = format!("The session is {}: start a new one", engine.status.as_str());
        return Err(RunnerResponse::failed(FailureCode::NotAvailable, error));
    }
    let Some(connection) = held_by(engine) else {
        let error = "No runner is connected: say something to the agent, or wait until it is there";
        return Err(RunnerResponse::failed(FailureCode::Unavailable, error));
    };
    if request.needs_agent() && !engine.runner.ready {
        return Err(RunnerResponse::failed(FailureCode::Unavailable, "The agent is being started: try again"));
    }
    let is_busy = engine.turn.is_some() || !engine.queue.is_empty();
    if request.needs_rest() && is_busy {
        let error = "The agent is at work: wait for the end of the turn, or abort it";
        return Err(RunnerResponse::failed(FailureCode::Conflict, error));
    }
    Ok(connection.to_owned())
}

fn held_by(engine: &Engine) -> Option<&str> {
    match &engine.runner.link {
        Link::Connected { connection } => Some(connection),
        _ => None,
    }
}

/// Whether a connection of a runner may have ended.
fn ends_connection(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::RunnerReplaced { .. }
            | Notice::RunnerStop { .. }
            | Notice::Status(StatusNotice::RunnerDisconnected { .. } | StatusNotice::Lifecycle { .. })
    )
}

fn gone() -> RunnerResponse {
    RunnerResponse::failed(FailureCode::Unavailable, "The runner went away before it answered")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_requests_of_a_session_may_be_open() {
        let (all, session) = (Arc::<OpenRequests>::default(), SessionId::parse("s").unwrap());
        let mut open: Vec<_> = (0..MAX_OPEN).map(|_| all.open(&session).unwrap()).collect();
        assert!(all.open(&session).is_none());
        assert!(all.open(&SessionId::parse("other").unwrap()).is_some());
        open.pop();
        open.push(all.open(&session).unwrap());
        open.clear();
        assert!(all.lock().is_empty());
    }
}
