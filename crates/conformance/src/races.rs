//! Many at once. Each rule over several rows is owned by one row, and the race for that row has one winner.

use std::collections::BTreeSet;

use portway_domain::access::Role;
use portway_domain::engine::{Change, Command};
use portway_domain::ids::JobId;
use portway_domain::jobs::{Job, Work};
use portway_domain::users::User;
use portway_ports::StoreError;
use portway_ports::commit::{Commit, Write};

use crate::failure::Outcome;
use crate::fixture::{Fixture, added, at, of, set};
use crate::idempotency::remembered;
use crate::samples::{audit, node, note, session};

const MANY: usize = 16;

pub(crate) async fn one_of_two_takes_the_last_place_for_a_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    for round in 1..=8 {
        let sets: Vec<_> = (0..2)
            .map(|_| {
                let bump = Write::BumpUser { id: ada.user.id.clone(), version: round };
                set([bump, added(&session(f.id(), &ada.user.id, at(0)))])
            })
            .collect();
        check_eq!(f.winners(sets).await?, 1);
        let opening = f.store.opening(ada.hash(), None, at(0)).await?.value;
        check_eq!(opening.map(|opening| u64::from(opening.active)), Some(round));
    }
    Ok(())
}

pub(crate) async fn one_of_two_steps_an_engine(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    for version in 1..=8 {
        let mut engine = f.engine(&session.id).await?.value;
        engine.seq += 1;
        let sets: Vec<_> = (0..2)
            .map(|_| {
                let change = Change::MessageAdded(note(f.id(), engine.seq));
                set([Write::SetEngine { engine: engine.clone(), version }, of(&session.id, change)])
            })
            .collect();
        check_eq!(f.winners(sets).await?, 1);
        check_eq!(f.engine(&session.id).await?.version, version + 1);
        let overview = f.store.session_overview(ada.hash(), &session.id).await?.value;
        check_eq!(overview.map(|overview| overview.message_count), Some(version));
    }
    Ok(())
}

pub(crate) async fn one_of_many_uses_an_idempotency_key(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    // The second round is for the expired key of the first.
    for (created, expires) in [(0, 60), (60, 120)] {
        let sets: Vec<_> = (0..MANY)
            .map(|_| {
                let new = session(f.id(), &ada.user.id, at(0));
                set([added(&new), Write::Remember(remembered(&ada, "key", created, expires))])
            })
            .collect();
        check_eq!(f.winners(sets).await?, 1);
    }
    let opening = f.store.opening(ada.hash(), Some("key"), at(60)).await?.value;
    check_eq!(opening.map(|opening| (opening.active, opening.remembered.is_some())), Some((2, true)));
    Ok(())
}

pub(crate) async fn one_of_many_gets_an_address(f: Fixture) -> Outcome {
    let sets: Vec<_> = (0..MANY)
        .map(|_| {
            let user = User::new(f.id(), "wanted@example.org".to_owned(), Role::Member, at(0));
            set([Write::AddUser(user)])
        })
        .collect();
    check_eq!(f.winners(sets).await?, 1);
    Ok(())
}

pub(crate) async fn one_of_many_numbers_a_command(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    for number in 1..=3 {
        let sets: Vec<_> = (0..MANY)
            .map(|_| {
                let command = Command::Abort { prompt: f.id() };
                set([of(&session.id, Change::CommandGiven { generation: 1, number, command })])
            })
            .collect();
        check_eq!(f.winners(sets).await?, 1);
    }
    check_eq!(f.store.pending_commands(&session.id, 1, 0, 100).await?.len(), 3);
    Ok(())
}

pub(crate) async fn one_of_many_revokes_a_token(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let revoke = Write::RevokeToken { id: ada.token.id.clone(), user: ada.user.id.clone(), at: at(1) };
    check_eq!(f.winners((0..MANY).map(|_| set([revoke.clone()]))).await?, 1);
    check_eq!(f.store.caller(ada.hash()).await?.caller, None);
    Ok(())
}

fn jobs(f: &Fixture, count: usize) -> Vec<Job> {
    let job = |_| {
        let work = Work::StopSandbox { session: f.id(), generation: 1, sandbox: None };
        Job { id: f.id(), work, node: None, attempts: 0, run_at: at(0) }
    };
    (0..count).map(job).collect()
}

