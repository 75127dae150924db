//! Sessions that a session opens, and what its agent asks of others.

use std::time::Duration;

use portway_domain::access::Permission;
use portway_domain::children::ParentStop;
use portway_domain::engine::{Event, RunnerReport};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{Message, MessageRole, Part};
use portway_domain::sessions::{QueueMode, Session, SessionStatus};
use portway_domain::tokens::TokenSecret;
use portway_ports::children::ChildFilter;
use portway_ports::pages::PageRequest;
use portway_ports::sessions::MessageRange;

use super::world::{MAX_CHILDREN, World};
use crate::agent_requests::{AgentRequest, ChildTask, Excerpt};
use crate::error::Error;
use crate::sessions::NewSession;

fn request(session: &SessionId, id: &str) -> AgentRequest {
    AgentRequest { session: session.clone(), id: id.to_owned() }
}

fn task(text: &str) -> ChildTask {
    ChildTask { task: text.to_owned(), ..ChildTask::default() }
}

fn excerpt(session: &SessionId) -> Excerpt {
    Excerpt { session: session.clone(), after: None, limit: 20 }
}

impl World {
    async fn spawn(&self, parent: &SessionId, id: &str) -> Result<SessionId, Error> {
        self.services.spawn_child(&request(parent, id), task("do it")).await
    }

    async fn session_of(&self, id: &SessionId) -> Session {
        self.store.engine(id).await.unwrap().unwrap().0
    }

    async fn transcript_of(&self, id: &SessionId) -> Vec<Message> {
        self.store.messages_of(id, MessageRange { after: 0, limit: 100 }).await.unwrap()
    }

    async fn live_children(&self, parent: &SessionId) -> u32 {
        self.store.family(parent, None, self.services.moment().now).await.unwrap().unwrap().live
    }

