//! What changed in a session after some place, the end of its transcript, and what is before that.

use std::collections::BTreeSet;

use portway_domain::engine::Change;
use portway_domain::ids::{MessageId, QuestionId};
use portway_domain::messages::Message;
use portway_domain::questions::{Question, Resolution};
use portway_domain::sessions::Session;
use portway_ports::changes::{Changes, ClosedQuestion, MAX_CHANGES};

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, Person, at};
use crate::samples::{audit, note, opened, prompt, segment};
use crate::search::hits;

async fn since(f: &Fixture, caller: &Person, session: &Session, seq: u64) -> Outcome<Changes> {
    let found = f.store.changes_since(caller.hash(), &session.id, seq).await?.value;
    found.ok_or_else(|| Failure::new("there is no session"))
}

async fn newest(f: &Fixture, caller: &Person, session: &Session, limit: u32) -> Outcome<Vec<u64>> {
    let found = f.store.newest_of_transcript(caller.hash(), &session.id, limit, 2).await?.value;
    let found = found.ok_or_else(|| Failure::new("there is no transcript"))?;
    Ok(found.messages.iter().map(|message| message.position).collect())
}

async fn before(f: &Fixture, caller: &Person, session: &Session, place: u64, limit: u32) -> Outcome<Vec<u64>> {
    let found = f.store.messages_before(caller.hash(), &session.id, place, limit).await?.value;
    let (_, messages) = found.ok_or_else(|| Failure::new("there is no session"))?;
    Ok(messages.iter().map(|message| message.position).collect())
}

fn removed(id: &MessageId, seq: u64) -> Change {
    Change::MessageRemoved { id: id.clone(), seq }
}

pub(crate) async fn changes_begin_after_a_place(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let question = |id: &str, seq: u64| -> Outcome<(Question, Change)> {
        let question = Question::asked(QuestionId::parse(id)?, "May I?", Vec::new(), at(0));
        Ok((question.clone(), Change::QuestionAsked { question, seq }))
    };
    let close = |question: &Question, seq: u64, expired: bool| Change::QuestionClosed {
        id: question.id.clone(),
        resolution: Resolution::Text { text: "yes".to_owned() },
        expired,
        seq,
    };
    let notes = [1, 2, 3].map(|position| note(f.id(), position));
    let ((one, asked), (two, asked_too)) = (question("q1", 4)?, question("q2", 5)?);
    let changes = [
        Change::MessageAdded(notes[0].clone()),
        Change::MessageAdded(notes[1].clone()),
        Change::MessageAdded(notes[2].clone()),
        asked,
        asked_too,
        removed(&notes[1].id, 6),
        close(&one, 7, false),
        close(&two, 8, true),
        Change::Audited(audit(f.id(), 9)),
        Change::Audited(audit(f.id(), 10)),
    ];
    f.changed(&session.id, changes).await?;
    let gone = note(f.id(), 2);
    f.changed(&other.id, [Change::MessageAdded(gone.clone()), Change::Audited(audit(f.id(), 3))]).await?;
    f.changed(&other.id, [removed(&gone.id, 4)]).await?;
    for seq in 0..=11 {
        let found = since(&f, &ada, &session, seq).await?;
        check!(found.is_complete());
        check_eq!(found.access.session, session);
        let messages = notes.iter().filter(|note| note.seq > seq && note.position != 2).cloned();
        check_eq!(found.messages, messages.collect::<Vec<Message>>(), "after {seq}");
        let gone = (seq < 6).then(|| notes[1].id.clone());
        check_eq!(found.removed, gone.into_iter().collect::<Vec<_>>(), "after {seq}");
        let closed = [(&one, 7, false), (&two, 8, true)].into_iter().filter(|(_, closed, _)| *closed > seq);
        let closed: Vec<ClosedQuestion> = closed
            .map(|(question, _, is_expired)| ClosedQuestion {
                question: question.clone(),
                resolution: Resolution::Text { text: "yes".to_owned() },
                is_expired,
            })
            .collect();
        check_eq!(found.closed, closed, "after {seq}");
        let entries: Vec<u64> = found.audit.iter().map(|entry| entry.seq).collect();
        check_eq!(entries, (9..=10).filter(|entry| *entry > seq).collect::<Vec<_>>(), "after {seq}");
    }
    Ok(())
}

