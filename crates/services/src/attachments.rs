//! What goes with prompts: kept in the object store before the prompt is, and given to whoever may see it.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use portway_domain::attachments::{
    Attachment, AttachmentId, MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_BYTES_TOGETHER, MAX_NAME_CHARS, MediaType,
    OBJECTS,
};
use portway_domain::engine::{Engine, Event, RunnerReport};
use portway_domain::ids::{MessageId, SessionId};
use portway_ports::objects::{Object, ObjectError, ObjectKey};

use crate::error::Error;
use crate::legacy_runners::{applied, is_present};
use crate::prompts::{NewPrompt, check_text};
use crate::runners::RunnerError;
use crate::steps::session_not_found;
use crate::{Context, Services};

/// How old an object is before it can be one that nothing will refer to any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3_600);

/// Between two looks for such objects.
const SWEEP: Duration = Duration::from_secs(6 * 3_600);

/// Between two pages of one look, so that nobody else has to wait.
const PAUSE: Duration = Duration::from_millis(100);

/// Objects that are looked at together.
const PAGE: usize = 100;

/// Something to go with a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// What it is.
    pub media_type: MediaType,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its bytes.
    pub content: Bytes,
}

/// Something that goes with a prompt, for the runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptAttachment {
    /// What is known of it.
    pub attachment: Attachment,
    /// Its bytes; absent where they are lost, or too many together with those that were said later.
    pub content: Option<Bytes>,
}

impl From<ObjectError> for Error {
    fn from(error: ObjectError) -> Self {
        // The reason may name machines and buckets: it is for the operator, not for the caller.
        tracing::error!(%error, "the object store cannot be used");
        Self::Unavailable { message: "Attachments cannot be kept or read at the moment".to_owned(), retry_after: 5 }
    }
}

impl Services {
    /// Says something to the agent, as [`Services::prompt`] does, with attachments. The text may be blank then.
    ///
    /// # Errors
    /// Those of [`Services::prompt`], and [`Error::Invalid`] with the field for attachments that are too many, too large
    /// or not well named.
    pub async fn prompt_with_attachments(
        &self,
        context: &Context,
        id: &SessionId,
        new: NewPrompt,
        attachments: Vec<NewAttachment>,
    ) -> Result<MessageId, Error> {
        if attachments.is_empty() {
            return self.prompt(context, id, new).await;
        }
        check_text(&new.content)?;
        check(&attachments)?;
        // Nobody fills the store who may say nothing, and nothing is put twice.
        let (_, state) = self.acting(context, id).await?;
        if let Some(earlier) = context.replay::<MessageId>(state.remembered.as_ref())? {
            return Ok(earlier);
        }
        let message: MessageId = context.ids.clone().draw();
        let attached = self.put(id, &message, attachments).await?;
        let said = self.say(context, id, new, &attached).await;
        let is_kept = match &said {
            Ok(said) => *said == message,
            // What is not known to have failed may have succeeded.
            Err(Error::Unavailable { .. } | Error::Internal(_)) => true,
            Err(_) => false,
        };
        if !is_kept {
            self.take_back(id, &message, &attached).await;
        }
        said
    }

    /// Keeps the bytes of what goes with a message.
    pub(crate) async fn put(
        &self,
        session: &SessionId,
        message: &MessageId,
        attachments: Vec<NewAttachment>,
    ) -> Result<Vec<Attachment>, Error> {
        let mut attached = Vec::new();
        for (number, NewAttachment { media_type, name, content }) in (1..).zip(attachments) {
            let key = key(session, &AttachmentId { message: message.clone(), number })?;
            let object = Object::new(media_type.as_str(), content.clone())?;
            attached.push(Attachment::of(number, media_type, name, &content));
            self.ports.objects.put(&key, object).await?;
        }
        Ok(attached)
    }

    /// Removes what was put in vain; what stays is found by the sweep.
    async fn take_back(&self, session: &SessionId, message: &MessageId, attached: &[Attachment]) {
        for attachment in attached {
            let id = AttachmentId { message: message.clone(), number: attachment.number };
            if let Ok(key) = key(session, &id)
                && let Err(error) = self.ports.objects.delete(&key).await
            {
                tracing::warn!(%key, %error, "an attachment that nothing refers to stays for now");
            }
        }
    }

    /// An attachment of a session that the caller may read, and its bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, or no session that the caller may read.
    pub async fn attachment(
        &self,
        context: &Context,
        session: &SessionId,
        id: &str,
    ) -> Result<(Attachment, Bytes), Error> {
        let absent = || Error::NotFound { resource: "Attachment", id: id.to_owned() };
        let Some(id) = AttachmentId::parse(id) else {
            // Who may not read the session is not told what is in it.
            let seen = self.ports.store.session(context.token()?, session).await?;
            context.admit_to(seen.caller, seen.value.as_ref(), session)?;
            return Err(absent());
        };
        let seen = self.ports.store.attachment(context.token()?, session, &id).await?;
        let access = seen.value.as_ref().map(|(access, _)| access);
        context.admit_to(seen.caller, access, session)?;
        let (_, found) = seen.value.ok_or_else(|| session_not_found(session.as_str()))?;
        let attachment = found.ok_or_else(absent)?;
        let content = self.attached_bytes(session, &id).await?.ok_or_else(absent)?;
        Ok((attachment, content))
    }

