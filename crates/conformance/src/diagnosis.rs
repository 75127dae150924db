//! Looking at everything, whoever owns it.

use portway_domain::engine::{Change, Link};
use portway_domain::jobs::{Job, Work};
use portway_domain::sessions::SessionStatus;
use portway_ports::commit::Write;
use portway_ports::diagnosis::{PendingJob, Waiting};

use crate::failure::Outcome;
use crate::fixture::{Fixture, at};
use crate::samples::node;

fn status(status: SessionStatus) -> Change {
    Change::SessionTouched { status: Some(status), error: None, title: None, at: at(0) }
}

pub(crate) async fn sessions_are_counted_by_status(f: Fixture) -> Outcome {
    check_eq!(f.store.count_sessions().await?, []);
    for name in ["ada", "bob"] {
        let person = f.person(name).await?;
        for _ in 0..3 {
            f.session(&person).await?;
        }
        let running = f.session(&person).await?;
        f.changed(&running.id, [status(SessionStatus::Running)]).await?;
    }
    let mut counts = f.store.count_sessions().await?;
    counts.retain(|(_, count)| *count > 0);
    counts.sort_by_key(|(status, _)| status.as_str());
    check_eq!(counts, [(SessionStatus::Initializing, 6), (SessionStatus::Running, 2)]);
    Ok(())
}

pub(crate) async fn engines_with_a_sandbox_are_read_by_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let mut expected = Vec::new();
    for wanted in [true, false, true, true] {
        let session = f.session(&ada).await?;
        let mut engine = f.engine(&session.id).await?;
        if wanted {
            engine.value.runner.link = Link::Starting { deadline: at(60) };
            let set = Write::SetEngine { engine: engine.value.clone(), version: engine.version };
            f.done([set]).await?;
            expected.push(engine.value);
        }
    }
    expected.sort_by(|a, b| a.session.cmp(&b.session));
    check_eq!(f.store.engines_with_sandbox(None, 100).await?, expected);
    check_eq!(f.store.engines_with_sandbox(None, 2).await?, expected[..2]);
    check_eq!(f.store.engines_with_sandbox(Some(&expected[1].session), 100).await?, expected[2..]);
    check_eq!(f.store.engines_with_sandbox(Some(&expected[2].session), 100).await?, []);
    Ok(())
}

pub(crate) async fn overdue_sessions_come_with_their_deadlines(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let mut expected = Vec::new();
    for seconds in [5, 10, 20] {
        let session = f.session(&ada).await?.id;
        f.done([Write::SetDeadline { session: session.clone(), due_at: Some(at(seconds)) }]).await?;
        expected.push(Waiting { session, since: at(seconds) });
    }
    check_eq!(f.store.overdue_sessions(at(4), 10).await?, []);
    check_eq!(f.store.overdue_sessions(at(10), 10).await?, expected[..2]);
    check_eq!(f.store.overdue_sessions(at(100), 1).await?, expected[..1]);
    Ok(())
}

pub(crate) async fn pending_jobs_tell_what_became_of_them(f: Fixture) -> Outcome {
    let job = |seconds| Job {
        id: f.id(),
        work: Work::StopSandbox { session: f.id(), generation: 1, sandbox: None },
        node: None,
        attempts: 0,
        run_at: at(seconds),
    };
    let (failed, held, done) = (job(1), job(2), job(0));
    let (first, second) = (failed.id.clone(), held.id.clone());
    f.done([failed, held, done.clone()].map(Write::AddJob)).await?;
    f.store.claim_jobs(&node(1), at(5), at(60), 10).await?;
    let error = "no luck".to_owned();
    f.done([
        Write::CompleteJob { id: done.id, attempts: 1 },
        Write::RetryJob { id: first.clone(), attempts: 1, run_at: at(9), error: error.clone() },
    ])
    .await?;
    let kind = || "stop-sandbox".to_owned();
    let held = PendingJob {
        id: second,
        kind: kind(),
        attempts: 1,
        run_at: at(2),
        lease_until: Some(at(60)),
        last_error: None,
    };
    let failed =
        PendingJob { id: first, kind: kind(), attempts: 1, run_at: at(9), lease_until: None, last_error: Some(error) };
    check_eq!(f.store.pending_jobs(10).await?, [held.clone(), failed]);
    check_eq!(f.store.pending_jobs(1).await?, [held]);
    Ok(())
}
