//! How much there is and how much was done, for whoever watches over the gateway.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portway_domain::ids::SessionId;
use portway_domain::sessions::SessionStatus;
use portway_domain::time::Timestamp;
use portway_ports::StoreError;
use portway_ports::commit::{ChangeSet, Commit};

use crate::Services;
use crate::error::Error;

/// How long a census is good for: it reads more than one request should.
const FRESH: Duration = Duration::from_secs(5);

/// Engines read at once.
const PAGE: u32 = 100;

/// What this process did since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Change sets that were committed.
    pub commits: u64,
    /// Change sets that lost a race and were not.
    pub conflicts: u64,
    /// Jobs that were claimed, each attempt anew.
    pub jobs_claimed: u64,
    /// Jobs whose attempt failed and that were put back for another.
    pub jobs_retried: u64,
    /// Jobs that were given up.
    pub jobs_failed: u64,
}

/// What is in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// How many sessions there are of each status; statuses without any are missing.
    pub sessions: Vec<(SessionStatus, u64)>,
    /// Turns that agents work on.
    pub turns: u64,
    /// Prompts that wait.
    pub queued_prompts: u64,
}

/// Only the single numbers have to be right, so no ordering with other memory is needed.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    conflicts: AtomicU64,
    jobs_claimed: AtomicU64,
    jobs_retried: AtomicU64,
    jobs_failed: AtomicU64,
}

impl Counters {
    pub(crate) fn claimed(&self, jobs: usize) {
        self.jobs_claimed.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.jobs_retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.jobs_failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// The last census and when it was taken.
#[derive(Default)]
pub(crate) struct LastCensus(tokio::sync::Mutex<Option<(Timestamp, Census)>>);

impl Services {
    /// What this process did since it started. Costs nothing.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            commits: value(&self.counters.commits),
            conflicts: value(&self.counters.conflicts),
            jobs_claimed: value(&self.counters.jobs_claimed),
            jobs_retried: value(&self.counters.jobs_retried),
            jobs_failed: value(&self.counters.jobs_failed),
        }
    }

    /// What is in the store, at most five seconds old. Callers that come at once share one answer.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn census(&self) -> Result<Census, Error> {
        let mut last = self.last_census.0.lock().await;
        let now = self.ports.clock.now();
        if let Some((at, census)) = &*last
            && now.since(*at) < FRESH
        {
            return Ok(census.clone());
        }
        let census = self.take_census().await?;
        *last = Some((now, census.clone()));
        Ok(census)
    }

    async fn take_census(&self) -> Result<Census, Error> {
        let store = &self.ports.store;
        let mut census = Census { sessions: store.count_sessions().await?, ..Census::default() };
        let mut last: Option<SessionId> = None;
        loop {
            let page = store.engines_with_sandbox(last.as_ref(), PAGE).await?;
            for engine in &page {
                census.turns += u64::from(engine.turn.is_some());
                census.queued_prompts += engine.queue.len() as u64;
            }
            match page.into_iter().next_back() {
                Some(end) => last = Some(end.session),
                None => return Ok(census),
            }
        }
    }

    /// Writes a change set, and counts it.
    pub(crate) async fn commit(&self, set: ChangeSet) -> Result<Commit, StoreError> {
        let outcome = self.ports.store.commit(set).await;
        let counter = match &outcome {
            Ok(Commit::Done) => &self.counters.commits,
            Ok(Commit::Conflict { .. }) => &self.counters.conflicts,
            Err(_) => return outcome,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }
}
