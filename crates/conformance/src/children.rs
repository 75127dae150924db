//! Sessions that a session opened.

use portway_domain::access::SessionRole;
use portway_domain::engine::Change;
use portway_domain::ids::SessionId;
use portway_domain::messages::{Message, MessageRole};
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::sharing::{Participant, ParticipantRole};
use portway_domain::tunnels::Exposure;
use portway_ports::Stored;
use portway_ports::children::{ChildFilter, ChildPage, ChildSummary};
use portway_ports::commit::Write;
use portway_ports::pages::PageRequest;
use portway_ports::sessions::MessageRange;

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, added, at, of, set};
use crate::idempotency::remembered;
use crate::samples::{exposure, note, opened, segment, session};

/// A child that was opened at a time.
async fn child(f: &Fixture, parent: &Session, status: SessionStatus, seconds: i64) -> Outcome<Session> {
    let title = Some(format!("child {seconds}"));
    let plain = session(f.id(), &parent.owner, at(seconds));
    let child = Session { parent: Some(parent.id.clone()), status, title, ..plain };
    f.done([added(&child)]).await?;
    Ok(child)
}

fn summary(child: &Session) -> ChildSummary {
    let Session { id, title, status, workspace, created_at, .. } = child.clone();
    ChildSummary { id, title, status, workspace, created_at, exposure: Exposure::default() }
}

/// The list as the caller and as the gateway itself see it.
async fn listed(
    f: &Fixture,
    who: &Person,
    parent: &SessionId,
    filter: ChildFilter,
    page: PageRequest,
) -> Outcome<ChildPage> {
    let own = f.store.children_of(parent, filter, page.clone()).await?;
    let seen = f.store.children(who.hash(), parent, filter, page).await?;
    check_eq!(seen.caller.map(|caller| caller.user), Some(who.user.id.clone()));
    check_eq!(seen.value.map(|(_, listed)| listed), Some(own.clone()));
    Ok(own)
}

pub(crate) async fn children_are_listed_newest_first_and_counted_on_every_page(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (parent, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let mut expected = Vec::new();
    for seconds in [1, 2, 3, 3, 3, 4, 9] {
        expected.push(summary(&child(&f, &parent, SessionStatus::Running, seconds).await?));
    }
    child(&f, &other, SessionStatus::Running, 5).await?;
    expected.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
    for limit in [1, 2, 3, 7, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = listed(&f, &ada, &parent.id, ChildFilter::All, PageRequest::new(limit, after)).await?;
            check_eq!(page.total, 7);
            check!(page.page.items.len() <= limit as usize);
            found.extend(page.page.items);
            after = page.page.next;
            if after.is_none() {
                break;
            }
        }
        check_eq!(found, expected, "pages of {limit}");
    }
    Ok(())
}

pub(crate) async fn children_are_filtered_by_what_they_are(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let parent = f.session(&ada).await?;
    let mut children = Vec::new();
    for (seconds, status) in (0..).zip(SessionStatus::ALL) {
        children.push(summary(&child(&f, &parent, status, seconds).await?));
    }
    children.reverse();
    let page = || PageRequest::new(100, None);
    let live: Vec<_> = children.iter().filter(|child| !child.status.is_ended()).cloned().collect();
    let found = listed(&f, &ada, &parent.id, ChildFilter::Live, page()).await?;
    check_eq!((found.page.items, found.total), (live, 5));
    let second = listed(&f, &ada, &parent.id, ChildFilter::Live, PageRequest::new(2, None)).await?;
    let rest = PageRequest::new(100, second.page.next);
    check_eq!(listed(&f, &ada, &parent.id, ChildFilter::Live, rest).await?.page.items.len(), 3);
    for status in SessionStatus::ALL {
        let found = listed(&f, &ada, &parent.id, ChildFilter::Status(status), page()).await?;
        let expected: Vec<_> = children.iter().filter(|child| child.status == status).cloned().collect();
        check_eq!((found.page.items, found.total), (expected, 1));
    }
    Ok(())
}

pub(crate) async fn how_a_sandbox_is_reached_is_read_with_its_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let parent = f.session(&ada).await?;
    let (reached, other) =
        (child(&f, &parent, SessionStatus::Running, 2).await?, child(&f, &parent, SessionStatus::Running, 1).await?);
    let Stored { version, value: mut engine } = f.engine(&reached.id).await?;
    engine.runner.exposure = exposure();
    f.done([Write::SetEngine { engine, version }]).await?;
    let found = listed(&f, &ada, &parent.id, ChildFilter::All, PageRequest::new(100, None)).await?;
    check_eq!(found.page.items, [ChildSummary { exposure: exposure(), ..summary(&reached) }, summary(&other)]);
    for (session, expected) in [(&reached, exposure()), (&other, Exposure::default())] {
        let overview = f.store.session_overview(ada.hash(), &session.id).await?.value;
        check_eq!(overview.map(|overview| overview.exposure), Some(expected));
    }
    Ok(())
}

