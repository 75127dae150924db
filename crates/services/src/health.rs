//! Whether the gateway can do its work.

use std::time::Duration;

use portway_domain::time::Timestamp;

use crate::Services;
use crate::error::Error;

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

/// The last answer and when it was found.
#[derive(Default)]
pub(crate) struct LastProbe(tokio::sync::Mutex<Option<(Timestamp, Result<(), Error>)>>);

impl Services {
    /// Whether the store can be written and its schema is current. Callers that come at once share one answer, so
    /// asking often costs nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is wrong.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut last = self.last_probe.0.lock().await;
        let now = self.ports.clock.now();
        if let Some((at, answer)) = &*last
            && now.since(*at) < FRESH
        {
            return answer.clone();
        }
        let answer = self.ports.health.probe().await.map_err(Error::from);
        *last = Some((now, answer.clone()));
        answer
    }
}
