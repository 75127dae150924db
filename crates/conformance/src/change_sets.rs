//! All or nothing, and in order.

use portway_domain::access::Role;
use portway_domain::children::ChildEvent;
use portway_domain::engine::{Change, Engine};
use portway_domain::jobs::{Job, Work};
use portway_domain::questions::Question;
use portway_domain::sessions::{QueueMode, Session};
use portway_domain::tokens::TokenKind;
use portway_domain::users::User;
use portway_ports::StoreError;
use portway_ports::commit::{Commit, Write};

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, added, at, of, set};
use crate::idempotency::remembered;
use crate::samples::{audit, node, opened, prompt, segment, session, token};

/// A set that writes to every table, about a new user and a new session.
fn everything(f: &Fixture) -> (Person, Session, Vec<Write>) {
    let user = User::new(f.id(), "new@example.org".to_owned(), Role::Member, at(0));
    let person = Person { token: token(f.id(), &user.id, "new", TokenKind::Login, at(0)), user };
    let session = session(f.id(), &person.user.id, at(0));
    let open = opened(f.id(), 2);
    let asked = prompt(f.id(), 1, "Hi", &person.user);
    let command =
        portway_domain::engine::Command::Prompt { prompt: asked.id.clone(), earlier: Vec::new(), model: None };
    let engine = Engine::new(session.id.clone(), session.owner.clone(), QueueMode::Followup, at(1));
    let work = Work::StartSandbox { session: session.id.clone(), generation: 1 };
    let mut writes = vec![
        Write::AddUser(person.user.clone()),
        Write::AddToken(person.token.clone()),
        Write::BumpUser { id: person.user.id.clone(), version: 1 },
        added(&session),
        Write::SetEngine { engine, version: 1 },
        Write::SetDeadline { session: session.id.clone(), due_at: Some(at(1)) },
        Write::AddJob(Job { id: f.id(), work, node: None, attempts: 0, run_at: at(0) }),
        Write::Remember(remembered(&person, "key", 0, 60)),
    ];
    let changes = [
        Change::MessageAdded(asked),
        Change::TextAppended(segment(&open.id, "text")),
        Change::QuestionAsked { question: Question::asked(f.id(), "May I?", Vec::new(), at(0)), seq: 3 },
        Change::CommandGiven { generation: 1, number: 1, command },
        Change::SessionTouched { status: None, error: None, title: Some("Title".to_owned()), at: at(1) },
        Change::Audited(audit(f.id(), 4)),
    ];
    writes.push(of(&session.id, Change::MessageAdded(open)));
    writes.extend(changes.map(|change| of(&session.id, change)));
    (person, session, writes)
}

/// Whether nothing of a set of [`everything`] is there.
async fn is_untouched(f: &Fixture, person: &Person, session: &Session) -> Outcome {
    check_eq!(f.store.user(&person.user.id).await?, None);
    check_eq!(f.store.caller(person.hash()).await?.caller, None);
    check_eq!(f.store.engine(&session.id).await?, None);
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, None);
    check_eq!(f.store.next_deadline().await?, None);
    check_eq!(f.store.pending_commands(&session.id, 1, 0, 10).await?, []);
    Ok(())
}

/// Whether all of a set of [`everything`] is there.
async fn is_complete(f: &Fixture, person: &Person, session: &Session) -> Outcome {
    let opening = f.store.opening(person.hash(), Some("key"), at(1)).await?.value;
    let opening = opening.map(|opening| (opening.user.version, opening.active, opening.remembered.is_some()));
    check_eq!(opening, Some((2, 1, true)));
    let read = f.store.transcript(person.hash(), &session.id, 10).await?.value;
    let read = read.map(|read| {
        let open = read.engine.value.open.map(|open| open.text_bytes);
        (read.engine.version, open, read.messages.len(), read.audit.len(), read.access.session.title)
    });
    check_eq!(read, Some((2, Some(4), 2, 1, Some("Title".to_owned()))));
    check_eq!(f.store.pending_commands(&session.id, 1, 0, 10).await?.len(), 1);
    check_eq!(f.store.next_deadline().await?, Some(at(1)));
    check_eq!(f.store.next_job_at(&node(1), at(0)).await?, Some(at(0)));
    Ok(())
}

