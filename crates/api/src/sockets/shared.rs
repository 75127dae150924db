//! Frames that all who watch a session are sent alike: written once for each hint.

use portway_domain::engine::Notice;
use portway_domain::messages::{Message, Part};
use portway_ports::pubsub::{Form, Hint, SharedHint};
use portway_ports::shared_text::SharedText;
use serde::Serialize;

use super::{frames, replay, runner_requests};

/// The frames of a hint, in the places of its notices. A message with attachments has none: its content is read for each
/// client.
pub(super) fn plain(hint: &SharedHint) -> &[Option<SharedText>] {
    hint.texts(Form::Plain, |hint| match hint {
        Hint::Session { notices, .. } => notices.iter().map(plain_text).collect(),
        Hint::Presence(presence) => vec![text(&frames::presence(presence))],
        Hint::Responded(responded) => vec![runner_requests::frame(responded).and_then(|frame| text(&frame))],
        Hint::Bus(_) | Hint::RunnerAsked(_) | Hint::RunnerAnswered { .. } => Vec::new(),
    })
}

/// The frames of a change with its counter, in the places of its notices.
pub(super) fn sequenced(hint: &SharedHint) -> &[Option<SharedText>] {
    hint.texts(Form::Sequenced, |hint| match hint {
        Hint::Session { notices, seq, .. } => {
            replay::frames_of(notices, Some(*seq)).iter().map(|frame| text(frame.as_ref()?)).collect()
        }
        Hint::Presence(_) | Hint::Responded(_) | Hint::Bus(_) | Hint::RunnerAsked(_) | Hint::RunnerAnswered { .. } => {
            Vec::new()
        }
    })
}

fn plain_text(notice: &Notice) -> Option<SharedText> {
    match notice {
        Notice::Message(message) | Notice::MessageUpdated(message) if has_attachments(message) => None,
        _ => text(&frames::notice(notice)?),
    }
}

fn has_attachments(message: &Message) -> bool {
    message.parts.iter().any(|part| matches!(part, Part::Attachment(_)))
}

fn text(frame: &impl Serialize) -> Option<SharedText> {
    let text = serde_json::to_string(frame).inspect_err(|error| tracing::error!(%error, "a frame cannot be written"));
    text.ok().map(SharedText::from)
}
