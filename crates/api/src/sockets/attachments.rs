//! What goes with prompts, in frames.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use portway_domain::attachments::{Attachment, AttachmentId, MAX_ENCODED_CHARS, MediaKind};
use portway_domain::engine::Command;
use portway_domain::ids::{MessageId, SessionId};
use portway_ports::sessions::PendingCommand;
use portway_protocol::message::{Attached, Message, Part};
use portway_protocol::runner::PromptAttachment as PromptAttachmentFrame;
use portway_protocol::server::ServerFrame;
use portway_services::Services;
use portway_services::attachments::PromptAttachment;
use portway_services::error::Error;

/// Most characters of content in one frame: the largest attachment fits.
const SHOWN_CHARS: usize = MAX_ENCODED_CHARS;

/// Most attachments with their content in one frame.
const SHOWN: usize = 32;

/// An attachment as a part of its message.
pub(super) fn part(message: &str, attachment: Attachment) -> Part {
    let kind = attachment.media_type.kind();
    let attached = Attached {
        id: format!("{message}.{}", attachment.number),
        data: None,
        mime_type: attachment.media_type.into(),
        filename: attachment.name,
        size: attachment.size,
        url: None,
        transcript: attachment.transcript,
    };
    match kind {
        MediaKind::Image => Part::Image(attached),
        MediaKind::Audio => Part::Audio(attached),
        MediaKind::Text | MediaKind::Document => Part::File(attached),
    }
}

fn attached(parts: &mut [Part]) -> impl DoubleEndedIterator<Item = &mut Part> {
    parts
        .iter_mut()
        .filter(|part| matches!(part, Part::Image(_) | Part::Audio(_) | Part::File(_) | Part::Screenshot(_)))
}

fn parts_of(message: &mut Message) -> &mut [Part] {
    message.parts.as_deref_mut().unwrap_or_default()
}

/// Names the path of each attachment of a message.
pub(crate) fn link(session: &str, message: &mut Message) {
    link_parts(session, parts_of(message));
}

fn link_parts(session: &str, parts: &mut [Part]) {
    for part in attached(parts) {
        if let Part::Image(attached) | Part::Audio(attached) | Part::File(attached) | Part::Screenshot(attached) = part
        {
            attached.url = Some(format!("/api/sessions/{session}/attachments/{}", attached.id));
        }
    }
}

/// Puts content into a frame: clients of older versions know pictures and sounds only with it. The newest come first,
/// up to a bound; the others have a path, as all have.
pub(super) async fn show(services: &Services, session: &SessionId, frame: &mut ServerFrame) {
    let mut messages: Vec<&mut [Part]> = match frame {
        ServerFrame::Init { session, .. } => session.messages.iter_mut().map(parts_of).collect(),
        ServerFrame::Message { data } => vec![parts_of(data)],
        ServerFrame::MessageUpdated { data } => vec![data.parts.as_deref_mut().unwrap_or_default()],
        _ => return,
    };
    let (mut room, mut left) = (SHOWN_CHARS, SHOWN);
    for parts in messages.iter_mut().rev() {
        link_parts(session.as_str(), parts);
        for part in attached(parts).rev() {
            let (Part::Image(attached) | Part::Audio(attached) | Part::Screenshot(attached)) = part else { continue };
            let chars = usize::try_from(attached.size).unwrap_or(usize::MAX).div_ceil(3).saturating_mul(4);
            if left == 0 || chars > room {
                continue;
            }
            if let Some(content) = content(services, session, &attached.id).await {
                left -= 1;
                room -= chars;
                attached.data = Some(STANDARD.encode(content));
            }
        }
    }
}

/// A picture that cannot be shown is no reason not to show what was said.
async fn content(services: &Services, session: &SessionId, id: &str) -> Option<Bytes> {
    let id = AttachmentId::parse(id)?;
    services.attached_bytes(session, &id).await.ok().flatten()
}

/// What goes with a command, for the runner.
pub(super) async fn of_command(
    services: &Services,
    session: &SessionId,
    pending: &PendingCommand,
) -> Result<Vec<PromptAttachmentFrame>, Error> {
    let Command::Prompt { prompt, earlier, .. } = &pending.command else {
        return Ok(Vec::new());
    };
    let messages: Vec<MessageId> = earlier.iter().chain([prompt]).cloned().collect();
    let attachments = services.prompt_attachments(session, &messages).await?;
    Ok(attachments.into_iter().map(for_runner).collect())
}

fn for_runner(PromptAttachment { attachment, content }: PromptAttachment) -> PromptAttachmentFrame {
    let url = content.map(|content| format!("data:{};base64,{}", attachment.media_type, STANDARD.encode(content)));
    PromptAttachmentFrame { mime: attachment.media_type.into(), filename: attachment.name, size: attachment.size, url }
}
