//! Asking sessions again when their deadlines pass.

use std::sync::Arc;
use std::time::Duration;

use portway_domain::engine::Event;
use portway_domain::ids::SessionId;
use portway_domain::time::Timestamp;

use crate::Services;
use crate::error::Error;

/// Most sessions that are asked per round.
const ROUND: u32 = 64;

/// How long the loop sleeps at the most.
const POLL: Duration = Duration::from_secs(5);

impl Services {
    /// Keeps the deadlines of all sessions, until it is dropped. Run one per node; several do no harm.
    pub async fn run_deadlines(self: Arc<Self>) {
        loop {
            let woken = self.new_work.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            match self.ask_due_sessions().await {
                Ok(0) => {
                    let next = self.ports.store.next_deadline().await.unwrap_or_default();
                    let least = Duration::from_millis(10);
                    let span = next.map_or(POLL, |at| at.since(self.ports.clock.now()).clamp(least, POLL));
                    // In a fixed order, as runs of the simulation have to be repeatable.
                    tokio::select! {
                        biased;
                        () = woken => {}
                        () = self.ports.clock.sleep(span) => {}
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "deadlines could not be kept");
                    self.ports.clock.sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Asks every session whose deadline has passed, once. Answers how many there were.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn ask_due_sessions(&self) -> Result<usize, Error> {
        let due = self.ports.store.due_sessions(self.ports.clock.now(), ROUND).await?;
        let count = due.len();
        for id in due {
            self.ask_session(&id).await?;
        }
        Ok(count)
    }

    /// Asks one session, and answers when it has to be asked again.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the session does not exist, or the store's failure.
    pub async fn ask_session(&self, id: &SessionId) -> Result<Option<Timestamp>, Error> {
        let stepped = self.apply(id, vec![Event::Due], Vec::new(), self.moment()).await?;
        Ok(stepped.engine.next_deadline())
    }
}
