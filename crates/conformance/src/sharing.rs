//! Who takes part in sessions, and links that let people in.

use portway_domain::access::SessionRole;
use portway_domain::engine::Change;
use portway_domain::ids::{SessionId, ShareLinkId, UserId};
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::sharing::{Participant, ParticipantRole, ShareLink, ShareToken};
use portway_domain::time::Timestamp;
use portway_domain::users::{Profile, User};
use portway_ports::commit::Write;
use portway_ports::pages::{Page, PageRequest};
use portway_ports::sessions::{MessageRange, Ownership, SessionFilter, SessionListItem};
use portway_ports::sharing::{ListedParticipant, ParticipantItem};

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, added, at, of, set};
use crate::samples::{audit, full_user, prompt, session};

const ALL: MessageRange = MessageRange { after: 0, limit: 100 };

/// Somebody takes part since a moment that is also the change counter.
fn participant(user: &UserId, role: ParticipantRole, by: &UserId, seconds: u32) -> Participant {
    let created_at = at(seconds.into());
    Participant { user: user.clone(), role, added_by: by.clone(), created_at, seq: seconds.into() }
}

fn let_in(session: &Session, who: &Person, role: ParticipantRole, seconds: u32) -> Write {
    of(&session.id, Change::ParticipantSet(participant(&who.user.id, role, &session.owner, seconds)))
}

fn removed(session: &Session, who: &Person) -> Write {
    of(&session.id, Change::ParticipantRemoved { user: who.user.id.clone() })
}

fn profile(user: &User) -> Profile {
    let User { id, email, name, avatar_url, .. } = user.clone();
    Profile { id, email, name, avatar_url }
}

/// The caller's role in a session, as every read tells it, and how many messages and entries of the audit log they see.
async fn seen(f: &Fixture, who: &Person, id: &SessionId) -> Outcome<(Option<SessionRole>, usize, usize)> {
    let (store, caller) = (&f.store, who.hash());
    let role = store.session(caller, id).await?.value.and_then(|access| access.role);
    let overview = store.session_overview(caller, id).await?.value;
    check_eq!(overview.and_then(|overview| overview.access.role), role);
    let state = store.session_state(caller, id, None, at(0)).await?.value;
    check_eq!(state.and_then(|state| state.access.role), role);
    let messages = store.messages(caller, id, ALL).await?.value;
    check_eq!(messages.as_ref().and_then(|(access, _)| access.role), role);
    let participants = store.participants(caller, id).await?.value;
    check_eq!(participants.as_ref().and_then(|found| found.access.role), role);
    check_eq!(participants.is_some_and(|found| found.owner.is_some()), role.is_some());
    let links = store.share_links(caller, id).await?.value;
    check_eq!(links.and_then(|(access, _)| access.role), role);
    let transcript = store.transcript(caller, id, 10).await?.value;
    check_eq!(transcript.as_ref().and_then(|transcript| transcript.access.role), role);
    let shown = transcript.map(|transcript| (transcript.messages, transcript.audit)).unwrap_or_default();
    check_eq!(messages.map(|(_, messages)| messages).unwrap_or_default(), shown.0);
    Ok((role, shown.0.len(), shown.1.len()))
}

pub(crate) async fn who_takes_part_sees_the_session(f: Fixture) -> Outcome {
    let (ada, bob, eve) = (f.person("ada").await?, f.person("bob").await?, f.person("eve").await?);
    let shared = f.session(&ada).await?;
    let contents = [Change::MessageAdded(prompt(f.id(), 1, "text", &ada.user)), Change::Audited(audit(f.id(), 2))];
    f.changed(&shared.id, contents).await?;
    let other = f.session(&ada).await?;
    check_eq!(seen(&f, &bob, &shared.id).await?, (None, 0, 0));
    for (role, expected) in [
        (ParticipantRole::Viewer, SessionRole::Viewer),
        (ParticipantRole::Collaborator, SessionRole::Collaborator),
        (ParticipantRole::Viewer, SessionRole::Viewer),
    ] {
        f.done([let_in(&shared, &bob, role, 3)]).await?;
        check_eq!(seen(&f, &bob, &shared.id).await?, (Some(expected), 1, 1));
    }
    check_eq!(seen(&f, &ada, &shared.id).await?, (Some(SessionRole::Owner), 1, 1));
    check_eq!(seen(&f, &eve, &shared.id).await?, (None, 0, 0));
    check_eq!(seen(&f, &bob, &other.id).await?, (None, 0, 0));
    f.done([removed(&shared, &bob)]).await?;
    check_eq!(seen(&f, &bob, &shared.id).await?, (None, 0, 0));
    Ok(())
}

