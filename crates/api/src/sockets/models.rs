//! The models that agents offer, in frames.

use portway_domain::ids::{InvalidId, MessageId};
use portway_domain::models::{AvailableModels, Model, ModelSwitch, ProviderModels};
use portway_protocol::models as wire;
use portway_protocol::server::ServerFrame;

/// A list as it is told.
pub(super) fn list(models: AvailableModels) -> Vec<wire::ProviderModels> {
    let model = |model: Model| wire::Model { id: model.id, name: model.name };
    let provider = |provider: ProviderModels| wire::ProviderModels {
        provider: provider.provider,
        models: provider.models.into_iter().map(model).collect(),
    };
    models.into_providers().into_iter().map(provider).collect()
}

/// What is kept of a list that a runner told.
pub(super) fn kept(models: Vec<wire::ProviderModels>) -> AvailableModels {
    let model = |model: wire::Model| Model { id: model.id, name: model.name };
    let provider = |provider: wire::ProviderModels| ProviderModels {
        provider: provider.provider,
        models: provider.models.into_iter().map(model).collect(),
    };
    AvailableModels::kept(models.into_iter().map(provider))
}

/// The agent offers other models.
pub(super) fn models(models: AvailableModels) -> ServerFrame {
    ServerFrame::Models { models: list(models) }
}

/// The agent uses another model.
pub(super) fn switched(switch: ModelSwitch) -> ServerFrame {
    let ModelSwitch { prompt, from, to, reason } = switch;
    ServerFrame::ModelSwitched { message_id: prompt.into(), from_model: from, to_model: to, reason }
}

/// A switch that a runner told.
pub(super) fn switch(prompt: String, from: String, to: String, reason: String) -> Result<ModelSwitch, InvalidId> {
    Ok(ModelSwitch { prompt: MessageId::parse(prompt)?, from, to, reason })
}
