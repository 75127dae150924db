//! What goes with prompts.

use std::time::Duration;

use bytes::Bytes;
use portway_domain::access::{Permission, SessionRole};
use portway_domain::attachments::{
    Attachment, AttachmentId, MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_NAME_CHARS, MediaType,
};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::attachments;
use portway_domain::sessions::QueueMode;
use portway_ports::objects::{Object, ObjectKey, ObjectStore};

use super::world::World;
use crate::Error;
use crate::attachments::NewAttachment;
use crate::prompts::NewPrompt;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn say(text: &str) -> NewPrompt {
    NewPrompt { content: text.to_owned(), ..NewPrompt::default() }
}

fn file(media_type: &str, content: impl Into<Bytes>) -> NewAttachment {
    let media_type = MediaType::parse(media_type).unwrap();
    NewAttachment { media_type, name: Some("a b.txt".to_owned()), content: content.into() }
}

async fn prompt(
    world: &World,
    session: &SessionId,
    text: &str,
    attachments: Vec<NewAttachment>,
) -> Result<MessageId, Error> {
    let context = world.context(Permission::Session(SessionRole::Collaborator));
    world.services.prompt_with_attachments(&context, session, say(text), attachments).await
}

async fn read(world: &World, session: &SessionId, id: &AttachmentId) -> Result<(Attachment, Bytes), Error> {
    let context = world.context(Permission::Session(SessionRole::Viewer));
    world.services.attachment(&context, session, &id.to_string()).await
}

async fn objects(world: &World) -> usize {
    world.objects.list(&ObjectKey::parse("sessions").unwrap(), None, 1_000).await.unwrap().len()
}