pub(crate) async fn one_of_many_completes_a_job(f: Fixture) -> Outcome {
    let job = jobs(&f, 1).remove(0);
    f.done([Write::AddJob(job.clone())]).await?;
    f.store.claim_jobs(&node(1), at(0), at(60), 1).await?;
    let complete = Write::CompleteJob { id: job.id.clone(), attempts: 1 };
    let retry = Write::RetryJob { id: job.id, attempts: 1, run_at: at(0), error: String::new() };
    let sets = (0..MANY).map(|number| set([if number == 0 { retry.clone() } else { complete.clone() }]));
    // A retry before the completion is no winner of its own: the attempt is still the same.
    let won = f.winners(sets).await?;
    check!((1..=2).contains(&won), "{won}");
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, None);
    Ok(())
}

pub(crate) async fn each_job_is_claimed_by_one_of_many(f: Fixture) -> Outcome {
    let jobs = jobs(&f, 100);
    f.done(jobs.iter().cloned().map(Write::AddJob)).await?;
    for attempt in 1..=2 {
        let claim = |_| {
            let store = f.store.clone();
            async move {
                let (now, mut claimed) = (at(i64::from(attempt) * 60), Vec::new());
                loop {
                    let some = store.claim_jobs(&node(1), now, at(i64::from(attempt) * 60 + 60), 3).await?;
                    if some.is_empty() {
                        return Ok::<Vec<Job>, StoreError>(claimed);
                    }
                    claimed.extend(some);
                }
            }
        };
        let mut ids: Vec<JobId> = Vec::new();
        for claimed in f.race((0..8).map(claim)).await {
            let claimed = claimed?;
            check!(claimed.iter().all(|job| job.attempts == attempt));
            ids.extend(claimed.into_iter().map(|job| job.id));
        }
        check_eq!(ids.len(), jobs.len());
        let distinct: BTreeSet<JobId> = ids.into_iter().collect();
        check_eq!(distinct, jobs.iter().map(|job| job.id.clone()).collect());
    }
    Ok(())
}

pub(crate) async fn no_increment_is_lost(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let increment = |_| {
        let (store, id) = (f.store.clone(), session.id.clone());
        async move {
            for _ in 0..1_000 {
                let Some((_, stored)) = store.engine(&id).await? else {
                    return Ok(false);
                };
                let mut engine = stored.value;
                engine.seq += 1;
                let write = Write::SetEngine { engine, version: stored.version };
                if store.commit(set([write])).await? == Commit::Done {
                    return Ok::<bool, StoreError>(true);
                }
            }
            Ok(false)
        }
    };
    for done in f.race((0..MANY).map(increment)).await {
        check!(done?, "it never won");
    }
    check_eq!(f.engine(&session.id).await?.value.seq, MANY as u64);
    Ok(())
}

pub(crate) async fn readers_never_see_half_a_set(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    // The number of messages and of audit entries and the counter of the engine change together.
    let mut engine = f.engine(&session.id).await?.value;
    let sets: Vec<_> = (1..=30)
        .map(|number| {
            engine.seq = number;
            set([
                of(&session.id, Change::MessageAdded(note(f.id(), number))),
                Write::SetEngine { engine: engine.clone(), version: number },
                of(&session.id, Change::Audited(audit(f.id(), number))),
            ])
        })
        .collect();
    let write = {
        let store = f.store.clone();
        async move {
            for changes in sets {
                if store.commit(changes).await? != Commit::Done {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    };
    let read = || {
        let (store, hash, id) = (f.store.clone(), ada.hash().clone(), session.id.clone());
        async move {
            for _ in 0..60 {
                let Some(read) = store.transcript(&hash, &id, 100).await?.value else {
                    return Ok(false);
                };
                let seq = read.engine.value.seq;
                if read.messages.len() as u64 != seq || read.audit.len() as u64 != seq {
                    return Ok(false);
                }
            }
            Ok::<bool, StoreError>(true)
        }
    };
    let tasks: [futures_util::future::BoxFuture<'static, Result<bool, StoreError>>; 3] =
        [Box::pin(write), Box::pin(read()), Box::pin(read())];
    for whole in f.race(tasks).await {
        check!(whole?, "somebody saw half a set");
    }
    Ok(())
}
