//! Turns as such a runner is told of them.

use portway_domain::channels::Channel;
use portway_domain::engine::Command;
use portway_domain::ids::SessionId;
use portway_ports::sessions::PendingCommand;
use portway_protocol::legacy_runner::{LegacyAttachment, LegacyPrompt, ToLegacyRunner};
use portway_protocol::runner::PromptAttachment;
use portway_services::Services;
use portway_services::error::Error;

use super::translation::Translation;
use crate::sockets::attachments;

/// A prompt with what goes with it, in the conversation of its channel.
pub(super) async fn prompt(
    services: &Services,
    session: &SessionId,
    translation: &mut Translation,
    pending: PendingCommand,
) -> Result<Option<ToLegacyRunner>, Error> {
    let attachments = attachments::of_command(services, session, &pending).await?;
    let Command::Prompt { prompt, model, .. } = pending.command else {
        return Ok(None);
    };
    let origin = services.prompt_origin(session, &prompt).await?;
    translation.comes_from(origin.channel);
    let (channel_type, channel_id) = words(translation.channel());
    let author = origin.author.as_ref();
    Ok(Some(ToLegacyRunner::Prompt(Box::new(LegacyPrompt {
        message_id: prompt.into(),
        content: pending.content.unwrap_or_default(),
        model,
        model_preferences: origin.model_preferences,
        attachments: attachments.into_iter().filter_map(attachment).collect(),
        channel_type,
        channel_id,
        opencode_session_id: translation.agent_session().map(str::to_owned),
        author_id: author.map(|author| author.id.to_string()),
        author_email: author.map(|author| author.email.clone()),
        author_name: author.and_then(|author| author.name.clone()),
        git_name: author.and_then(|author| author.git_name.clone()),
        git_email: author.and_then(|author| author.git_email.clone()),
    }))))
}

/// The end of a turn. One of no channel is ended whatever the runner calls its channel.
pub(super) fn abort(channel: Option<&Channel>) -> ToLegacyRunner {
    let (channel_type, channel_id) = words(channel);
    ToLegacyRunner::Abort { channel_type, channel_id }
}

fn words(channel: Option<&Channel>) -> (Option<String>, Option<String>) {
    channel.map(|channel| (channel.kind().to_owned(), channel.id().to_owned())).unzip()
}

/// Something whose content is lost, or did not fit, is left out: the runner has no word for it.
fn attachment(attachment: PromptAttachment) -> Option<LegacyAttachment> {
    let PromptAttachment { mime, filename, url, .. } = attachment;
    url.map(|url| LegacyAttachment { mime, url, filename })
}