pub(crate) async fn another_role_keeps_everything_else(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let session = f.session(&ada).await?;
    f.done([let_in(&session, &bob, ParticipantRole::Viewer, 1)]).await?;
    f.done([let_in(&session, &bob, ParticipantRole::Collaborator, 2)]).await?;
    let others = f.store.participants(ada.hash(), &session.id).await?.value.map(|found| found.others);
    let expected = participant(&bob.user.id, ParticipantRole::Collaborator, &ada.user.id, 1);
    check_eq!(others, Some(vec![ParticipantItem { participant: expected, profile: profile(&bob.user) }]));
    Ok(())
}

pub(crate) async fn who_or_what_does_not_exist_is_not_shared(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let there = f.session(&ada).await?;
    let absent = session(f.id(), &ada.user.id, at(0));
    f.refused(let_in(&absent, &bob, ParticipantRole::Viewer, 1)).await?;
    f.unchanged(&there.id, Change::ParticipantSet(participant(&f.id(), ParticipantRole::Viewer, &ada.user.id, 1)))
        .await?;
    f.refused(removed(&there, &bob)).await?;
    f.done([let_in(&there, &bob, ParticipantRole::Viewer, 1), removed(&there, &bob)]).await?;
    f.refused(removed(&there, &bob)).await?;
    Ok(())
}

async fn listed(f: &Fixture, who: &Person, filter: SessionFilter, page: PageRequest) -> Outcome<Page<SessionListItem>> {
    Ok(f.store.sessions(who.hash(), filter, page).await?.value)
}

fn ids(page: &Page<SessionListItem>) -> Vec<SessionId> {
    page.items.iter().map(|item| item.session.id.clone()).collect()
}

