//! Sessions and their lists.

use portway_domain::access::SessionRole;
use portway_domain::engine::Change;
use portway_domain::ids::SessionId;
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::users::User;
use portway_ports::commit::Write;
use portway_ports::pages::PageRequest;
use portway_ports::sessions::{Ownership, SessionAccess, SessionFilter};

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, added, at};
use crate::samples::{full_session, full_user, prompt, session, token};

async fn found(f: &Fixture, caller: &Person, id: &SessionId) -> Outcome<Option<SessionAccess>> {
    Ok(f.store.session(caller.hash(), id).await?.value)
}

fn owned(session: &Session) -> Option<SessionAccess> {
    Some(SessionAccess { session: session.clone(), role: Some(SessionRole::Owner) })
}

fn touched(status: Option<SessionStatus>, error: Option<&str>, title: Option<&str>, seconds: i64) -> Change {
    Change::SessionTouched { status, error: error.map(str::to_owned), title: title.map(str::to_owned), at: at(seconds) }
}

pub(crate) async fn an_added_session_is_found(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let full = full_session(f.id(), &ada.user.id);
    f.done([added(&full)]).await?;
    check_eq!(found(&f, &ada, &full.id).await?, owned(&full));
    check_eq!(f.store.engine(&full.id).await?.map(|(session, _)| session), Some(full));
    Ok(())
}

pub(crate) async fn a_plain_session_is_found(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let plain = f.session(&ada).await?;
    check_eq!(found(&f, &ada, &plain.id).await?, owned(&plain));
    let state = f.store.session_state(ada.hash(), &plain.id, None, at(0)).await?.value;
    check_eq!(state.map(|state| state.access), owned(&plain));
    let overview = f.store.session_overview(ada.hash(), &plain.id).await?.value;
    check_eq!(overview.map(|overview| overview.access), owned(&plain));
    Ok(())
}

pub(crate) async fn an_absent_session_is_none(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    f.session(&ada).await?;
    let absent: SessionId = f.id();
    let seen = f.store.session(ada.hash(), &absent).await?;
    check!(seen.caller.is_some() && seen.value.is_none());
    let seen = f.store.session_state(ada.hash(), &absent, None, at(0)).await?;
    check!(seen.caller.is_some() && seen.value.is_none());
    let seen = f.store.session_overview(ada.hash(), &absent).await?;
    check!(seen.caller.is_some() && seen.value.is_none());
    let seen = f.store.transcript(ada.hash(), &absent, 10).await?;
    check!(seen.caller.is_some() && seen.value.is_none());
    check_eq!(f.store.engine(&absent).await?, None);
    Ok(())
}

pub(crate) async fn a_taken_id_conflicts(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let first = f.session(&ada).await?;
    f.refused(added(&session(first.id.clone(), &bob.user.id, at(9)))).await?;
    check_eq!(found(&f, &ada, &first.id).await?, owned(&first));
    Ok(())
}

pub(crate) async fn a_session_needs_its_owner(f: Fixture) -> Outcome {
    let orphan = session(f.id(), &f.id(), at(0));
    f.refused(added(&orphan)).await?;
    check_eq!(f.store.engine(&orphan.id).await?, None);
    Ok(())
}

pub(crate) async fn the_list_is_newest_first_and_names_the_owner(f: Fixture) -> Outcome {
    let user = full_user(f.id(), "full@example.org");
    let key = token(f.id(), &user.id, "key", portway_domain::tokens::TokenKind::Api, at(0));
    f.done([Write::AddUser(user.clone()), Write::AddToken(key.clone())]).await?;
    let ada = Person { user, token: key };
    let mut sessions = Vec::new();
    for opened in [2, 3, 1] {
        sessions.push(f.session_at(&ada, at(opened)).await?);
    }
    let seen = f.store.sessions(ada.hash(), SessionFilter::default(), PageRequest::new(10, None)).await?;
    check_eq!(seen.caller.map(|caller| caller.user), Some(ada.user.id.clone()));
    check_eq!(seen.value.next, None);
    let User { name, email, avatar_url, .. } = &ada.user;
    for item in &seen.value.items {
        let owner = (&item.owner_name, &item.owner_email, &item.owner_avatar_url);
        check_eq!(owner, (name, email, avatar_url));
    }
    let listed: Vec<Session> = seen.value.items.into_iter().map(|item| item.session).collect();
    check_eq!(listed, [sessions[1].clone(), sessions[0].clone(), sessions[2].clone()]);
    Ok(())
}