    /// The transcript of a session as soon as it is as wanted.
    async fn transcript_when(&self, id: &SessionId, wanted: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        loop {
            let found = self.transcript_of(id).await;
            if wanted(&found) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn until_nothing_is_to_be_done(&self) {
        while self.next_job_at().await.is_some() {
            tokio::task::yield_now().await;
        }
    }

    /// The only session of somebody else, with the secret of its owner.
    async fn somebody_elses(&self) -> (SessionId, TokenSecret) {
        let secret = self.somebody_else().await;
        let context = self.services.context(&secret, Permission::SignedIn);
        let new = NewSession { workspace: "hers".to_owned(), ..NewSession::default() };
        (self.services.open_session(&context, new).await.unwrap().id, secret)
    }
}

fn children_told(messages: &[Message]) -> usize {
    messages.iter().filter(|message| message.role == MessageRole::System).count()
}

#[tokio::test]
async fn a_child_is_opened_once_and_is_like_its_parent() {
    let world = World::new().await;
    let parent = world.open().await;
    let child = world.spawn(&parent.id, "r1").await.unwrap();
    assert_eq!(world.spawn(&parent.id, "r1").await.unwrap(), child);
    assert_ne!(world.spawn(&parent.id, "r2").await.unwrap(), child);
    let found = world.session_of(&child).await;
    assert_eq!(found.parent.as_ref(), Some(&parent.id));
    assert_eq!((found.owner, found.workspace, found.agent), (parent.owner, parent.workspace, parent.agent));
    assert_eq!(world.transcript_of(&child).await[0].content, "do it");
    world.clock.advance(Duration::from_secs(1));
    let named = ChildTask { workspace: Some("other".to_owned()), title: Some("T".to_owned()), ..task("x") };
    let third = world.services.spawn_child(&request(&parent.id, "r3"), named).await.unwrap();
    let third = world.session_of(&third).await;
    assert_eq!((third.workspace.as_str(), third.title.as_deref()), ("other", Some("T")));
    let page = world.services.child_sessions(&parent.id, ChildFilter::All, PageRequest::new(2, None)).await.unwrap();
    assert_eq!((page.total, page.page.items[0].id.clone()), (3, third.id));
}

#[tokio::test]
async fn a_request_that_cannot_be_is_refused() {
    let world = World::new().await;
    let parent = world.open().await.id;
    let child = world.spawn(&parent, "r1").await.unwrap();
    let is_invalid = |result: Result<SessionId, Error>, expected: &str| {
        assert!(matches!(&result, Err(Error::Invalid { field, .. }) if field == expected), "{result:?}");
    };
    is_invalid(world.spawn(&child, "r1").await, "parentSessionId");
    is_invalid(world.spawn(&parent, "").await, "requestId");
    is_invalid(world.services.spawn_child(&request(&parent, "r2"), task(" ")).await, "content");
    let agent = ChildTask { agent: Some("nobody".to_owned()), ..task("x") };
    is_invalid(world.services.spawn_child(&request(&parent, "r3"), agent).await, "agent");
    let long = ChildTask { title: Some("t".repeat(201)), ..task("x") };
    is_invalid(world.services.spawn_child(&request(&parent, "r4"), long).await, "title");
    assert_eq!(world.live_children(&parent).await, 1);
}

#[tokio::test]
async fn live_children_are_bounded_and_all_of_them_end_with_their_parent() {
    let world = World::new().await;
    let parent = world.open().await.id;
    let mut children = Vec::new();
    for number in 0..MAX_CHILDREN {
        children.push(world.spawn(&parent, &format!("r{number}")).await.unwrap());
    }
    let full = Error::ChildQuota { live: MAX_CHILDREN, limit: MAX_CHILDREN };
    assert_eq!(world.spawn(&parent, "more").await, Err(full));
    world.services.terminate_child(&parent, &children[0]).await.unwrap();
    children.push(world.spawn(&parent, "more").await.unwrap());
    // They are no sessions that their owner opened.
    world.open().await;
    world.services.terminate_session(&world.as_owner(), &parent).await.unwrap();
    assert_eq!(world.spawn(&parent, "late").await, Err(Error::SessionEnded { status: "terminated" }));
    world.start_jobs();
    world.until_nothing_is_to_be_done().await;
    assert_eq!(world.live_children(&parent).await, 0);
    for child in children {
        assert_eq!(world.session_of(&child).await.status, SessionStatus::Terminated);
        assert!(!world.sandboxes.lives(&child, 1));
    }
}

#[tokio::test]
async fn what_a_node_that_died_had_not_ended_is_ended_by_the_next() {
    let world = World::new().await;
    let parent = world.open().await.id;
    let first = world.spawn(&parent, "r1").await.unwrap();
    world.spawn(&parent, "r2").await.unwrap();
    world.services.terminate_session(&world.as_owner(), &parent).await.unwrap();
    // A node takes the work on, ends one of both, and is gone.
    let now = world.services.moment().now;
    let lease = now.plus(portway_domain::jobs::LEASE);
    assert!(!world.store.claim_jobs(&world.node(), now, lease, 100).await.unwrap().is_empty());
    let stop = Event::StoppedByParent { reason: ParentStop::ParentEnded };
    world.services.apply(&first, vec![stop], Vec::new(), world.services.moment()).await.unwrap();
    assert_eq!(world.live_children(&parent).await, 1);
    let next = world.again();
    next.services.recover(crate::recovery::Tenancy::Alone).await.unwrap();
    next.start_jobs();
    next.until_nothing_is_to_be_done().await;
    assert_eq!(next.live_children(&parent).await, 0);
}

#[tokio::test]
async fn a_parent_hears_once_of_what_its_child_did_and_works_on() {
    let world = World::new().await;
    let parent = world.open_ready().await;
    let child = world.spawn(&parent, "r1").await.unwrap();
    world.connect(&child, 1).await;
    let turn = world.engine(&child).await.turn.unwrap();
    let done = RunnerReport::Completed { prompt: turn.prompt, aborted: false };
    world.services.runner_reported(&child, 1, vec![(2, done)]).await.unwrap();
    let told = world.transcript_when(&parent, |messages| children_told(messages) > 0).await;
    assert_eq!(told[0].content, format!("Child session \"w\" ({child}) is idle: it has done what it was told."));
    assert!(matches!(&told[0].parts[..], [Part::Label { avatar_key, .. }] if avatar_key == "child-session"));
    let turn = world.engine(&parent).await.turn.unwrap();
    assert_eq!(turn.prompt, told[0].id);
    let command = world.services.pending_commands(&parent, 1, 0).await.unwrap().remove(0);
    assert_eq!(command.content.as_ref(), Some(&told[0].content));
    world.services.terminate_session(&world.as_owner(), &child).await.unwrap();
    let told = world.transcript_when(&parent, |messages| children_told(messages) > 1).await;
    assert!(told[1].content.ends_with("was ended."));
    world.until_nothing_is_to_be_done().await;
    assert_eq!(children_told(&world.transcript_of(&parent).await), 2);
    assert_eq!(world.engine(&parent).await.queue.len(), 1);
}

#[tokio::test]
async fn a_parent_that_rests_is_woken_by_its_child() {
    let world = World::new().await;
    let parent = world.open_ready().await;
    let child = world.spawn(&parent, "r1").await.unwrap();
    world.services.hibernate_session(&world.as_owner(), &parent).await.unwrap();
    world.sandboxes.gone(&parent, 1).await;
    world.services.terminate_session(&world.as_owner(), &child).await.unwrap();
    world.connect(&parent, 2).await;
    assert!(world.engine(&parent).await.turn.is_some());
}

#[tokio::test]
async fn an_agent_talks_to_other_sessions_of_its_owner() {
    let world = World::new().await;
    let parent = world.open_ready().await;
    let child = world.spawn(&parent, "r1").await.unwrap();
    world.connect(&child, 1).await;
    let say = async |id: &str, interrupt| {
        world.services.send_to_session(&request(&parent, id), &child, "and now?", interrupt).await.unwrap()
    };
    let first = say("r2", false).await;
    assert_eq!(say("r2", false).await, first);
    assert_eq!(world.engine(&child).await.queue.len(), 1);
    let steered = say("r3", true).await;
    let engine = world.engine(&child).await;
    assert!(engine.turn.is_some_and(|turn| turn.abort_deadline.is_some()));
    assert_eq!(engine.queue.iter().map(|queued| queued.id.clone()).collect::<Vec<MessageId>>(), [steered]);
    let read = world.services.read_session(&parent, &excerpt(&child)).await.unwrap();
    let said: Vec<&str> = read.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(said, ["do it", "and now?", "and now?"]);
    let rest = Excerpt { after: Some(read[0].id.clone()), limit: 1, ..excerpt(&child) };
    assert_eq!(world.services.read_session(&parent, &rest).await.unwrap(), [read[1].clone()]);
    let report = world.services.session_status(&parent, &child).await.unwrap();
    assert_eq!((report.session.id, report.facts.queued, report.recent), (child.clone(), 1, read));
    let nothing = Excerpt { after: Some(MessageId::parse("none").unwrap()), ..excerpt(&child) };
    assert!(matches!(world.services.read_session(&parent, &nothing).await, Err(Error::Invalid { .. })));
}

#[tokio::test]
async fn messages_are_copied_once_and_say_where_they_are_from() {
    let world = World::new().await;
    let parent = world.open().await.id;
    let child = world.spawn(&parent, "r1").await.unwrap();
    for _ in 0..2 {
        let forward = world.services.forward_messages(&request(&parent, "r2"), &excerpt(&child)).await;
        assert_eq!(forward, Ok(1));
    }
    let copies = world.transcript_of(&parent).await;
    assert_eq!(copies.len(), 1);
    assert_eq!((copies[0].role, copies[0].content.as_str()), (MessageRole::Assistant, "do it"));
    let Part::Forwarded(provenance) = &copies[0].parts[1] else { panic!("{copies:?}") };
    assert_eq!((&provenance.session, provenance.title.as_str(), provenance.role), (&child, "w", MessageRole::User));
}

#[tokio::test]
async fn sessions_of_others_are_as_if_there_were_none() {
    let world = World::new().await;
    let own = world.open().await.id;
    let (other, _) = world.somebody_elses().await;
    let (services, absent) = (&world.services, Error::NotFound { resource: "Session", id: other.to_string() });
    assert_eq!(services.send_to_session(&request(&own, "r1"), &other, "x", false).await, Err(absent.clone()));
    assert_eq!(services.read_session(&own, &excerpt(&other)).await, Err(absent.clone()));
    assert_eq!(services.forward_messages(&request(&own, "r2"), &excerpt(&other)).await, Err(absent.clone()));
    assert_eq!(services.session_status(&own, &other).await, Err(absent.clone()));
    assert_eq!(services.terminate_child(&own, &other).await, Err(absent));
    let itself = services.session_status(&own, &own).await;
    assert!(matches!(itself, Err(Error::Invalid { .. })), "{itself:?}");
}

#[tokio::test]
async fn only_its_parent_ends_a_child_by_request() {
    let world = World::new().await;
    let (parent, other) = (world.open().await.id, world.open().await.id);
    let child = world.spawn(&parent, "r1").await.unwrap();
    let refused = world.services.terminate_child(&other, &child).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    world.services.terminate_child(&parent, &child).await.unwrap();
    world.services.terminate_child(&parent, &child).await.unwrap();
    assert_eq!(world.session_of(&child).await.status, SessionStatus::Terminated);
    assert_eq!(world.engine(&child).await.queue_mode, QueueMode::Followup);
}

#[tokio::test]
async fn a_child_of_somebody_elses_session_is_theirs_and_its_opener_takes_part() {
    use portway_domain::sharing::ParticipantRole;
    let world = World::new().await;
    let (hers, secret) = world.somebody_elses().await;
    let new = || NewSession { workspace: "w".to_owned(), parent: Some(hers.clone()), ..NewSession::default() };
    let refused = world.services.open_session(&world.signed_in(), new()).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    let invite = async |role| {
        let context = world.services.context(&secret, Permission::Session(portway_domain::access::SessionRole::Owner));
        let admin = world.services.me(&world.signed_in()).await.unwrap();
        world.services.add_participant(&context, &hers, crate::sharing::Invitee::Id(admin.id), role).await.unwrap();
    };
    invite(ParticipantRole::Viewer).await;
    let refused = world.services.open_session(&world.signed_in(), new()).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    invite(ParticipantRole::Collaborator).await;
    let keyed = || world.with_key(world.signed_in(), "key", "digest");
    let child = world.services.open_session(&keyed(), new()).await.unwrap();
    assert_eq!(world.services.open_session(&keyed(), new()).await.unwrap(), child);
    assert_eq!(child.owner, world.session_of(&hers).await.owner);
    let roles: Vec<ParticipantRole> = world.engine(&child.id).await.participants.into_values().collect();
    assert_eq!(roles, [ParticipantRole::Collaborator]);
    assert_eq!(world.live_children(&hers).await, 1);
}
