//! Nodes that share a store.

use portway_domain::engine::Engine;
use portway_domain::ids::{NodeId, SessionId};
use portway_domain::jobs::{Job, Work};
use portway_ports::commit::Write;

use crate::engines::busy;
use crate::failure::Outcome;
use crate::fixture::{Fixture, at};
use crate::samples::node;

pub(crate) async fn a_node_is_lost_when_its_time_is_over(f: Fixture) -> Outcome {
    check_eq!(f.store.lost_nodes(at(1_000)).await?, []);
    f.store.be_there(&node(1), at(10)).await?;
    f.store.be_there(&node(2), at(5)).await?;
    check_eq!(f.store.lost_nodes(at(4)).await?, []);
    check!(f.store.has_other_nodes(&node(1), at(4)).await?);
    check!(!f.store.has_other_nodes(&node(1), at(10)).await?);
    check!(f.store.has_other_nodes(&node(3), at(9)).await?);
    check_eq!(f.store.lost_nodes(at(5)).await?, [node(2)]);
    check_eq!(f.store.lost_nodes(at(10)).await?, [node(2), node(1)]);
    f.store.be_there(&node(2), at(20)).await?;
    check_eq!(f.store.lost_nodes(at(10)).await?, [node(1)]);
    f.store.forget_node(&node(1), at(10)).await?;
    check_eq!(f.store.lost_nodes(at(10)).await?, []);
    f.store.leave(&node(2)).await?;
    f.store.leave(&node(2)).await?;
    check_eq!(f.store.lost_nodes(at(1_000)).await?, []);
    Ok(())
}

fn job(f: &Fixture, of: Option<NodeId>) -> Job {
    let work = Work::StopSandbox { session: f.id(), generation: 1, sandbox: None };
    Job { id: f.id(), work, node: of, attempts: 0, run_at: at(0) }
}

fn tried(job: &Job, attempts: u32) -> Job {
    Job { attempts, ..job.clone() }
}

pub(crate) async fn a_job_for_a_node_is_left_to_it_while_it_is_there(f: Fixture) -> Outcome {
    let job = job(&f, Some(node(1)));
    f.done([Write::AddJob(job.clone())]).await?;
    f.store.be_there(&node(1), at(10)).await?;
    check_eq!(f.store.claim_jobs(&node(2), at(9), at(60), 10).await?, []);
    check_eq!(f.store.next_job_at(&node(2), at(9)).await?, None);
    check_eq!(f.store.next_job_at(&node(1), at(9)).await?, Some(at(0)));
    check_eq!(f.store.next_job_at(&node(2), at(10)).await?, Some(at(0)));
    check_eq!(f.store.claim_jobs(&node(1), at(9), at(60), 10).await?, [tried(&job, 1)]);
    check_eq!(f.store.next_job_at(&node(2), at(9)).await?, None);
    check_eq!(f.store.next_job_at(&node(1), at(9)).await?, Some(at(60)));
    f.store.be_there(&node(1), at(100)).await?;
    check_eq!(f.store.claim_jobs(&node(2), at(60), at(120), 10).await?, []);
    check_eq!(f.store.claim_jobs(&node(2), at(100), at(120), 10).await?, [tried(&job, 2)]);
    Ok(())
}

pub(crate) async fn a_job_for_a_node_that_left_is_anybodys(f: Fixture) -> Outcome {
    let job = job(&f, Some(node(1)));
    f.done([Write::AddJob(job.clone())]).await?;
    f.store.be_there(&node(1), at(1_000)).await?;
    check_eq!(f.store.claim_jobs(&node(2), at(9), at(60), 10).await?, []);
    f.store.leave(&node(1)).await?;
    check_eq!(f.store.claim_jobs(&node(2), at(9), at(60), 10).await?, [tried(&job, 1)]);
    Ok(())
}

pub(crate) async fn a_forgotten_node_has_no_leases(f: Fixture) -> Outcome {
    let (first, second) = (job(&f, None), job(&f, None));
    f.done([Write::AddJob(first.clone())]).await?;
    f.store.be_there(&node(1), at(10)).await?;
    check_eq!(f.store.claim_jobs(&node(1), at(1), at(60), 10).await?.len(), 1);
    f.done([Write::AddJob(second.clone())]).await?;
    check_eq!(f.store.claim_jobs(&node(3), at(1), at(60), 10).await?, [tried(&second, 1)]);
    f.store.forget_node(&node(1), at(9)).await?;
    check_eq!(f.store.claim_jobs(&node(2), at(9), at(60), 10).await?, [], "it is there");
    f.store.forget_node(&node(1), at(10)).await?;
    check_eq!(f.store.claim_jobs(&node(2), at(10), at(60), 10).await?, [tried(&first, 2)]);
    f.refused(Write::CompleteJob { id: first.id, attempts: 1 }).await?;
    Ok(())
}

pub(crate) async fn sessions_of_a_node_are_listed_by_id(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let mut expected: Vec<SessionId> = Vec::new();
    for (number, owner) in [1, 2, 1, 1].into_iter().enumerate() {
        let session = f.session(&ada).await?;
        let mut engine: Engine = busy(&f, &session)?;
        engine.runner.node = Some(node(owner));
        if number == 3 {
            engine.runner.link = portway_domain::engine::Link::None;
        } else if owner == 1 {
            expected.push(session.id.clone());
        }
        f.done([Write::SetEngine { engine, version: 1 }]).await?;
    }
    check_eq!(f.store.sessions_of_node(&node(1), None, 10).await?, expected);
    check_eq!(f.store.sessions_of_node(&node(1), None, 1).await?, expected[..1]);
    check_eq!(f.store.sessions_of_node(&node(1), expected.first(), 10).await?, expected[1..]);
    check_eq!(f.store.sessions_of_node(&node(3), None, 10).await?, []);
    Ok(())
}
