//! Whether everything moves on.

use std::time::Duration;

use portway_adapters_system::SystemClock;
use portway_domain::engine::Engine;
use portway_domain::sessions::SessionStatus;
use portway_domain::time::Timestamp;
use portway_ports::StoreError;
use portway_ports::diagnosis::{Diagnosis, PendingJob};
use portway_ports::system::Clock;
use portway_sql::SqlStore;

use super::report::Report;

const CHECK: &str = "work";

/// How late things may be.
const LATE: Duration = Duration::from_secs(60);

/// How long a session may be in the making.
const MAKING: Duration = Duration::from_secs(600);

/// How often a job may fail before somebody should look.
const ATTEMPTS: u32 = 3;

/// Most findings of each kind.
const MAX_FINDINGS: u32 = 10;

/// Engines read at once.
const PAGE: u32 = 100;

/// Answers the engines that have a sandbox, if they could be read.
pub(super) async fn check(report: &mut Report, store: &SqlStore, running: bool) -> Option<Vec<Engine>> {
    let now = SystemClock::new().now();
    match examine(report, store, running, now).await {
        Ok(engines) => Some(engines),
        Err(error) => {
            report.problem(
                CHECK,
                format!("sessions and jobs cannot be read: {error}"),
                "see what is said of the database",
            );
            None
        }
    }
}

async fn examine(
    report: &mut Report,
    store: &SqlStore,
    running: bool,
    now: Timestamp,
) -> Result<Vec<Engine>, StoreError> {
    let counts = store.count_sessions().await?;
    let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {}", status.as_str())).collect();
    let counts = if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") };
    report.fine(CHECK, format!("sessions: {counts}"));
    let engines = engines(store).await?;
    for engine in &engines {
        check_engine(report, engine, now, running);
    }
    let before = report.findings.len();
    for overdue in store.overdue_sessions(now.minus(LATE), MAX_FINDINGS).await? {
        let late = now.since(overdue.since);
        stuck(report, running, format!("session {} should have been looked at {late:.0?} ago", overdue.session));
    }
    for job in store.pending_jobs(PAGE).await? {
        check_job(report, &job, now, running);
    }
    if report.findings.len() == before {
        report.fine(CHECK, "no deadline and no job is late");
    }
    Ok(engines)
}

async fn engines(store: &SqlStore) -> Result<Vec<Engine>, StoreError> {
    let mut engines: Vec<Engine> = Vec::new();
    loop {
        let last = engines.last().map(|engine| engine.session.clone());
        let page = store.engines_with_sandbox(last.as_ref(), PAGE).await?;
        if page.is_empty() {
            return Ok(engines);
        }
        engines.extend(page);
    }
}

fn check_engine(report: &mut Report, engine: &Engine, now: Timestamp, running: bool) {
    let session = &engine.session;
    if engine.status == SessionStatus::Initializing && now.since(engine.last_activity) > MAKING {
        let minutes = now.since(engine.last_activity).as_secs() / 60;
        stuck(report, running, format!("session {session} has been in the making for {minutes} minutes"));
    }
    let turn = engine.turn.as_ref().filter(|_| engine.is_connected());
    let until = turn.map(|turn| turn.abort_deadline.unwrap_or(turn.check_at));
    if let Some(late) = until.map(|until| now.since(until)).filter(|late| *late > LATE) {
        stuck(report, running, format!("the turn of session {session} is {late:.0?} past its time"));
    }
}

fn check_job(report: &mut Report, job: &PendingJob, now: Timestamp, running: bool) {
    let PendingJob { id, kind, attempts, .. } = job;
    if *attempts >= ATTEMPTS {
        let error = job.last_error.as_deref().unwrap_or("the last attempt did not end");
        let message = format!("job {id} ({kind}) was tried {attempts} times: {error}");
        report.problem(CHECK, message, "do away with the cause that it names; it is tried again by itself");
        return;
    }
    let (since, what) = match job.lease_until {
        Some(lease) => (lease, "was begun and not ended"),
        None => (job.run_at, "waits to be begun"),
    };
    let late = now.since(since);
    if late > LATE {
        stuck(report, running, format!("job {id} ({kind}) {what}, {late:.0?} past its time"));
    }
}

/// Without a gateway nothing moves on, and nothing is wrong with that.
fn stuck(report: &mut Report, running: bool, message: String) {
    if running {
        let advice = "look into the gateway's log for its id; starting the gateway again takes it up";
        report.problem(CHECK, message, advice);
    } else {
        report.note(CHECK, message, "the gateway takes it up when it starts");
    }
}