fn field(result: Result<MessageId, Error>) -> String {
    match result {
        Err(Error::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn attachments_are_kept_and_shown_with_their_prompt() {
    let world = World::new().await;
    let session = world.open().await.id;
    let said = prompt(&world, &session, "", vec![file("image/png", "abc"), file("text/plain", "de")]).await.unwrap();
    let context = world.context(Permission::Session(SessionRole::Viewer));
    let (_, transcript) = world.services.transcript(&context, &session).await.unwrap();
    let message = transcript.messages.iter().find(|message| message.id == said).unwrap();
    let shown: Vec<&Attachment> = attachments(&message.parts).collect();
    assert_eq!(shown.len(), 2);
    for (number, content) in [(1, "abc"), (2, "de")] {
        let id = AttachmentId { message: said.clone(), number };
        let (attachment, bytes) = read(&world, &session, &id).await.unwrap();
        assert_eq!((&attachment, &bytes[..]), (shown[number as usize - 1], content.as_bytes()));
    }
    let absent = AttachmentId { message: said, number: 3 };
    assert!(matches!(read(&world, &session, &absent).await, Err(Error::NotFound { resource: "Attachment", .. })));
}

#[tokio::test]
async fn what_cannot_be_attached_is_named_and_not_kept() {
    let world = World::new().await;
    let session = world.open().await.id;
    let refused = async |attachments| field(prompt(&world, &session, "x", attachments).await);
    let large = vec![0; usize::try_from(MAX_ATTACHMENT_BYTES).unwrap() + 1];
    assert_eq!(refused(vec![file("image/png", "a"); MAX_ATTACHMENTS + 1]).await, "attachments");
    assert_eq!(refused(vec![file("image/png", "a"), file("image/png", "")]).await, "attachments[1]");
    assert_eq!(refused(vec![file("image/png", large.clone())]).await, "attachments[0]");
    assert_eq!(refused(vec![file("image/png", large[1..].to_vec()); 3]).await, "attachments");
    for name in ["a\nb".to_owned(), "x".repeat(MAX_NAME_CHARS + 1)] {
        let named = NewAttachment { name: Some(name), ..file("image/png", "a") };
        assert_eq!(refused(vec![named]).await, "attachments[0].filename");
    }
    assert_eq!(field(prompt(&world, &session, " ", Vec::new()).await), "content");
    assert_eq!(objects(&world).await, 0);
}

#[tokio::test]
async fn a_refused_prompt_leaves_nothing() {
    let world = World::new().await;
    let session = world.open().await.id;
    let context = world.context(Permission::Session(SessionRole::Owner));
    world.services.terminate_session(&context, &session).await.unwrap();
    let refused = prompt(&world, &session, "x", vec![file("image/png", "a")]).await;
    assert!(matches!(refused, Err(Error::SessionEnded { .. })), "{refused:?}");
    let nowhere = SessionId::parse("nowhere").unwrap();
    let refused = prompt(&world, &nowhere, "x", vec![file("image/png", "a")]).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    assert_eq!(objects(&world).await, 0);
}

#[tokio::test]
async fn a_repeated_request_puts_nothing_again() {
    let world = World::new().await;
    let session = world.open().await.id;
    let mut said = Vec::new();
    for _ in 0..2 {
        let context = world.context(Permission::Session(SessionRole::Collaborator));
        let context = world.with_key(context, "key", "digest");
        let attachments = vec![file("image/png", "a")];
        said.push(world.services.prompt_with_attachments(&context, &session, say(""), attachments).await.unwrap());
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(objects(&world).await, 1);
}

#[tokio::test]
async fn a_runner_is_given_what_fits_and_told_of_the_rest() {
    let world = World::new().await;
    let session = world.open().await.id;
    let large = usize::try_from(MAX_ATTACHMENT_BYTES).unwrap();
    let first = prompt(&world, &session, "", vec![file("image/png", "a"), file("image/png", vec![1; large])]).await;
    let second = prompt(&world, &session, "", vec![file("image/png", vec![2; large]), file("text/plain", "b")]).await;
    let messages = [first.unwrap(), second.unwrap()];
    let given = world.services.prompt_attachments(&session, &messages).await.unwrap();
    let first_bytes: Vec<Option<u8>> = given.iter().map(|given| given.content.as_ref().map(|bytes| bytes[0])).collect();
    assert_eq!(first_bytes, [Some(b'a'), Some(1), Some(2), Some(b'b')], "they are as many as one prompt may have");
    let third = prompt(&world, &session, "", vec![file("image/png", vec![3; large])]).await.unwrap();
    let messages = [messages[0].clone(), messages[1].clone(), third];
    let given = world.services.prompt_attachments(&session, &messages).await.unwrap();
    let first_bytes: Vec<Option<u8>> = given.iter().map(|given| given.content.as_ref().map(|bytes| bytes[0])).collect();
    assert_eq!(first_bytes, [Some(b'a'), None, Some(2), Some(b'b'), Some(3)]);
}

#[tokio::test]
async fn lost_bytes_are_absent_and_no_failure_of_the_prompt() {
    let world = World::new().await;
    let session = world.open().await.id;
    let said = prompt(&world, &session, "", vec![file("image/png", "a")]).await.unwrap();
    let id = AttachmentId { message: said.clone(), number: 1 };
    world.objects.delete(&ObjectKey::parse(id.object_key(&session)).unwrap()).await.unwrap();
    assert!(matches!(read(&world, &session, &id).await, Err(Error::NotFound { .. })));
    let given = world.services.prompt_attachments(&session, &[said]).await.unwrap();
    assert!(given.len() == 1 && given[0].content.is_none());
}

#[tokio::test]
async fn old_objects_that_nothing_refers_to_are_swept() {
    let world = World::new().await;
    let session = world.open().await.id;
    let queued = NewPrompt { queue_mode: Some(QueueMode::Followup), ..say("later") };
    let context = world.context(Permission::Session(SessionRole::Collaborator));
    let attachments = vec![file("image/png", "taken back")];
    let taken_back = world.services.prompt_with_attachments(&context, &session, queued, attachments).await.unwrap();
    let kept = prompt(&world, &session, "", vec![file("image/png", "kept")]).await.unwrap();
    let context = world.context(Permission::Session(SessionRole::Collaborator));
    world.services.withdraw(&context, &session, &taken_back).await.unwrap();
    // As a gateway leaves it that ends between the object and the commit.
    let stray = ObjectKey::parse(format!("sessions/{session}/attachments/never-said.1")).unwrap();
    world.objects.put(&stray, Object::new("image/png", "stray").unwrap()).await.unwrap();
    assert_eq!(world.services.sweep_objects().await, Ok(0), "they may belong to what is just being said");
    world.clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(world.services.sweep_objects().await, Ok(2));
    assert_eq!(objects(&world).await, 1);
    let id = AttachmentId { message: kept, number: 1 };
    assert!(read(&world, &session, &id).await.is_ok());
}

#[tokio::test]
async fn a_sweep_goes_through_every_page() {
    let world = World::new().await;
    for number in 0..250 {
        let key = ObjectKey::parse(format!("sessions/s/attachments/m{number}.1")).unwrap();
        world.objects.put(&key, Object::new("image/png", "stray").unwrap()).await.unwrap();
    }
    world.clock.advance(2 * DAY);
    assert_eq!(world.services.sweep_objects().await, Ok(250));
    assert_eq!(objects(&world).await, 0);
}