    /// The bytes of an attachment, for somebody who was found to be allowed to read the session.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when they cannot be read now.
    pub async fn attached_bytes(&self, session: &SessionId, id: &AttachmentId) -> Result<Option<Bytes>, Error> {
        let found = self.ports.objects.get(&key(session, id)?).await?;
        if found.is_none() {
            tracing::error!(%session, attachment = %id, "the bytes of an attachment are lost");
        }
        Ok(found.map(|object| object.content().clone()))
    }

    /// What goes with these messages, in their order, for the session's runner. Of more than one prompt may have, only
    /// what was said last comes with its bytes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot be read now.
    pub async fn prompt_attachments(
        &self,
        session: &SessionId,
        messages: &[MessageId],
    ) -> Result<Vec<PromptAttachment>, Error> {
        let found = self.ports.store.attachments_of(session, messages).await?;
        let mut room = MAX_BYTES_TOGETHER;
        let mut attachments = Vec::new();
        for (message, attachment) in found.into_iter().rev() {
            let id = AttachmentId { message, number: attachment.number };
            let content = match room.checked_sub(attachment.size) {
                Some(rest) => {
                    room = rest;
                    self.attached_bytes(session, &id).await?
                }
                None => None,
            };
            attachments.push(PromptAttachment { attachment, content });
        }
        attachments.reverse();
        Ok(attachments)
    }

    /// A runner says over its connection what is said in the sounds of a prompt. Ignored where there is no such prompt, or
    /// none with a sound.
    ///
    /// # Errors
    /// As [`Services::legacy_runner_reported`].
    pub async fn runner_transcribed(
        &self,
        id: &SessionId,
        connection: &str,
        prompt: &str,
        transcript: &str,
    ) -> Result<(), RunnerError> {
        let Ok(prompt) = MessageId::parse(prompt) else {
            return Ok(());
        };
        let Some(message) = self.ports.store.message(id, &prompt).await.map_err(Error::from)? else {
            return Ok(());
        };
        let transcribed = |engine: &Engine| {
            is_present(engine, connection)?;
            let frame = engine.runner.last_frame.saturating_add(1);
            let (message, transcript) = (Box::new(message.clone()), transcript.to_owned());
            let report = RunnerReport::Transcribed { message, transcript };
            Ok(Cow::Owned(vec![Event::Reported { generation: engine.runner.generation, frame, report }]))
        };
        applied(self.apply_made(id, transcribed, Vec::new(), self.moment()).await).map(drop)
    }

    /// Removes objects that nothing refers to, now and then: such as those of prompts that were taken back, and of
    /// prompts that a crash kept from being said. Run one per node, until it is dropped.
    pub async fn run_object_sweep(&self) {
        loop {
            match self.sweep_objects().await {
                Ok(0) => {}
                Ok(swept) => tracing::info!(swept, "objects that nothing refers to were removed"),
                Err(error) => tracing::warn!(%error, "objects that nothing refers to could not be looked for"),
            }
            self.ports.clock.sleep(SWEEP).await;
        }
    }

    /// Removes objects that nothing refers to, once. Answers how many those were.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the object store or the database cannot be used.
    pub async fn sweep_objects(&self) -> Result<usize, Error> {
        let folder = ObjectKey::parse(OBJECTS).map_err(|error| Error::Internal(error.to_string()))?;
        let until = self.ports.clock.now().minus(ABANDONED);
        let mut swept = 0;
        let mut after: Option<ObjectKey> = None;
        loop {
            let page = self.ports.objects.list(&folder, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(swept);
            };
            after = Some(last.key.clone());
            let old = page.into_iter().filter(|object| object.put_at < until).map(|object| object.key).collect();
            swept += self.sweep(old).await?;
            self.ports.clock.sleep(PAUSE).await;
        }
    }

    async fn sweep(&self, old: Vec<ObjectKey>) -> Result<usize, Error> {
        if old.is_empty() {
            return Ok(0);
        }
        let names: Vec<String> = old.iter().map(ToString::to_string).collect();
        let known = self.ports.store.attached_objects(&names).await?;
        let mut swept = 0;
        for key in old.iter().filter(|key| !known.iter().any(|known| known == key.as_str())) {
            self.ports.objects.delete(key).await?;
            swept += 1;
        }
        Ok(swept)
    }
}

fn key(session: &SessionId, id: &AttachmentId) -> Result<ObjectKey, Error> {
    ObjectKey::parse(id.object_key(session)).map_err(|error| Error::Internal(format!("attachment {id}: {error}")))
}

/// Whether these can go with one prompt.
pub(crate) fn check(attachments: &[NewAttachment]) -> Result<(), Error> {
    let invalid = |field: String, message: String| Err(Error::Invalid { field, message });
    if attachments.len() > MAX_ATTACHMENTS {
        return invalid("attachments".to_owned(), format!("expected at most {MAX_ATTACHMENTS}"));
    }
    let mut together = 0;
    for (index, attachment) in attachments.iter().enumerate() {
        let size = u64::try_from(attachment.content.len()).unwrap_or(u64::MAX);
        if size == 0 || size > MAX_ATTACHMENT_BYTES {
            let message = format!("expected between 1 and {MAX_ATTACHMENT_BYTES} bytes");
            return invalid(format!("attachments[{index}]"), message);
        }
        let name = attachment.name.as_deref().unwrap_or_default();
        if name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control) {
            let message = format!("expected at most {MAX_NAME_CHARS} characters, none of which is a control character");
            return invalid(format!("attachments[{index}].filename"), message);
        }
        together += size;
    }
    if together > MAX_BYTES_TOGETHER {
        return invalid("attachments".to_owned(), format!("expected at most {MAX_BYTES_TOGETHER} bytes together"));
    }
    Ok(())
}
