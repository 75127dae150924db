//! The models that the agent offers, and the one that it uses.

use super::transcript::bounded;
use super::{Change, Notice, Step};
use crate::messages::MessageRole;
use crate::models::{AvailableModels, ModelSwitch};
use crate::sessions::MAX_MODEL_CHARS;
use crate::text::keepable;

impl Step<'_> {
    /// The agent told what it offers. Nothing is written unless that is news; an empty list says nothing.
    pub(super) fn models_offered(&mut self, models: AvailableModels) {
        if models.is_empty() {
            return;
        }
        let digest = models.digest();
        if self.engine.models.as_ref() == Some(&digest) {
            return;
        }
        self.engine.models = Some(digest);
        let seq = self.next_seq();
        self.effects.changes.push(Change::ModelsSet { models: models.clone(), seq, at: self.now });
        self.notice(Notice::Models(models));
    }

    /// The agent works on the prompt with another model. Clients draw the message by its beginning.
    pub(super) fn model_switched(&mut self, switch: ModelSwitch) {
        if self.engine.turn.as_ref().is_none_or(|turn| turn.prompt != switch.prompt) {
            return;
        }
        let [from, to] = [&switch.from, &switch.to].map(|model| shortened(model));
        let reason = bounded(&switch.reason);
        let id = self.ids.draw();
        let text = format!("Model switched from {from} to {to}: {reason}");
        self.add_new_message(id, MessageRole::System, &text, Vec::new());
        self.notice(Notice::ModelSwitched(ModelSwitch { prompt: switch.prompt, from, to, reason }));
    }
}

/// The name of a model as it is kept.
fn shortened(model: &str) -> String {
    keepable(model).chars().take(MAX_MODEL_CHARS).collect()
}
