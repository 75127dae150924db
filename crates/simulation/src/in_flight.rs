//! Requests that are going on, for as long as they can take effect.

use std::sync::Arc;

use portway_domain::ids::{MessageId, SessionId};

use crate::simulation::Simulation;

/// Lives as long as the task that carries the request out.
pub(crate) struct InFlight {
    simulation: Arc<Simulation>,
    what: What,
}

enum What {
    Opening,
    Dropping(SessionId),
    Withdrawing(MessageId),
}

impl InFlight {
    pub(crate) fn opening(simulation: &Arc<Simulation>) -> Self {
        Self::begin(simulation, What::Opening)
    }

    /// The prompts that wait in the session may be dropped.
    pub(crate) fn dropping(simulation: &Arc<Simulation>, session: &SessionId) -> Self {
        Self::begin(simulation, What::Dropping(session.clone()))
    }

    pub(crate) fn withdrawing(simulation: &Arc<Simulation>, prompt: &MessageId) -> Self {
        Self::begin(simulation, What::Withdrawing(prompt.clone()))
    }

    fn begin(simulation: &Arc<Simulation>, what: What) -> Self {
        let request = Self { simulation: simulation.clone(), what };
        request.count(|count| *count += 1);
        request
    }

    fn count(&self, change: impl FnOnce(&mut u32)) {
        self.simulation.ledger(|ledger| match &self.what {
            What::Opening => change(&mut ledger.opening),
            What::Dropping(session) => change(ledger.dropping.entry(session.clone()).or_default()),
            What::Withdrawing(prompt) => change(ledger.withdrawing.entry(prompt.clone()).or_default()),
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.count(|count| *count = count.saturating_sub(1));
    }
}
