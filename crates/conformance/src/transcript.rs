//! Messages that are finished, and the audit log.

use portway_domain::channels::Channel;
use portway_domain::engine::{AuditEntry, Change};
use portway_domain::ids::MessageId;
use portway_domain::messages::{Author, FinishReason, Message, MessageRole, Part, PlanEntry, ToolStatus};
use portway_domain::search::Query;
use portway_domain::sessions::Session;
use portway_ports::commit::Commit;
use portway_ports::pages::MAX_PAGE;
use portway_ports::search::MessageSearch;
use portway_ports::sessions::{AuditPage, MessageRange, Transcript};

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, Person, at, of};
use crate::samples::{audit, note, prompt, tool_call};

pub(crate) async fn transcript(f: &Fixture, caller: &Person, session: &Session) -> Outcome<Transcript> {
    let found = f.store.transcript(caller.hash(), &session.id, 100).await?.value;
    found.ok_or_else(|| Failure::new("there is no transcript"))
}

async fn range(f: &Fixture, caller: &Person, session: &Session, after: u64, limit: u32) -> Outcome<Vec<u64>> {
    let found = f.store.messages(caller.hash(), &session.id, MessageRange { after, limit }).await?.value;
    let (access, messages) = found.ok_or_else(|| Failure::new("there are no messages"))?;
    check_eq!(access.session, *session);
    Ok(messages.iter().map(|message| message.position).collect())
}

pub(crate) async fn messages_come_in_the_order_of_their_places(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    // Neither the order of ids nor that of times nor that of writing.
    let mut messages: Vec<Message> = [12, 2, 30, 100, 9].iter().map(|position| note(f.id(), *position)).collect();
    messages[1].created_at = at(100);
    f.changed(&session.id, messages.iter().cloned().map(Change::MessageAdded)).await?;
    messages.sort_by_key(|message| message.position);
    check_eq!(transcript(&f, &ada, &session).await?.messages, messages);
    Ok(())
}

pub(crate) async fn every_field_of_a_message_is_read_back(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let parts = vec![
        Part::Reasoning { text: "hm\0".to_owned() },
        Part::Text { text: "prose".to_owned() },
        Part::ToolCall(tool_call("c1", ToolStatus::Error)),
        Part::Plan {
            entries: vec![PlanEntry {
                content: "build".to_owned(),
                status: "in_progress".to_owned(),
                priority: "high".to_owned(),
            }],
        },
        Part::Error { message: "broke".to_owned() },
        Part::Finish { reason: FinishReason::Canceled },
    ];
    let author = Author {
        id: f.id(),
        email: "gone@example.org".to_owned(),
        name: None,
        avatar_url: Some("https://example.org/a.png".to_owned()),
    };
    let channel = Channel::new("chat", "room \u{1F980}")?;
    let messages = [
        Message { author: Some(author), created_at: at(-3), ..prompt(f.id(), 1, "Hi", &ada.user) },
        prompt(f.id(), 2, "Again", &ada.user),
        Message { author: None, ..prompt(f.id(), 3, "Nobody in particular", &ada.user) },
        Message { channel: Some(channel), ..prompt(f.id(), 4, "From elsewhere", &ada.user) },
        Message { role: MessageRole::Assistant, parts, seq: 9, ..note(f.id(), 5) },
        note(f.id(), 6),
    ];
    f.changed(&session.id, messages.clone().map(Change::MessageAdded)).await?;
    let read = transcript(&f, &ada, &session).await?;
    check_eq!(read.messages, messages);
    check_eq!(read.engine.value.open, None);
    check_eq!(read.access.session, session);
    Ok(())
}

pub(crate) async fn a_range_has_a_beginning_and_a_bound(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let notes = [2, 4, 6, 8].map(|position| Change::MessageAdded(note(f.id(), position)));
    f.changed(&session.id, notes).await?;
    check_eq!(range(&f, &ada, &session, 0, 100).await?, [2, 4, 6, 8]);
    check_eq!(range(&f, &ada, &session, 0, 1_000).await?, [2, 4, 6, 8]);
    check_eq!(range(&f, &ada, &session, 0, 3).await?, [2, 4, 6]);
    check_eq!(range(&f, &ada, &session, 4, 1).await?, [6]);
    check_eq!(range(&f, &ada, &session, 5, 100).await?, [6, 8]);
    check_eq!(range(&f, &ada, &session, 8, 100).await?, Vec::<u64>::new());
    check_eq!(range(&f, &ada, &session, 0, 0).await?, Vec::<u64>::new());
    check!(f.store.messages(ada.hash(), &f.id(), MessageRange { after: 0, limit: 1 }).await?.value.is_none());
    Ok(())
}

pub(crate) async fn a_message_has_a_place(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let id: MessageId = f.id();
    f.changed(&session.id, [Change::MessageAdded(note(id.clone(), 7))]).await?;
    check_eq!(f.store.message_position(&session.id, &id).await?, Some(7));
    check_eq!(f.store.message_position(&other.id, &id).await?, None);
    check_eq!(f.store.message_position(&session.id, &f.id()).await?, None);
    Ok(())
}