pub(crate) async fn the_list_filters_by_status(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    for status in SessionStatus::ALL {
        f.done([added(&Session { status, ..session(f.id(), &ada.user.id, at(0)) })]).await?;
    }
    for status in SessionStatus::ALL {
        let filter = SessionFilter { status: Some(status), ownership: Ownership::Mine };
        let page = f.store.sessions(ada.hash(), filter, PageRequest::new(10, None)).await?.value;
        let listed: Vec<SessionStatus> = page.items.iter().map(|item| item.session.status).collect();
        check_eq!(listed, [status]);
    }
    Ok(())
}

pub(crate) async fn a_touch_changes_what_it_names(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (mut expected, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let id = expected.id.clone();
    f.changed(&id, [touched(None, None, None, 5)]).await?;
    expected.last_active_at = at(5);
    check_eq!(found(&f, &ada, &id).await?, owned(&expected));
    f.changed(&id, [touched(None, None, Some("Title"), 6)]).await?;
    expected.last_active_at = at(6);
    expected.title = Some("Title".to_owned());
    check_eq!(found(&f, &ada, &id).await?, owned(&expected));
    f.changed(&id, [touched(Some(SessionStatus::Error), Some("It broke"), None, 7)]).await?;
    expected.last_active_at = at(7);
    expected.status = SessionStatus::Error;
    expected.error_message = Some("It broke".to_owned());
    check_eq!(found(&f, &ada, &id).await?, owned(&expected));
    check_eq!(found(&f, &ada, &other.id).await?, owned(&other));
    Ok(())
}

pub(crate) async fn a_new_status_clears_the_error(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let broken = full_session(f.id(), &ada.user.id);
    f.done([added(&broken)]).await?;
    f.changed(&broken.id, [touched(None, None, Some("Title"), 70)]).await?;
    let error = |access: Option<SessionAccess>| access.and_then(|access| access.session.error_message);
    check_eq!(error(found(&f, &ada, &broken.id).await?), broken.error_message);
    f.changed(&broken.id, [touched(Some(SessionStatus::Terminated), None, None, 71)]).await?;
    check_eq!(error(found(&f, &ada, &broken.id).await?), None);
    Ok(())
}

pub(crate) async fn a_touch_needs_the_session(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    f.session(&ada).await?;
    f.unchanged(&f.id(), touched(None, None, Some("Title"), 5)).await
}

pub(crate) async fn active_sessions_are_counted(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let active = |caller: &Person| {
        let (store, hash) = (f.store.clone(), caller.hash().clone());
        async move { Outcome::Ok(store.opening(&hash, None, at(0)).await?.value.map(|opening| opening.active)) }
    };
    check_eq!(active(&ada).await?, Some(0));
    for status in SessionStatus::ALL {
        f.done([added(&Session { status, ..session(f.id(), &ada.user.id, at(0)) })]).await?;
    }
    f.session(&bob).await?;
    check_eq!(active(&ada).await?, Some(3));
    check_eq!(active(&bob).await?, Some(1));
    let opening = f.store.opening(ada.hash(), None, at(0)).await?.value;
    check_eq!(opening.map(|opening| (opening.user, opening.remembered)), Some((ada.user.clone(), None)));
    Ok(())
}

pub(crate) async fn a_removed_session_leaves_nothing(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (gone, kept) = (f.session(&ada).await?, f.session(&ada).await?);
    for of in [&gone, &kept] {
        let messages = (1..=5).map(|place| Change::MessageAdded(prompt(f.id(), place, "hello", &ada.user)));
        f.changed(&of.id, messages).await?;
        f.done([Write::SetDeadline { session: of.id.clone(), due_at: Some(at(1)) }]).await?;
    }
    f.done([Write::RemoveMessages { session: gone.id.clone(), limit: 3 }]).await?;
    let left = f.store.newest_messages(&gone.id, 10).await?;
    check_eq!(left.iter().map(|message| message.position).collect::<Vec<_>>(), [4, 5]);
    f.done([Write::RemoveSession { id: gone.id.clone() }]).await?;
    check_eq!(f.store.engine(&gone.id).await?, None);
    check_eq!(f.store.newest_messages(&gone.id, 10).await?, []);
    check_eq!(found(&f, &ada, &gone.id).await?, None);
    check_eq!(f.store.newest_messages(&kept.id, 10).await?.len(), 5);
    check_eq!(found(&f, &ada, &kept.id).await?, owned(&kept));
    // There are none.
    f.done([Write::RemoveMessages { session: gone.id.clone(), limit: 3 }]).await?;
    f.refused(Write::RemoveSession { id: gone.id }).await
}