pub(crate) async fn shared_sessions_are_listed_among_ones_own(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let mut expected = Vec::new();
    for number in 0..9 {
        let owner = if number % 3 == 0 { &bob } else { &ada };
        let session = f.session_at(owner, at(i64::from(number / 2))).await?;
        match number % 3 {
            0 => expected.push(session),
            1 => {
                f.done([let_in(&session, &bob, ParticipantRole::Viewer, 100 - number)]).await?;
                expected.push(session);
            }
            _ => {}
        }
    }
    expected.sort_by(|left, right| (right.created_at, &right.id).cmp(&(left.created_at, &left.id)));
    for ownership in [Ownership::All, Ownership::Mine, Ownership::Shared] {
        let belongs = |session: &&Session| match ownership {
            Ownership::All => true,
            Ownership::Mine => session.owner == bob.user.id,
            Ownership::Shared => session.owner != bob.user.id,
        };
        let expected: Vec<SessionId> = expected.iter().filter(belongs).map(|session| session.id.clone()).collect();
        let filter = SessionFilter { status: None, ownership };
        check_eq!(ids(&listed(&f, &bob, filter, PageRequest::new(10, None)).await?), expected, "{ownership:?}");
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = listed(&f, &bob, filter, PageRequest::new(2, after)).await?;
            check!(page.items.len() <= 2);
            paged.extend(ids(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        check_eq!(paged, expected, "{ownership:?}");
    }
    Ok(())
}

pub(crate) async fn a_list_names_owners_and_participants(f: Fixture) -> Outcome {
    let (bob, eve) = (f.person("bob").await?, f.person("eve").await?);
    let user = full_user(f.id(), "full@example.org");
    let token = crate::samples::token(f.id(), &user.id, "key", portway_domain::tokens::TokenKind::Api, at(0));
    f.done([Write::AddUser(user.clone()), Write::AddToken(token.clone())]).await?;
    let ada = Person { user, token };
    let (session, alone) = (f.session_at(&ada, at(1)).await?, f.session_at(&ada, at(0)).await?);
    f.done([
        let_in(&session, &eve, ParticipantRole::Collaborator, 5),
        let_in(&session, &bob, ParticipantRole::Viewer, 4),
    ])
    .await?;
    let participant = |who: &Person, role| ListedParticipant { profile: profile(&who.user), role };
    let expected = [participant(&bob, ParticipantRole::Viewer), participant(&eve, ParticipantRole::Collaborator)];
    for (caller, count) in [(&ada, 2), (&bob, 1), (&eve, 1)] {
        let page = listed(&f, caller, SessionFilter::default(), PageRequest::new(10, None)).await?;
        check_eq!(page.items.len(), count);
        let item = &page.items[0];
        check_eq!(item.session, session);
        check_eq!(item.participants, expected);
        let owner = (&item.owner_name, &item.owner_email, &item.owner_avatar_url);
        check_eq!(owner, (&ada.user.name, &ada.user.email, &ada.user.avatar_url));
    }
    let page = listed(&f, &ada, SessionFilter::default(), PageRequest::new(10, None)).await?;
    check_eq!((&page.items[1].session, page.items[1].participants.len()), (&alone, 0));
    f.done([removed(&session, &bob), removed(&session, &eve)]).await?;
    let page = listed(&f, &ada, SessionFilter::default(), PageRequest::new(10, None)).await?;
    check!(page.items.iter().all(|item| item.participants.is_empty()));
    Ok(())
}

pub(crate) async fn shared_sessions_are_filtered_by_status(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let mut sessions = Vec::new();
    for status in [SessionStatus::Running, SessionStatus::Error, SessionStatus::Running] {
        let one = Session { status, ..session(f.id(), &ada.user.id, at(0)) };
        f.done([added(&one), let_in(&one, &bob, ParticipantRole::Viewer, 0)]).await?;
        sessions.push(one.id);
    }
    for (status, expected) in [(SessionStatus::Error, vec![&sessions[1]]), (SessionStatus::Archived, Vec::new())] {
        let filter = SessionFilter { status: Some(status), ownership: Ownership::All };
        let page = listed(&f, &bob, filter, PageRequest::new(10, None)).await?;
        check_eq!(ids(&page).iter().collect::<Vec<_>>(), expected);
    }
    Ok(())
}

/// A link of a session; the number makes it another one.
pub(crate) fn link(id: ShareLinkId, session: &SessionId, by: &UserId, number: u8) -> ShareLink {
    ShareLink {
        id,
        session: session.clone(),
        token: ShareToken::new([number; 32]),
        role: ParticipantRole::Viewer,
        created_by: by.clone(),
        created_at: at(number.into()),
        expires_at: None,
        max_uses: None,
        uses: 0,
        is_active: true,
    }
}

async fn links(f: &Fixture, who: &Person, session: &SessionId) -> Outcome<Vec<ShareLink>> {
    Ok(f.store.share_links(who.hash(), session).await?.value.map(|(_, links)| links).unwrap_or_default())
}

async fn by_token(f: &Fixture, who: &Person, link: &ShareLink) -> Outcome<Option<ShareLink>> {
    let seen = f.store.share_link(who.hash(), &link.token).await?;
    check!(seen.caller.is_some());
    Ok(seen.value)
}

pub(crate) async fn links_are_listed_newest_first_and_found_by_token(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let plain = link(f.id(), &session.id, &ada.user.id, 1);
    let full = ShareLink {
        role: ParticipantRole::Collaborator,
        expires_at: Some(Timestamp::from_micros(1_771_927_200_123_456)),
        max_uses: Some(u32::MAX),
        uses: 7,
        ..link(f.id(), &session.id, &ada.user.id, 2)
    };
    let elsewhere = link(f.id(), &other.id, &ada.user.id, 3);
    f.done([plain.clone(), full.clone(), elsewhere.clone()].map(Write::AddShareLink)).await?;
    check_eq!(links(&f, &ada, &session.id).await?, [full.clone(), plain.clone()]);
    check_eq!(by_token(&f, &bob, &full).await?, Some(full));
    check_eq!(by_token(&f, &bob, &link(f.id(), &session.id, &ada.user.id, 9)).await?, None);
    check_eq!(f.store.share_link(&portway_domain::tokens::TokenHash::of("x"), &plain.token).await?.value, None);
    check_eq!(links(&f, &bob, &session.id).await?, []);
    Ok(())
}

pub(crate) async fn a_link_is_revoked_once_and_in_its_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let made = link(f.id(), &session.id, &ada.user.id, 1);
    f.done([Write::AddShareLink(made.clone())]).await?;
    let revoke = |session: &Session| Write::RevokeShareLink { id: made.id.clone(), session: session.id.clone() };
    f.refused(revoke(&other)).await?;
    f.done([revoke(&session)]).await?;
    f.refused(revoke(&session)).await?;
    check_eq!(links(&f, &ada, &session.id).await?, []);
    check_eq!(by_token(&f, &ada, &made).await?, Some(ShareLink { is_active: false, ..made.clone() }));
    f.refused(Write::UseShareLink { id: made.id.clone(), at: at(1) }).await?;
    Ok(())
}

pub(crate) async fn a_taken_link_conflicts_and_needs_its_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let first = link(f.id(), &session.id, &ada.user.id, 1);
    f.done([Write::AddShareLink(first.clone())]).await?;
    let same_id = link(first.id.clone(), &session.id, &ada.user.id, 2);
    let same_token = link(f.id(), &session.id, &ada.user.id, 1);
    let orphan = link(f.id(), &f.id(), &ada.user.id, 3);
    for refused in [same_id, same_token, orphan] {
        f.refused(Write::AddShareLink(refused)).await?;
    }
    check_eq!(links(&f, &ada, &session.id).await?, [first]);
    Ok(())
}

