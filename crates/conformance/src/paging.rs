//! Pages of the list of sessions.

use portway_domain::ids::SessionId;
use portway_domain::sessions::{Session, SessionStatus};
use portway_domain::time::Timestamp;
use portway_ports::pages::{Cursor, MAX_PAGE, Page, PageRequest};
use portway_ports::sessions::{Ownership, SessionFilter, SessionListItem};

use crate::failure::Outcome;
use crate::fixture::{Fixture, Person, added, at};
use crate::samples::session;

const RUNNING: SessionFilter = SessionFilter { status: Some(SessionStatus::Running), ownership: Ownership::All };

async fn page(
    f: &Fixture,
    caller: &Person,
    filter: SessionFilter,
    limit: u32,
    after: Option<Cursor>,
) -> Outcome<Page<SessionListItem>> {
    let page = f.store.sessions(caller.hash(), filter, PageRequest::new(limit, after)).await?.value;
    check!(page.items.len() <= limit as usize);
    check!(page.next.is_none() || page.items.len() == limit as usize, "a page before the last one is full");
    Ok(page)
}

fn ids(page: &Page<SessionListItem>) -> Vec<SessionId> {
    page.items.iter().map(|item| item.session.id.clone()).collect()
}

/// Reads page after page to the end; each cursor goes through its text form, as clients do it.
async fn walk(f: &Fixture, caller: &Person, filter: SessionFilter, limit: u32) -> Outcome<Vec<SessionId>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = page(f, caller, filter, limit, after).await?;
        all.extend(ids(&page));
        match page.next {
            None => return Ok(all),
            Some(next) => {
                let text = next.to_string();
                check_eq!(Cursor::parse(&text), Ok(next));
                after = Cursor::parse(&text).ok();
            }
        }
        check!(all.len() <= 1_000, "the pages do not end");
    }
}

/// Adds sessions with these times, not in their order, and answers the ids newest first.
async fn filled(f: &Fixture, owner: &Person, times: &[Timestamp]) -> Outcome<Vec<SessionId>> {
    let mut sessions: Vec<Session> = times.iter().map(|time| session(f.id(), &owner.user.id, *time)).collect();
    let middle = sessions.len() / 2;
    f.done(sessions[middle..].iter().chain(&sessions[..middle]).map(added)).await?;
    sessions.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    Ok(sessions.into_iter().map(|session| session.id).collect())
}

pub(crate) async fn every_page_size_gives_every_row_once(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let times: Vec<Timestamp> = [5, 1, 3, 3, 3, 9, 2].map(at).to_vec();
    filled(&f, &bob, &times).await?;
    let expected = filled(&f, &ada, &times).await?;
    for limit in 1..=9 {
        check_eq!(walk(&f, &ada, SessionFilter::default(), limit).await?, expected, "pages of {limit}");
    }
    Ok(())
}

pub(crate) async fn rows_of_one_moment_are_ordered_by_id(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let expected = filled(&f, &ada, &[at(0); 6]).await?;
    let mut sorted = expected.clone();
    sorted.sort();
    sorted.reverse();
    check_eq!(expected, sorted);
    for limit in 1..=6 {
        check_eq!(walk(&f, &ada, SessionFilter::default(), limit).await?, expected, "pages of {limit}");
    }
    Ok(())
}

pub(crate) async fn new_rows_do_not_disturb_a_reader(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let expected = filled(&f, &ada, &[1, 2, 3, 4].map(at)).await?;
    let first = page(&f, &ada, SessionFilter::default(), 2, None).await?;
    check_eq!(ids(&first), expected[..2]);
    // Newer ones are on no later page; one that sorts behind the cursor is.
    f.session_at(&ada, at(9)).await?;
    let late = f.session_at(&ada, at(0)).await?;
    let second = page(&f, &ada, SessionFilter::default(), 2, first.next).await?;
    check_eq!(ids(&second), expected[2..]);
    let third = page(&f, &ada, SessionFilter::default(), 2, second.next).await?;
    check_eq!(ids(&third), [late.id]);
    check_eq!(third.next, None);
    Ok(())
}

pub(crate) async fn a_vanished_cursor_row_does_not_matter(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let expected = filled(&f, &ada, &[1, 2, 4].map(at)).await?;
    let after = Some(Cursor { at: at(3), id: "nothing-has-this-id".to_owned() });
    check_eq!(ids(&page(&f, &ada, SessionFilter::default(), 10, after).await?), expected[1..]);
    Ok(())
}

pub(crate) async fn a_filter_is_kept_from_page_to_page(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let mut running = Vec::new();
    for number in 0..10 {
        let status = if number % 2 == 0 { SessionStatus::Running } else { SessionStatus::Terminated };
        let session = Session { status, ..session(f.id(), &ada.user.id, at(number / 4)) };
        f.done([added(&session)]).await?;
        if status == SessionStatus::Running {
            running.push(session.id);
        }
    }
    running.reverse();
    for limit in 1..=6 {
        check_eq!(walk(&f, &ada, RUNNING, limit).await?, running, "pages of {limit}");
    }
    Ok(())
}

pub(crate) async fn a_page_past_the_end_is_empty(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    check_eq!(page(&f, &ada, SessionFilter::default(), 10, None).await?, Page::empty());
    f.session(&ada).await?;
    check_eq!(page(&f, &ada, RUNNING, 10, None).await?, Page::empty());
    let after = Some(Cursor { at: at(-1), id: "z".to_owned() });
    check_eq!(page(&f, &ada, SessionFilter::default(), 10, after).await?, Page::empty());
    Ok(())
}

pub(crate) async fn the_largest_page_has_a_hundred_rows(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let times: Vec<Timestamp> = (0..103).map(at).collect();
    let expected = filled(&f, &ada, &times).await?;
    let first = f.store.sessions(ada.hash(), SessionFilter::default(), PageRequest::new(u32::MAX, None)).await?.value;
    check_eq!(first.items.len(), MAX_PAGE as usize);
    check!(first.next.is_some());
    check_eq!(walk(&f, &ada, SessionFilter::default(), MAX_PAGE).await?, expected);
    Ok(())
}
