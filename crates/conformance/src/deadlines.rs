//! Deadlines of sessions.

use portway_domain::ids::SessionId;
use portway_ports::commit::Write;

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, at};

fn due(session: &SessionId, seconds: i64) -> Write {
    Write::SetDeadline { session: session.clone(), due_at: Some(at(seconds)) }
}

fn never(session: &SessionId) -> Write {
    Write::SetDeadline { session: session.clone(), due_at: None }
}

async fn sessions(f: &Fixture, owner: &Person, count: usize) -> Outcome<Vec<SessionId>> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(f.session(owner).await?.id);
    }
    Ok(ids)
}

pub(crate) async fn a_deadline_is_due_from_its_moment_on(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let ids = sessions(&f, &ada, 1).await?;
    f.done([due(&ids[0], 10)]).await?;
    for (now, count) in [(0, 0), (9, 0), (10, 1), (11, 1), (1_000, 1)] {
        check_eq!(f.store.due_sessions(at(now), 10).await?, ids[..count], "at {now}");
    }
    Ok(())
}

pub(crate) async fn a_deadline_is_changed_and_cleared(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let ids = sessions(&f, &ada, 2).await?;
    f.done([due(&ids[0], 10), due(&ids[1], 20)]).await?;
    f.done([due(&ids[0], 30)]).await?;
    check_eq!(f.store.due_sessions(at(30), 10).await?, [ids[1].clone(), ids[0].clone()]);
    f.done([due(&ids[0], 5)]).await?;
    check_eq!(f.store.due_sessions(at(5), 10).await?, ids[..1]);
    f.done([never(&ids[0])]).await?;
    check_eq!(f.store.due_sessions(at(100), 10).await?, ids[1..]);
    f.done([never(&ids[0]), never(&ids[1])]).await?;
    check_eq!(f.store.due_sessions(at(100), 10).await?, []);
    Ok(())
}

pub(crate) async fn due_sessions_come_earliest_first(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let ids = sessions(&f, &ada, 5).await?;
    let order = [(3, 1), (0, 2), (4, 2), (1, 7), (2, 9)];
    f.done(order.iter().rev().map(|(index, seconds)| due(&ids[*index], *seconds))).await?;
    let expected: Vec<SessionId> = order.iter().map(|(index, _)| ids[*index].clone()).collect();
    for limit in 0..=5 {
        check_eq!(f.store.due_sessions(at(9), limit).await?, expected[..limit as usize]);
    }
    check_eq!(f.store.due_sessions(at(9), 100).await?, expected);
    Ok(())
}

pub(crate) async fn the_earliest_deadline_is_known(f: Fixture) -> Outcome {
    check_eq!(f.store.next_deadline().await?, None);
    let ada = f.person("ada").await?;
    let ids = sessions(&f, &ada, 2).await?;
    f.done([due(&ids[0], 20), due(&ids[1], -20)]).await?;
    check_eq!(f.store.next_deadline().await?, Some(at(-20)));
    f.done([never(&ids[1])]).await?;
    check_eq!(f.store.next_deadline().await?, Some(at(20)));
    f.done([never(&ids[0])]).await?;
    check_eq!(f.store.next_deadline().await?, None);
    Ok(())
}

pub(crate) async fn a_deadline_needs_its_session(f: Fixture) -> Outcome {
    f.refused(due(&f.id(), 1)).await?;
    f.done([never(&f.id())]).await?;
    check_eq!(f.store.next_deadline().await?, None);
    Ok(())
}