pub(crate) async fn only_who_takes_part_sees_children(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let parent = f.session(&ada).await?;
    let born = child(&f, &parent, SessionStatus::Running, 1).await?;
    let (store, page) = (&f.store, PageRequest::new(100, None));
    let seen = store.children(bob.hash(), &parent.id, ChildFilter::All, page.clone()).await?.value;
    let seen = seen.map(|(access, listed)| (access.role, listed.page.items, listed.total));
    check_eq!(seen, Some((None, Vec::new(), 0)));
    let participant = Participant {
        user: bob.user.id.clone(),
        role: ParticipantRole::Viewer,
        added_by: ada.user.id.clone(),
        created_at: at(2),
        seq: 2,
    };
    f.changed(&parent.id, [Change::ParticipantSet(participant)]).await?;
    let seen = store.children(bob.hash(), &parent.id, ChildFilter::All, page.clone()).await?.value;
    let seen = seen.map(|(access, listed)| (access.role, listed.total));
    check_eq!(seen, Some((Some(SessionRole::Viewer), 1)));
    // That is no way into the child.
    check_eq!(store.session(bob.hash(), &born.id).await?.value.and_then(|access| access.role), None);
    check_eq!(store.children(ada.hash(), &f.id(), ChildFilter::All, page).await?.value, None);
    Ok(())
}

pub(crate) async fn a_child_names_its_parent_and_is_no_active_session_of_its_owner(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let parent = f.session(&ada).await?;
    let born = child(&f, &parent, SessionStatus::Running, 1).await?;
    check_eq!(f.store.engine(&born.id).await?.map(|(session, _)| session), Some(born));
    check_eq!(f.store.opening(ada.hash(), None, at(0)).await?.value.map(|opening| opening.active), Some(1));
    Ok(())
}

pub(crate) async fn a_family_is_an_owner_and_the_children_that_live(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let parent = f.session(&ada).await?;
    for (seconds, status) in (0..).zip(SessionStatus::ALL) {
        child(&f, &parent, status, seconds).await?;
    }
    let (hers, his) = (remembered(&ada, "key", 0, 60), remembered(&bob, "other", 0, 60));
    f.done([Write::Remember(hers.clone()), Write::Remember(his)]).await?;
    for (key, now, expected) in
        [(Some("key"), 59, Some(hers)), (Some("key"), 60, None), (Some("other"), 0, None), (None, 0, None)]
    {
        let family = f.store.family(&parent.id, key, at(now)).await?;
        let family = family.map(|family| (family.owner.id, family.live, family.remembered));
        check_eq!(family, Some((ada.user.id.clone(), 5, expected)), "{key:?} at {now}");
    }
    check_eq!(f.store.family(&f.id(), None, at(0)).await?, None);
    Ok(())
}

pub(crate) async fn the_gateway_reads_messages_of_any_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let mut expected: Vec<Message> = (1..=4).map(|position| note(f.id(), position)).collect();
    f.changed(&session.id, expected.iter().cloned().map(Change::MessageAdded)).await?;
    let open = opened(f.id(), 5);
    let text = segment(&open.id, "so far");
    f.changed(&session.id, [Change::MessageAdded(open.clone()), Change::TextAppended(text)]).await?;
    let range = MessageRange { after: 1, limit: 2 };
    check_eq!(f.store.messages_of(&session.id, range).await?, expected[1..3]);
    let newest = f.store.newest_messages(&session.id, 3).await?;
    check_eq!(newest.len(), 3);
    check_eq!(newest[..2], expected.split_off(2));
    check_eq!((newest[2].role, newest[2].content.as_str()), (MessageRole::Assistant, "so far"));
    check_eq!(f.store.newest_messages(&f.id(), 3).await?, []);
    Ok(())
}

pub(crate) async fn a_child_is_not_opened_by_a_session_that_ends_at_the_same_time(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    for _ in 0..8 {
        let parent = f.session(&ada).await?;
        let mut engine = f.engine(&parent.id).await?.value;
        engine.has_children = true;
        let born = Session { parent: Some(parent.id.clone()), ..session(f.id(), &ada.user.id, at(1)) };
        let opens = set([Write::SetEngine { engine: engine.clone(), version: 1 }, added(&born)]);
        engine.status = SessionStatus::Terminated;
        let ended =
            Change::SessionTouched { status: Some(SessionStatus::Terminated), error: None, title: None, at: at(2) };
        let ends = set([Write::SetEngine { engine, version: 1 }, of(&parent.id, ended)]);
        check_eq!(f.winners([opens, ends]).await?, 1);
        let is_there = f.store.engine(&born.id).await?.is_some();
        let has_ended = f.engine(&parent.id).await?.value.status.is_ended();
        check!(is_there != has_ended);
    }
    Ok(())
}
