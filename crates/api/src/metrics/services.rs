//! What the services tell.

use async_trait::async_trait;
use portway_domain::sessions::SessionStatus;
use portway_services::Services;
use portway_services::metrics::{Census, Totals};

use super::{Metric, MetricsSource};

#[async_trait]
impl MetricsSource for Services {
    async fn metrics(&self) -> Vec<Metric> {
        let mut metrics = done(self.totals());
        match self.census().await {
            Ok(census) => metrics.extend(there(&census)),
            Err(error) => tracing::warn!(%error, "sessions could not be counted for the metrics"),
        }
        metrics
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
fn number(count: u64) -> f64 {
    count as f64
}

fn done(totals: Totals) -> Vec<Metric> {
    let counter = |name, help, count| Metric::counter(name, help, number(count));
    vec![
        counter("commits", "Change sets that were committed", totals.commits),
        counter("commit_conflicts", "Change sets that lost a race", totals.conflicts),
        counter("jobs_claimed", "Attempts at jobs", totals.jobs_claimed),
        counter("jobs_retried", "Attempts at jobs that failed and are repeated", totals.jobs_retried),
        counter("jobs_failed", "Jobs that were given up", totals.jobs_failed),
    ]
}

fn there(census: &Census) -> Vec<Metric> {
    let count = |status| census.sessions.iter().find(|(found, _)| *found == status).map_or(0, |(_, count)| *count);
    let sessions = SessionStatus::ALL.map(|status| (status.as_str(), number(count(status))));
    vec![
        Metric::gauge("sessions", "Sessions by status", 0.0).by("status", sessions.to_vec()),
        Metric::gauge("turns_running", "Turns that agents work on", number(census.turns)),
        Metric::gauge("prompts_queued", "Prompts that wait", number(census.queued_prompts)),
    ]
}
