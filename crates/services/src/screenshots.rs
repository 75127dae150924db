//! Pictures of what agents see. They are kept and given out like what goes with prompts.

use std::borrow::Cow;

use bytes::Bytes;
use portway_domain::attachments::MediaType;
use portway_domain::engine::{Engine, Event, RunnerReport};
use portway_domain::ids::{MessageId, SessionId};
use portway_domain::messages::MAX_PROMPT_CHARS;

use crate::Services;
use crate::attachments::{NewAttachment, check};
use crate::legacy_runners::{applied, is_present};
use crate::runners::RunnerError;

impl Services {
    /// A runner shows a picture over its connection. One that cannot go with a message is ignored.
    ///
    /// # Errors
    /// As [`Services::legacy_runner_reported`].
    pub async fn runner_showed(
        &self,
        id: &SessionId,
        connection: &str,
        content: Bytes,
        description: &str,
    ) -> Result<(), RunnerError> {
        // Runners say nothing of the kind, and clients take it for this one.
        let Ok(media_type) = MediaType::parse("image/png") else {
            return Ok(());
        };
        let pictures = vec![NewAttachment { media_type, name: None, content }];
        if let Err(error) = check(&pictures) {
            tracing::warn!(session = %id, %error, "a picture of a runner is not kept");
            return Ok(());
        }
        let description: String = description.chars().take(MAX_PROMPT_CHARS).collect();
        let moment = self.moment();
        let message: MessageId = moment.ids.clone().draw();
        let kept = self.put(id, &message, pictures).await?;
        let showed = |engine: &Engine| {
            is_present(engine, connection)?;
            let frame = engine.runner.last_frame.saturating_add(1);
            let report = RunnerReport::Showed {
                message: message.clone(),
                description: description.clone(),
                pictures: kept.clone(),
            };
            Ok(Cow::Owned(vec![Event::Reported { generation: engine.runner.generation, frame, report }]))
        };
        applied(self.apply_made(id, showed, Vec::new(), moment).await).map(drop)
    }
}
