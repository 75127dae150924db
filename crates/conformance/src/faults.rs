//! Commits that whoever made them does not wait for: the machine goes down, the caller hangs up.
//!
//! That a commit fails before it begins is a case of the change sets, and what is there after it one of durability.

use std::future::poll_fn;
use std::task::Poll;

use portway_domain::engine::Change;
use portway_domain::jobs::{Job, Work};
use portway_domain::messages::Message;
use portway_domain::sessions::Session;
use portway_ports::commit::{ChangeSet, Commit, Write};

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, Person, added, at, of, set};
use crate::samples::{audit, prompt, session};
use crate::transcript::transcript;

/// After how many steps a commit is given up: never begun, at its beginning, and from there to its end.
const STEPS: [usize; 10] = [0, 1, 2, 3, 4, 6, 9, 15, 40, 400];

/// A session with all that is written at once with it.
struct Opening {
    session: Session,
    asked: Message,
    set: ChangeSet,
}

impl Opening {
    fn new(f: &Fixture, owner: &Person) -> Self {
        let session = session(f.id(), &owner.user.id, at(0));
        let asked = prompt(f.id(), 1, "needle", &owner.user);
        let work = Work::StartSandbox { session: session.id.clone(), generation: 1 };
        let set = set([
            added(&session),
            of(&session.id, Change::MessageAdded(asked.clone())),
            of(&session.id, Change::Audited(audit(f.id(), 2))),
            Write::AddJob(Job { id: f.id(), work, node: None, attempts: 0, run_at: at(0) }),
        ]);
        Self { session, asked, set }
    }

    /// Commits it, and waits for so many steps only. Others go on between two of them.
    async fn give_up(&self, f: &Fixture, steps: usize) {
        let mut commit = f.store.commit(self.set.clone());
        let mut left = steps;
        poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            commit.as_mut().poll(context).map(drop)
        })
        .await;
    }

    /// Whether it is there; if so, all of it.
    async fn is_there(&self, f: &Fixture, owner: &Person) -> Outcome<bool> {
        if f.store.session(owner.hash(), &self.session.id).await?.value.is_none() {
            return Ok(false);
        }
        let read = transcript(f, owner, &self.session).await?;
        check_eq!(read.messages, std::slice::from_ref(&self.asked));
        check_eq!(read.audit.len(), 1);
        Ok(true)
    }
}

pub(crate) async fn a_commit_that_is_given_up_is_whole_or_nothing(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    for steps in STEPS {
        let opening = Opening::new(&f, &ada);
        opening.give_up(&f, steps).await;
        let was_there = opening.is_there(&f, &ada).await?;
        let next = Opening::new(&f, &ada);
        f.done(next.set.clone().into_writes()).await?;
        check!(next.is_there(&f, &ada).await?, "what comes after it is not harmed");
        let is_there = opening.is_there(&f, &ada).await?;
        check!(is_there || !was_there, "what is there stays");
        check!(steps > 0 || !is_there, "what never began is not there");
    }
    Ok(())
}

pub(crate) async fn a_commit_that_is_given_up_can_be_repeated(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    for steps in STEPS {
        let opening = Opening::new(&f, &ada);
        opening.give_up(&f, steps).await;
        match f.store.commit(opening.set.clone()).await? {
            Commit::Done | Commit::Conflict { write: 0 } => {}
            other => return Err(Failure::new(format!("{other:?}"))),
        }
        check!(opening.is_there(&f, &ada).await?, "it is there once");
    }
    Ok(())
}

pub(crate) async fn a_commit_that_is_given_up_before_the_end_is_whole_or_nothing(mut f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    for steps in STEPS {
        let opening = Opening::new(&f, &ada);
        opening.give_up(&f, steps).await;
        f = f.reopen().await?;
        let was_there = opening.is_there(&f, &ada).await?;
        check!(steps > 0 || !was_there, "what never began is not there");
        check_eq!(f.store.commit(opening.set.clone()).await? == Commit::Done, !was_there);
        check!(opening.is_there(&f, &ada).await?, "it is there once");
    }
    Ok(())
}
