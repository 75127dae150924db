//! What goes with prompts.

use portway_domain::attachments::{Attachment, AttachmentId, MediaType};
use portway_domain::engine::Change;
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::{Message, Part, transcribe};
use portway_domain::sessions::Session;

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, Person};
use crate::samples::prompt;

fn attached(number: u32, media_type: &str, name: Option<&str>, content: &[u8]) -> Outcome<Attachment> {
    let media_type = MediaType::parse(media_type).map_err(Failure::new)?;
    Ok(Attachment::of(number, media_type, name.map(str::to_owned), content))
}

/// A prompt with two attachments.
fn said(f: &Fixture, who: &Person, position: u64) -> Outcome<Message> {
    let attachments =
        [attached(1, "image/png", Some("\u{1F980} \"a\".png"), b"abc")?, attached(2, "text/plain", None, b"")?];
    let parts = attachments.map(Part::Attachment).into();
    Ok(Message { parts, ..prompt(f.id(), position, "Look", &who.user) })
}

fn attachments(message: &Message) -> Vec<Attachment> {
    portway_domain::messages::attachments(&message.parts).cloned().collect()
}

fn id(message: &Message, number: u32) -> AttachmentId {
    AttachmentId { message: message.id.clone(), number }
}

async fn find(f: &Fixture, who: &Person, session: &SessionId, id: &AttachmentId) -> Outcome<Option<Attachment>> {
    Ok(f.store.attachment(who.hash(), session, id).await?.value.and_then(|(_, found)| found))
}

async fn session_with(f: &Fixture, who: &Person, messages: &[Message]) -> Outcome<Session> {
    let session = f.session(who).await?;
    f.changed(&session.id, messages.iter().cloned().map(Change::MessageAdded)).await?;
    Ok(session)
}

pub(crate) async fn they_are_read_back_with_their_message(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let message = said(&f, &ada, 1)?;
    let session = session_with(&f, &ada, std::slice::from_ref(&message)).await?;
    let expected = attachments(&message);
    check_eq!(find(&f, &ada, &session.id, &id(&message, 1)).await?.as_ref(), expected.first());
    check_eq!(find(&f, &ada, &session.id, &id(&message, 2)).await?.as_ref(), expected.last());
    check_eq!(find(&f, &ada, &session.id, &id(&message, 3)).await?, None);
    check_eq!(find(&f, &ada, &f.id(), &id(&message, 1)).await?, None);
    let seen = f.store.attachment(ada.hash(), &session.id, &id(&message, 3)).await?;
    check!(seen.value.is_some_and(|(access, found)| access.session == session && found.is_none()));
    Ok(())
}

pub(crate) async fn somebody_elses_are_not_seen(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let message = said(&f, &ada, 1)?;
    let session = session_with(&f, &ada, std::slice::from_ref(&message)).await?;
    let seen = f.store.attachment(bob.hash(), &session.id, &id(&message, 1)).await?;
    check!(seen.caller.is_some());
    check!(seen.value.is_some_and(|(access, found)| access.role.is_none() && found.is_none()));
    Ok(())
}

pub(crate) async fn those_of_messages_come_in_the_order_asked_for(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let messages = [said(&f, &ada, 1)?, prompt(f.id(), 2, "Plain", &ada.user), said(&f, &ada, 3)?];
    let session = session_with(&f, &ada, &messages).await?;
    let other = session_with(&f, &ada, &[]).await?;
    let ids: Vec<MessageId> = messages.iter().rev().map(|message| message.id.clone()).chain([f.id()]).collect();
    let expected: Vec<(MessageId, Attachment)> = messages
        .iter()
        .rev()
        .flat_map(|message| attachments(message).into_iter().map(|attachment| (message.id.clone(), attachment)))
        .collect();
    check_eq!(f.store.attachments_of(&session.id, &ids).await?, expected);
    check_eq!(f.store.attachments_of(&other.id, &ids).await?, []);
    check_eq!(f.store.attachments_of(&session.id, &[]).await?, []);
    Ok(())
}

