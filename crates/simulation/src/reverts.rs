//! Prompts that are taken back: people ask for it, and runners say whether the agent went back.

use std::sync::Arc;

use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::MessageRole;
use portway_domain::runner_requests::{FailureCode, RunnerRequest, RunnerResponse};

use crate::ledger::Ledger;
use crate::requests::{Outcome, Person, call};
use crate::simulation::Simulation;

impl Person {
    /// Asks the agent to go back to before a prompt.
    pub(crate) async fn revert(&self, session: &SessionId) {
        let prompts = self.prompts(session).await;
        let Some(prompt) = self.simulation.draw(|random| random.pick(&prompts).cloned()) else {
            return;
        };
        let (id, request) = (session.clone(), RunnerRequest::Revert { prompt: prompt.clone() });
        let asking = Asking { simulation: self.simulation.clone(), session: session.clone() };
        let outcome = self
            .collaborate(call(move |services, context| async move {
                let _asking = asking;
                services.ask_runner(&context, &id, request).await
            }))
            .await;
        self.simulation.note(format_args!("person {} goes back to {prompt}: {outcome:?}", self.number));
    }

    /// What people said in a session, as a person sees it.
    async fn prompts(&self, session: &SessionId) -> Vec<MessageId> {
        let id = session.clone();
        let look = call(move |services, context| async move {
            services.transcript(&context, &id).await.map(|(_, transcript)| transcript.messages)
        });
        let Outcome::Done(messages) = self.collaborate(look).await else {
            return Vec::new();
        };
        let said = messages.into_iter().filter(|message| message.role == MessageRole::User);
        said.map(|message| message.id).collect()
    }
}

/// Lives until the request was made: what is said later is not taken back.
struct Asking {
    simulation: Arc<Simulation>,
    session: SessionId,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.simulation.ledger(|ledger| ledger.may_be_taken_back(&self.session));
    }
}

impl Ledger {
    /// All that was said so far in a session may be taken back from now on.
    fn may_be_taken_back(&mut self, session: &SessionId) {
        let said = self.said.iter().filter(|(_, in_session)| *in_session == session).map(|(text, _)| text.clone());
        self.taken_back.entry(session.clone()).or_default().extend(said);
    }

    /// Whether somebody asked to take something back in a session.
    pub(crate) fn was_asked_to_revert(&self, session: &SessionId) -> bool {
        self.taken_back.contains_key(session)
    }
}

/// What a runner says to a request, if it says anything.
pub(crate) fn answer(simulation: &Simulation) -> Option<RunnerResponse> {
    match simulation.draw(|random| random.below(10)) {
        0 => None,
        1 => Some(RunnerResponse::failed(FailureCode::InternalError, "the agent does not want to")),
        _ => {
            simulation.ledger(|ledger| ledger.counts.reverts += 1);
            Some(RunnerResponse::Done { result: None })
        }
    }
}