pub(crate) async fn an_empty_set_changes_nothing(f: Fixture) -> Outcome {
    f.done([]).await?;
    check!(!f.store.has_users().await?);
    Ok(())
}

pub(crate) async fn later_writes_build_on_earlier_ones(f: Fixture) -> Outcome {
    let (person, session, writes) = everything(&f);
    let backwards: Vec<Write> = writes.iter().rev().cloned().collect();
    check!(matches!(f.commit(backwards).await?, Commit::Conflict { .. }));
    is_untouched(&f, &person, &session).await?;
    f.done(writes).await?;
    is_complete(&f, &person, &session).await
}

pub(crate) async fn the_first_failed_guard_is_named(f: Fixture) -> Outcome {
    let (person, session, writes) = everything(&f);
    for index in 0..=writes.len() {
        let mut broken = writes.clone();
        let missing = Write::BumpUser { id: f.id(), version: 1 };
        broken.insert(index, missing.clone());
        broken.push(missing);
        f.expect(Commit::Conflict { write: index }, broken).await?;
    }
    is_untouched(&f, &person, &session).await
}

pub(crate) async fn a_failed_guard_undoes_every_table(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (person, session, writes) = everything(&f);
    let missing = f.session(&ada).await?;
    let last = writes.len();
    let guards = [
        Write::AddUser(ada.user.clone()),
        Write::SetUser { user: ada.user.clone(), version: 9 },
        Write::BumpUser { id: ada.user.id.clone(), version: 9 },
        Write::AddToken(ada.token.clone()),
        Write::RevokeToken { id: f.id(), user: ada.user.id.clone(), at: at(0) },
        added(&missing),
        Write::SetEngine { engine: f.engine(&missing.id).await?.value, version: 9 },
        Write::CompleteJob { id: f.id(), attempts: 1 },
        Write::RetryJob { id: f.id(), attempts: 1, run_at: at(0), error: String::new() },
        Write::Remember(remembered(&person, "key", 1, 60)),
        Write::SetDeadline { session: f.id(), due_at: Some(at(0)) },
        of(&session.id, Change::TextAppended(segment(&f.id(), "text"))),
    ];
    for guard in guards {
        let kind = format!("{guard:?}");
        let mut broken = writes.clone();
        broken.push(guard);
        check_eq!(f.commit(broken).await?, Commit::Conflict { write: last }, "{kind}");
        is_untouched(&f, &person, &session).await?;
    }
    f.done(writes).await?;
    is_complete(&f, &person, &session).await
}

pub(crate) async fn a_repeated_set_conflicts_with_its_own_rows(f: Fixture) -> Outcome {
    let (person, session, writes) = everything(&f);
    f.done(writes.clone()).await?;
    check!(matches!(f.commit(writes).await?, Commit::Conflict { write: 0 }));
    is_complete(&f, &person, &session).await
}

pub(crate) async fn changes_that_are_work_are_refused(f: Fixture) -> Outcome {
    let (person, new, writes) = everything(&f);
    for change in [
        Change::SandboxOrdered { generation: 1, node: None },
        Change::SandboxHibernated { generation: 1, node: None, sandbox: None },
        Change::SandboxDismissed { generation: 1, node: None, sandbox: None },
        Change::ParentTold { parent: f.id(), event: ChildEvent::Idle },
        Change::ChildrenStopped,
    ] {
        let mut broken = writes.clone();
        broken.push(of(&new.id, change));
        let result = f.store.commit(set(broken)).await;
        check!(matches!(result, Err(StoreError::Fault(_))), "{result:?}");
        is_untouched(&f, &person, &new).await?;
    }
    Ok(())
}

pub(crate) async fn an_engine_of_another_session_is_refused(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (new, other) = (session(f.id(), &ada.user.id, at(0)), f.session(&ada).await?);
    let engine = f.engine(&other.id).await?.value;
    let result = f.commit([Write::AddSession { session: new.clone(), engine }]).await;
    check!(matches!(result, Err(StoreError::Fault(_))), "{result:?}");
    check_eq!(f.store.session(ada.hash(), &new.id).await?.value, None);
    Ok(())
}