pub(crate) async fn the_open_message_counts_as_changed(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let open = opened(f.id(), 2);
    let changes = [
        Change::MessageAdded(note(f.id(), 1)),
        Change::MessageAdded(open.clone()),
        Change::TextAppended(segment(&open.id, "so far")),
        Change::MessageAdded(note(f.id(), 3)),
    ];
    f.changed(&session.id, changes).await?;
    for (seq, positions) in [(0, &[1, 2, 3][..]), (1, &[2, 3]), (2, &[2, 3]), (3, &[2])] {
        let found = since(&f, &ada, &session, seq).await?;
        check_eq!(found.messages.iter().map(|message| message.position).collect::<Vec<_>>(), positions);
        let written = found.messages.iter().find(|message| message.id == open.id);
        check_eq!(written.map(|message| &*message.content), Some("so far"));
        check_eq!(found.engine.value.open.map(|open| open.id), Some(open.id.clone()));
    }
    Ok(())
}

pub(crate) async fn the_newest_removals_are_remembered(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let count = u64::from(MAX_CHANGES) + 20;
    let ids: Vec<MessageId> = (0..count).map(|_| f.id()).collect();
    for (number, ids) in (0_u64..).zip(ids.chunks(100)) {
        let place = |index: u64| 1 + 2 * (100 * number + index);
        let changes = (0_u64..).zip(ids).flat_map(|(index, id)| {
            [Change::MessageAdded(note(id.clone(), place(index))), removed(id, place(index) + 1)]
        });
        f.changed(&session.id, changes.collect::<Vec<_>>()).await?;
    }
    let found = since(&f, &ada, &session, 0).await?;
    check!(!found.is_complete());
    check_eq!(found.messages, Vec::new());
    // The counter before that removal, and the removals from it on.
    let from = |index: usize| 2 * index as u64 + 1;
    let kept = ids.len() - MAX_CHANGES as usize;
    check_eq!(since(&f, &ada, &session, from(kept)).await?.removed, ids[kept..]);
    check!(!since(&f, &ada, &session, from(kept)).await?.is_complete());
    check_eq!(since(&f, &ada, &session, from(kept + 1)).await?.removed, ids[kept + 1..]);
    check!(since(&f, &ada, &session, from(kept + 1)).await?.is_complete());
    Ok(())
}

pub(crate) async fn a_stretch_is_removed_at_once(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    let said = [1, 2, 3, 5, 6].map(|position| prompt(f.id(), position, &format!("needle {position}"), &ada.user));
    for session in [&session, &other] {
        f.changed(&session.id, said.clone().map(Change::MessageAdded)).await?;
    }
    let id = |index: usize| said[index].id.clone();
    check_eq!(f.store.messages_between(&session.id, 2, 5, 9).await?, [id(1), id(2), id(3)]);
    check_eq!(f.store.messages_between(&session.id, 2, 5, 2).await?, [id(1), id(2)]);
    let stretch = |seq| Change::MessagesRemoved { first: 2, last: 4, seq };
    f.changed(&session.id, [stretch(7)]).await?;
    check_eq!(newest(&f, &ada, &session, 9).await?, [1, 5, 6]);
    check_eq!(f.store.messages_between(&session.id, 0, 9, 9).await?, [id(0), id(3), id(4)]);
    let mut removed = since(&f, &ada, &session, 6).await?.removed;
    removed.sort();
    check_eq!(removed, [id(1), id(2)]);
    let found: Vec<String> =
        hits(&f, ada.hash(), "needle", Some(&session.id)).await?.into_iter().map(|hit| hit.value.text).collect();
    check_eq!(BTreeSet::from_iter(found), BTreeSet::from(["needle 1", "needle 5", "needle 6"].map(str::to_owned)));
    // Nothing of it is there any more, and all of it in the other session.
    f.changed(&session.id, [stretch(8)]).await?;
    check_eq!(since(&f, &ada, &session, 7).await?.removed, []);
    check_eq!(newest(&f, &ada, &other, 9).await?, [1, 2, 3, 5, 6]);
    check_eq!(since(&f, &ada, &other, 0).await?.removed, []);
    Ok(())
}

