//! Jobs.

use portway_domain::children::ChildEvent;
use portway_domain::ids::{JobId, SandboxId};
use portway_domain::jobs::{Job, Work};
use portway_domain::time::Timestamp;
use portway_ports::commit::Write;

use crate::failure::Outcome;
use crate::fixture::{Fixture, at};
use crate::samples::node;

fn job(f: &Fixture, run_at: i64) -> Job {
    let work = Work::StartSandbox { session: f.id(), generation: 1 };
    Job { id: f.id(), work, node: None, attempts: 0, run_at: at(run_at) }
}

fn tried(job: &Job, attempts: u32) -> Job {
    Job { attempts, ..job.clone() }
}

fn complete(id: &JobId, attempts: u32) -> Write {
    Write::CompleteJob { id: id.clone(), attempts }
}

fn retry(id: &JobId, attempts: u32, run_at: i64) -> Write {
    Write::RetryJob { id: id.clone(), attempts, run_at: at(run_at), error: "no luck".to_owned() }
}

async fn claim(f: &Fixture, now: i64, lease_until: i64) -> Outcome<Vec<Job>> {
    Ok(f.store.claim_jobs(&node(1), at(now), at(lease_until), 100).await?)
}

pub(crate) async fn every_kind_of_work_is_read_back(f: Fixture) -> Outcome {
    let mut jobs = [job(&f, 1), job(&f, 2), job(&f, 3), job(&f, 4)];
    jobs[1].work = Work::StopSandbox { session: f.id(), generation: u32::MAX, sandbox: SandboxId::parse("sb:1").ok() };
    let event = ChildEvent::Error { error: "out of \u{1F980}".to_owned() };
    jobs[2].work = Work::TellParent { parent: f.id(), child: f.id(), event };
    jobs[3].work = Work::StopChildren { session: f.id() };
    f.done(jobs.clone().map(Write::AddJob)).await?;
    let expected: Vec<Job> = jobs.iter().map(|job| tried(job, 1)).collect();
    check_eq!(claim(&f, 5, 60).await?, expected);
    Ok(())
}

pub(crate) async fn due_jobs_are_claimed_oldest_first(f: Fixture) -> Outcome {
    let jobs = [30, 10, 20, 11, 10].map(|run_at| job(&f, run_at));
    f.done(jobs.clone().map(Write::AddJob)).await?;
    check_eq!(claim(&f, 9, 60).await?, []);
    let expected = [1, 4, 3, 2].map(|index: usize| tried(&jobs[index], 1));
    check_eq!(claim(&f, 20, 60).await?, expected);
    check_eq!(claim(&f, 29, 60).await?, []);
    check_eq!(claim(&f, 30, 60).await?, [tried(&jobs[0], 1)]);
    Ok(())
}

pub(crate) async fn a_claim_is_limited(f: Fixture) -> Outcome {
    let jobs: Vec<Job> = (0..5).map(|run_at| job(&f, run_at)).collect();
    f.done(jobs.iter().rev().cloned().map(Write::AddJob)).await?;
    let mut claimed = Vec::new();
    for count in [0, 2, 2, 1] {
        let some = f.store.claim_jobs(&node(1), at(9), at(60), if count == 0 { 0 } else { 2 }).await?;
        check_eq!(some.len(), count);
        claimed.extend(some);
    }
    let expected: Vec<Job> = jobs.iter().map(|job| tried(job, 1)).collect();
    check_eq!(claimed, expected);
    Ok(())
}

pub(crate) async fn a_lease_keeps_others_away_until_it_ends(f: Fixture) -> Outcome {
    f.done([Write::AddJob(job(&f, 0))]).await?;
    check_eq!(claim(&f, 1, 60).await?.len(), 1);
    for now in [1, 30, 59] {
        check_eq!(claim(&f, now, 120).await?, [], "at {now}");
    }
    Ok(())
}

pub(crate) async fn an_ended_lease_can_be_claimed_again(f: Fixture) -> Outcome {
    let job = job(&f, 0);
    f.done([Write::AddJob(job.clone())]).await?;
    for attempt in 1..4 {
        let now = i64::from(attempt) * 60;
        check_eq!(claim(&f, now, now + 60).await?, [tried(&job, attempt)]);
        check_eq!(claim(&f, now, now + 60).await?, []);
    }
    Ok(())
}