pub(crate) async fn a_taken_id_or_place_conflicts(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let first = note(f.id(), 1);
    f.changed(&session.id, [Change::MessageAdded(first.clone())]).await?;
    f.unchanged(&session.id, Change::MessageAdded(note(first.id.clone(), 2))).await?;
    f.unchanged(&session.id, Change::MessageAdded(note(f.id(), 1))).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages, [first]);
    Ok(())
}

pub(crate) async fn a_removed_message_is_gone_with_its_words(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let said = [1, 2, 3].map(|position| prompt(f.id(), position, &format!("needle {position}"), &ada.user));
    f.changed(&session.id, said.clone().map(Change::MessageAdded)).await?;
    let removed = |id: &MessageId| Change::MessageRemoved { id: id.clone(), seq: 9 };
    f.changed(&session.id, [removed(&said[1].id)]).await?;
    let left = [said[0].clone(), said[2].clone()];
    check_eq!(transcript(&f, &ada, &session).await?.messages, left);
    check_eq!(f.store.message_position(&session.id, &said[1].id).await?, None);
    let wanted = MessageSearch::new(Query::parse("needle"), None, MAX_PAGE);
    let hits = f.store.search_messages(ada.hash(), &wanted).await?.value;
    let mut found: Vec<&MessageId> = hits.iter().map(|hit| &hit.value.message).collect();
    found.sort();
    check_eq!(found, [&said[0].id, &said[2].id]);
    f.unchanged(&session.id, removed(&said[1].id)).await?;
    f.unchanged(&other.id, removed(&said[0].id)).await?;
    f.changed(&session.id, [Change::MessageAdded(said[1].clone())]).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages, said);
    Ok(())
}

pub(crate) async fn sessions_do_not_share_messages(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let hers = note(f.id(), 1);
    let same_id = Message { content: "other".to_owned(), ..hers.clone() };
    f.changed(&session.id, [Change::MessageAdded(hers.clone()), Change::Audited(audit(f.id(), 1))]).await?;
    f.changed(&other.id, [Change::MessageAdded(same_id.clone())]).await?;
    check_eq!(transcript(&f, &ada, &session).await?.messages, [hers]);
    let read = transcript(&f, &ada, &other).await?;
    check_eq!((read.messages, read.audit), (vec![same_id], Vec::new()));
    Ok(())
}

pub(crate) async fn a_message_needs_its_session(f: Fixture) -> Outcome {
    f.unchanged(&f.id(), Change::MessageAdded(note(f.id(), 1))).await?;
    f.unchanged(&f.id(), Change::Audited(audit(f.id(), 1))).await
}

pub(crate) async fn the_newest_audit_entries_come_oldest_first(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let mut entries: Vec<AuditEntry> = [3, 20, 11, 100].map(|seq| audit(f.id(), seq)).to_vec();
    entries[0].actor = Some(f.id());
    entries[2].created_at = at(-50);
    f.changed(&session.id, entries.iter().cloned().map(Change::Audited)).await?;
    entries.sort_by_key(|entry| entry.seq);
    for (limit, skipped) in [(0, 4), (1, 3), (3, 1), (4, 0), (100, 0)] {
        let read = f.store.transcript(ada.hash(), &session.id, limit).await?.value;
        check_eq!(read.map(|read| read.audit), Some(entries[skipped..].to_vec()), "at most {limit}");
    }
    Ok(())
}

pub(crate) async fn the_audit_log_is_read_page_by_page(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let session = f.session(&ada).await?;
    let mut entries: Vec<AuditEntry> = [30, 2, 11, 100, 12].map(|seq| audit(f.id(), seq)).to_vec();
    entries[2].event_type = "other".to_owned();
    f.changed(&session.id, entries.iter().cloned().map(Change::Audited)).await?;
    entries.sort_by_key(|entry| entry.seq);
    let page =
        |after, limit, event_type: Option<&str>| AuditPage { after, limit, event_type: event_type.map(str::to_owned) };
    for (page, expected) in [
        (page(0, 10, None), &entries[..]),
        (page(0, 2, None), &entries[..2]),
        (page(entries[1].seq, 2, None), &entries[2..4]),
        (page(100, 2, None), &[]),
        (page(0, 10, Some("other")), &entries[1..2]),
        (page(11, 10, Some("other")), &[]),
        (page(0, 10, Some("absent")), &[]),
    ] {
        let read = f.store.audit_log(ada.hash(), &session.id, page).await?.value.map(|(_, entries)| entries);
        check_eq!(read, Some(expected.to_vec()));
    }
    let hidden = f.store.audit_log(bob.hash(), &session.id, page(0, 10, None)).await?.value;
    check_eq!(hidden.map(|(access, entries)| (access.role, entries)), Some((None, Vec::new())));
    Ok(())
}

pub(crate) async fn an_audit_number_is_used_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let entry = |seq| Change::Audited(audit(f.id(), seq));
    f.changed(&session.id, [entry(1)]).await?;
    f.expect(Commit::Conflict { write: 1 }, [of(&session.id, entry(2)), of(&session.id, entry(1))]).await?;
    f.changed(&other.id, [entry(1)]).await?;
    check_eq!(transcript(&f, &ada, &session).await?.audit.len(), 1);
    Ok(())
}