pub(crate) async fn a_long_stretch_is_told_whole_or_not_at_all(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let count = u64::from(MAX_CHANGES) + 20;
    let first = note(f.id(), 1);
    f.changed(&session.id, [Change::MessageAdded(first.clone()), removed(&first.id, 2)]).await?;
    let notes: Vec<Change> = (3..3 + count).map(|position| Change::MessageAdded(note(f.id(), position))).collect();
    for notes in notes.chunks(100) {
        f.changed(&session.id, notes.to_vec()).await?;
    }
    let seq = 3 + count;
    f.changed(&session.id, [Change::MessagesRemoved { first: 3, last: seq, seq }]).await?;
    check!(!since(&f, &ada, &session, seq - 1).await?.is_complete());
    let found = since(&f, &ada, &session, seq).await?;
    check!(found.is_complete());
    check_eq!((found.messages, found.removed), (Vec::new(), Vec::new()));
    Ok(())
}

pub(crate) async fn a_message_that_came_back_is_told_after_its_removal(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let message = note(f.id(), 1);
    let added = || Change::MessageAdded(message.clone());
    f.changed(&session.id, [added(), removed(&message.id, 2), added(), removed(&message.id, 2), added()]).await?;
    let found = since(&f, &ada, &session, 0).await?;
    check_eq!((found.messages, found.removed), (vec![message.clone()], vec![message.id.clone()]));
    Ok(())
}

pub(crate) async fn a_transcript_is_read_from_its_end(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    check_eq!(newest(&f, &ada, &session, 5).await?, Vec::<u64>::new());
    let open = opened(f.id(), 6);
    let mut changes: Vec<Change> = [2, 4, 8].map(|position| Change::MessageAdded(note(f.id(), position))).into();
    changes.extend([Change::MessageAdded(open.clone()), Change::TextAppended(segment(&open.id, "so far"))]);
    changes.extend([1, 2, 3].map(|seq| Change::Audited(audit(f.id(), seq))));
    f.changed(&session.id, changes).await?;
    check_eq!(newest(&f, &ada, &session, 5).await?, [2, 4, 6, 8]);
    check_eq!(newest(&f, &ada, &session, 2).await?, [6, 8]);
    check_eq!(newest(&f, &ada, &session, 1).await?, [8]);
    let found = f.store.newest_of_transcript(ada.hash(), &session.id, 2, 2).await?.value;
    let found = found.ok_or_else(|| Failure::new("there is no transcript"))?;
    check_eq!(found.messages.first().map(|message| &*message.content), Some("so far"));
    check_eq!(found.audit.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2, 3]);
    check_eq!(before(&f, &ada, &session, 8, 2).await?, [4, 6]);
    check_eq!(before(&f, &ada, &session, 6, 9).await?, [2, 4]);
    check_eq!(before(&f, &ada, &session, 5, 1).await?, [4]);
    check_eq!(before(&f, &ada, &session, 2, 9).await?, Vec::<u64>::new());
    check_eq!(before(&f, &ada, &session, 9, 0).await?, Vec::<u64>::new());
    Ok(())
}

pub(crate) async fn strangers_are_told_no_changes(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let session = f.session(&ada).await?;
    let (kept, gone) = (note(f.id(), 1), note(f.id(), 2));
    let changes = [
        Change::MessageAdded(kept),
        Change::MessageAdded(gone.clone()),
        removed(&gone.id, 3),
        Change::Audited(audit(f.id(), 4)),
    ];
    f.changed(&session.id, changes).await?;
    let found = since(&f, &bob, &session, 0).await?;
    check_eq!(found.access.role, None);
    check_eq!((found.messages, found.removed, found.audit), (Vec::new(), Vec::new(), Vec::new()));
    check_eq!(newest(&f, &bob, &session, 9).await?, Vec::<u64>::new());
    check_eq!(before(&f, &bob, &session, 9, 9).await?, Vec::<u64>::new());
    check!(f.store.changes_since(ada.hash(), &f.id(), 0).await?.value.is_none());
    Ok(())
}