pub(crate) async fn a_completed_job_is_gone(f: Fixture) -> Outcome {
    let (job, other) = (job(&f, 0), job(&f, 1));
    f.done([job.clone(), other.clone()].map(Write::AddJob)).await?;
    check_eq!(claim(&f, 1, 60).await?.len(), 2);
    f.done([complete(&job.id, 1)]).await?;
    f.refused(complete(&job.id, 1)).await?;
    f.refused(complete(&f.id(), 1)).await?;
    check_eq!(claim(&f, 60, 120).await?, [tried(&other, 2)]);
    Ok(())
}

pub(crate) async fn a_late_completion_is_refused(f: Fixture) -> Outcome {
    let job = job(&f, 0);
    f.done([Write::AddJob(job.clone())]).await?;
    f.refused(complete(&job.id, 1)).await?;
    claim(&f, 1, 60).await?;
    check_eq!(claim(&f, 60, 120).await?, [tried(&job, 2)]);
    f.refused(complete(&job.id, 1)).await?;
    check_eq!(claim(&f, 119, 180).await?, []);
    f.done([complete(&job.id, 2)]).await?;
    check_eq!(claim(&f, 1_000, 2_000).await?, []);
    Ok(())
}

pub(crate) async fn a_retried_job_comes_back_in_time(f: Fixture) -> Outcome {
    let job = job(&f, 0);
    f.done([Write::AddJob(job.clone())]).await?;
    claim(&f, 1, 60).await?;
    f.done([retry(&job.id, 1, 10)]).await?;
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(10)));
    check_eq!(claim(&f, 9, 60).await?, []);
    check_eq!(claim(&f, 10, 60).await?, [Job { run_at: at(10), ..tried(&job, 2) }]);
    Ok(())
}

pub(crate) async fn a_late_retry_is_refused(f: Fixture) -> Outcome {
    let job = job(&f, 0);
    f.done([Write::AddJob(job.clone())]).await?;
    f.refused(retry(&f.id(), 0, 5)).await?;
    claim(&f, 1, 60).await?;
    claim(&f, 60, 120).await?;
    f.refused(retry(&job.id, 1, 5)).await?;
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(120)));
    Ok(())
}

pub(crate) async fn released_leases_can_be_claimed_at_once(f: Fixture) -> Outcome {
    let jobs = [job(&f, 0), job(&f, 1), job(&f, 9)];
    f.done(jobs.clone().map(Write::AddJob)).await?;
    claim(&f, 1, 60).await?;
    f.store.release_leases(None).await?;
    check_eq!(claim(&f, 1, 60).await?, [tried(&jobs[0], 2), tried(&jobs[1], 2)]);
    f.refused(complete(&jobs[0].id, 1)).await?;
    f.store.release_leases(None).await?;
    f.store.release_leases(None).await?;
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(0)));
    Ok(())
}

pub(crate) async fn leases_of_one_node_are_released(f: Fixture) -> Outcome {
    let jobs = [job(&f, 0), job(&f, 1)];
    f.done([Write::AddJob(jobs[0].clone())]).await?;
    check_eq!(f.store.claim_jobs(&node(1), at(0), at(60), 9).await?.len(), 1);
    f.done([Write::AddJob(jobs[1].clone())]).await?;
    check_eq!(f.store.claim_jobs(&node(2), at(1), at(60), 9).await?.len(), 1);
    f.store.release_leases(Some(&node(3))).await?;
    check_eq!(claim(&f, 1, 60).await?, []);
    f.store.release_leases(Some(&node(2))).await?;
    check_eq!(claim(&f, 1, 60).await?, [tried(&jobs[1], 2)]);
    f.refused(complete(&jobs[1].id, 1)).await?;
    f.done([complete(&jobs[0].id, 1), complete(&jobs[1].id, 2)]).await
}

pub(crate) async fn the_next_job_is_known(f: Fixture) -> Outcome {
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, None::<Timestamp>);
    let jobs = [job(&f, 20), job(&f, 10)];
    f.done(jobs.clone().map(Write::AddJob)).await?;
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(10)));
    check_eq!(claim(&f, 10, 15).await?.len(), 1);
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(15)));
    check_eq!(claim(&f, 15, 90).await?.len(), 1);
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(20)));
    check_eq!(claim(&f, 20, 50).await?.len(), 1);
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(50)));
    f.done([complete(&jobs[0].id, 1), complete(&jobs[1].id, 2)]).await?;
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, None);
    Ok(())
}

pub(crate) async fn a_taken_id_conflicts(f: Fixture) -> Outcome {
    let first = job(&f, 0);
    f.done([Write::AddJob(first.clone())]).await?;
    f.refused(Write::AddJob(Job { id: first.id.clone(), ..job(&f, 5) })).await?;
    check_eq!(claim(&f, 10, 60).await?, [tried(&first, 1)]);
    Ok(())
}