pub(crate) async fn they_go_with_their_message(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let messages = [said(&f, &ada, 1)?, said(&f, &ada, 2)?];
    let session = session_with(&f, &ada, &messages).await?;
    f.changed(&session.id, [Change::MessageRemoved { id: messages[0].id.clone(), seq: 9 }]).await?;
    check_eq!(find(&f, &ada, &session.id, &id(&messages[0], 1)).await?, None);
    check!(find(&f, &ada, &session.id, &id(&messages[1], 1)).await?.is_some());
    f.changed(&session.id, [Change::MessagesRemoved { first: 2, last: 5, seq: 10 }]).await?;
    check_eq!(find(&f, &ada, &session.id, &id(&messages[1], 1)).await?, None);
    Ok(())
}

pub(crate) async fn objects_are_known_while_they_are_attached(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let messages = [said(&f, &ada, 1)?, said(&f, &ada, 2)?];
    let session = session_with(&f, &ada, &messages).await?;
    let keys = |message: &Message| -> Vec<String> {
        attachments(message).iter().map(|attachment| id(message, attachment.number).object_key(&session.id)).collect()
    };
    let (first, second) = (keys(&messages[0]), keys(&messages[1]));
    let stranger = "sessions/x/attachments/y.1".to_owned();
    let asked: Vec<String> = [stranger].into_iter().chain(first.clone()).chain(second.clone()).collect();
    let mut known = f.store.attached_objects(&asked).await?;
    known.sort();
    let mut expected = asked[1..].to_vec();
    expected.sort();
    check_eq!(known, expected);
    f.changed(&session.id, [Change::MessageRemoved { id: messages[0].id.clone(), seq: 9 }]).await?;
    let mut known = f.store.attached_objects(&asked).await?;
    known.sort();
    check_eq!(known, second);
    check_eq!(f.store.attached_objects(&[]).await?, Vec::<String>::new());
    Ok(())
}

pub(crate) async fn transcripts_are_parts_of_their_message(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let mut spoken = said(&f, &ada, 1)?;
    spoken.parts.push(Part::Attachment(attached(3, "audio/ogg", None, b"abc")?));
    let other = said(&f, &ada, 2)?;
    let session = session_with(&f, &ada, &[spoken.clone(), other.clone()]).await?;
    let expected = attachments(&spoken);
    check!(transcribe(&mut spoken.parts, "\u{1F980} \"Hello\""));
    spoken.seq = 3;
    let replaced =
        |id: &MessageId, seq| Change::PartsReplaced { message: id.clone(), parts: spoken.parts.clone(), seq };
    f.changed(&session.id, [replaced(&spoken.id, 3)]).await?;
    check_eq!(f.store.message(&session.id, &spoken.id).await?.as_ref(), Some(&spoken));
    check_eq!(f.store.message(&session.id, &other.id).await?.as_ref(), Some(&other));
    let transcript = f.store.transcript(ada.hash(), &session.id, 0).await?.value;
    check_eq!(transcript.map(|found| found.messages), Some(vec![spoken.clone(), other]));
    let changes = f.store.changes_since(ada.hash(), &session.id, 2).await?.value;
    check_eq!(changes.map(|found| found.messages), Some(vec![spoken.clone()]));
    // What the agent is given is as it was.
    let given: Vec<Attachment> = f
        .store
        .attachments_of(&session.id, std::slice::from_ref(&spoken.id))
        .await?
        .into_iter()
        .map(|(_, attachment)| attachment)
        .collect();
    check_eq!(given, expected);
    Ok(())
}

pub(crate) async fn a_message_is_found_in_its_session_only(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let message = said(&f, &ada, 1)?;
    let session = session_with(&f, &ada, std::slice::from_ref(&message)).await?;
    let other = session_with(&f, &ada, &[]).await?;
    check_eq!(f.store.message(&session.id, &message.id).await?.as_ref(), Some(&message));
    check_eq!(f.store.message(&other.id, &message.id).await?, None);
    check_eq!(f.store.message(&session.id, &f.id()).await?, None);
    // One that was taken back meanwhile stays away.
    f.changed(&session.id, [Change::MessageRemoved { id: message.id.clone(), seq: 2 }]).await?;
    let parts = message.parts.clone();
    f.changed(&session.id, [Change::PartsReplaced { message: message.id.clone(), parts, seq: 3 }]).await?;
    check_eq!(f.store.message(&session.id, &message.id).await?, None);
    Ok(())
}
