//! Deleting sessions for good.

use std::collections::BTreeSet;

use bytes::Bytes;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::attachments::MediaType;
use portway_domain::engine::Notice;
use portway_domain::ids::SessionId;
use portway_domain::jobs::{Job, MAX_ATTEMPTS, Work};
use portway_domain::sharing::ParticipantRole;
use portway_ports::commit::{ChangeSet, Write};
use portway_ports::objects::{ObjectKey, ObjectStore};
use portway_ports::pubsub::{Hint, Topic};
use portway_ports::sandboxes::SandboxError;

use super::world::{Fault, World, faulty, settled};
use crate::attachments::NewAttachment;
use crate::prompts::NewPrompt;
use crate::sessions::NewSession;
use crate::sharing::Invitee;
use crate::{Context, Error};

async fn objects(world: &World) -> usize {
    world.objects.list(&ObjectKey::parse("sessions").unwrap(), None, 1_000).await.unwrap().len()
}

async fn attach(world: &World, session: &SessionId) {
    let context = world.context(Permission::Session(SessionRole::Collaborator));
    let picture = NewAttachment {
        media_type: MediaType::parse("image/png").unwrap(),
        name: None,
        content: Bytes::from_static(b"abc"),
    };
    let prompt = NewPrompt { content: "look".to_owned(), ..NewPrompt::default() };
    world.services.prompt_with_attachments(&context, session, prompt, vec![picture]).await.unwrap();
}

async fn gone(world: &World, session: &SessionId) {
    while world.store.engine(session).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
}

async fn child_of(world: &World, parent: &SessionId) -> SessionId {
    let new = NewSession { parent: Some(parent.clone()), ..NewSession::default() };
    world.services.open_session(&world.signed_in(), new).await.unwrap().id
}

#[tokio::test]
async fn nothing_is_left_of_a_session_and_its_children() {
    let world = World::new().await;
    let (session, other) = (world.open_ready().await, world.open().await.id);
    let child = child_of(&world, &session).await;
    world.sandboxes.started(&child, 1).await;
    for with in [&session, &child, &other] {
        attach(&world, with).await;
    }
    let nobody = SessionId::parse("nobody").unwrap();
    let deletions = world.services.delete_sessions(&world.signed_in(), &[session.clone(), nobody]).await.unwrap();
    assert_eq!((deletions.deleted, deletions.failed.len()), (1, 0));
    gone(&world, &session).await;
    gone(&world, &child).await;
    assert!(!world.sandboxes.lives(&session, 1) && !world.sandboxes.lives(&child, 1));
    let emptied: BTreeSet<SessionId> = world.sandboxes.emptied.lock().unwrap().iter().cloned().collect();
    assert_eq!(emptied, BTreeSet::from([session.clone(), child]));
    assert_eq!(objects(&world).await, 1, "those of the other session");
    let owner = world.services.principal(&world.signed_in()).await.unwrap().user;
    let withdrawn = Notice::AccessWithdrawn { user: owner };
    let is_told = |hint: &Hint| matches!(hint, Hint::Session { notices, .. } if notices.contains(&withdrawn));
    assert!(world.hints.all().iter().any(|(topic, hint)| *topic == Topic::Session(session.clone()) && is_told(hint)));
    assert!(world.store.engine(&other).await.unwrap().is_some());
}

#[tokio::test]
async fn it_has_ended_before_it_is_gone() {
    let world = World::new().await;
    let session = world.open().await.id;
    for _ in 0..2 {
        // Asking twice does no harm.
        let deletions =
            world.services.delete_sessions(&world.signed_in(), std::slice::from_ref(&session)).await.unwrap();
        assert_eq!(deletions.deleted, 1);
    }
    assert!(world.engine(&session).await.status.is_ended());
    world.start_jobs();
    gone(&world, &session).await;
    let deletions = world.services.delete_sessions(&world.signed_in(), &[session]).await.unwrap();
    assert_eq!(deletions.deleted, 0);
}

#[tokio::test]
async fn what_was_begun_is_gone_on_with() {
    let world = World::new().await;
    let session = world.open_ready().await;
    attach(&world, &session).await;
    let job = |attempts| Job {
        id: world.services.moment().ids.draw(),
        work: Work::DeleteSession { session: session.clone() },
        node: None,
        attempts,
        run_at: world.services.moment().now,
    };
    *world.sandboxes.refusal.lock().unwrap() = Some(SandboxError::Unavailable("away".to_owned()));
    let failed = world.services.delete_session(&job(1), &session).await;
    assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
    assert!(world.store.engine(&session).await.unwrap().is_some());
    // Files that can never be removed do not keep the rest.
    let last = job(MAX_ATTEMPTS);
    world.services.commit(ChangeSet::new().with(Write::AddJob(last.clone()))).await.unwrap();
    world.services.delete_session(&last, &session).await.unwrap();
    assert!(world.store.engine(&session).await.unwrap().is_none());
    assert_eq!(objects(&world).await, 0);
}

#[tokio::test]
async fn watchers_look_when_nobody_knows_whether_it_is_gone() {
    let (world, faults) = faulty().await;
    let session = world.open().await.id;
    let work = Work::DeleteSession { session: session.clone() };
    let (id, run_at) = (world.services.moment().ids.draw(), world.services.moment().now);
    let job = Job { id, work, node: None, attempts: 1, run_at };
    world.services.commit(ChangeSet::new().with(Write::AddJob(job.clone()))).await.unwrap();
    faults.send(Fault::LostAnswer).unwrap();
    let unknown = world.services.delete_session(&job, &session).await;
    assert!(matches!(unknown, Err(Error::Unavailable { .. })), "{unknown:?}");
    assert!(world.store.engine(&session).await.unwrap().is_none());
    settled().await;
    assert_eq!(world.hints.missed().first(), Some(&Topic::Session(session)));
}

#[tokio::test]
async fn only_ones_own_are_deleted() {
    let world = World::new().await;
    let own = world.open().await;
    let hers = world.services.context(&world.somebody_else().await, Permission::SignedIn);
    let new = || NewSession { workspace: "hers".to_owned(), ..NewSession::default() };
    let foreign = world.services.open_session(&hers, new()).await.unwrap().id;
    let shared = world.services.open_session(&hers, new()).await.unwrap().id;
    let as_owner = Context { permission: Permission::Session(SessionRole::Owner), ..hers };
    let (me, role) = (Invitee::Id(own.owner.clone()), ParticipantRole::Collaborator);
    world.services.add_participant(&as_owner, &shared, me, role).await.unwrap();
    let all = [foreign.clone(), shared.clone(), own.id.clone()];

    let mut nobody = world.signed_in();
    nobody.credential = None;
    let refused = world.services.delete_sessions(&nobody, &all).await;
    assert!(matches!(refused, Err(Error::Unauthorized)), "{refused:?}");
    assert!(!world.engine(&own.id).await.status.is_ended());

    world.start_jobs();
    let deletions = world.services.delete_sessions(&world.signed_in(), &all).await.unwrap();
    assert_eq!((deletions.deleted, deletions.failed.len()), (1, 0));
    gone(&world, &own.id).await;
    for kept in [&foreign, &shared] {
        assert!(!world.engine(kept).await.status.is_ended());
    }
}