pub(crate) async fn a_link_is_used_until_it_is_used_up_or_expires(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let made = |number, max_uses, expires_at| ShareLink {
        max_uses,
        expires_at,
        ..link(f.id(), &session.id, &ada.user.id, number)
    };
    let (twice, short, endless) = (made(1, Some(2), None), made(2, None, Some(at(10))), made(3, None, None));
    f.done([&twice, &short, &endless].map(|link| Write::AddShareLink(link.clone()))).await?;
    let used = |link: &ShareLink, seconds| Write::UseShareLink { id: link.id.clone(), at: at(seconds) };
    f.done([used(&twice, 1)]).await?;
    f.done([used(&twice, 2)]).await?;
    f.refused(used(&twice, 3)).await?;
    f.done([used(&short, 9)]).await?;
    f.refused(used(&short, 10)).await?;
    f.done([used(&endless, 1_000_000), used(&endless, 1_000_000)]).await?;
    f.refused(Write::UseShareLink { id: f.id(), at: at(0) }).await?;
    for (link, uses) in [(twice, 2), (short, 1), (endless, 2)] {
        check_eq!(by_token(&f, &ada, &link).await?.map(|link| link.uses), Some(uses));
    }
    Ok(())
}

pub(crate) async fn a_link_lets_in_exactly_as_many_as_it_may(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let made = ShareLink { max_uses: Some(3), ..link(f.id(), &session.id, &ada.user.id, 1) };
    f.done([Write::AddShareLink(made.clone())]).await?;
    let mut sets = Vec::new();
    for number in 0..8 {
        let who = f.person(&format!("p{number}")).await?;
        let used = Write::UseShareLink { id: made.id.clone(), at: at(1) };
        sets.push(set([let_in(&session, &who, ParticipantRole::Viewer, 1), used]));
    }
    check_eq!(f.winners(sets).await?, 3);
    check_eq!(by_token(&f, &ada, &made).await?.map(|link| link.uses), Some(3));
    let others = f.store.participants(ada.hash(), &session.id).await?.value.map(|found| found.others.len());
    check_eq!(others, Some(3));
    Ok(())
}
