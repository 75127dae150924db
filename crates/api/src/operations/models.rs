//! The models that agents offer.

use http::Method;
use portway_domain::access::Permission;
use portway_domain::models::{Model, ProviderModels};
use portway_services::{Context, Services};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, State};
use crate::input::NoInput;
use crate::operation::Operation;

pub(super) fn rows() -> Vec<Operation<Services>> {
    let path = "/api/sessions/available-models";
    vec![
        Operation::new("sessions.available_models", Method::GET, path, Permission::SignedIn)
            .summary("List the models that an agent offers")
            .describe("What an agent in a session of one's own told last; nothing before one has.")
            .handler(available),
    ]
}

/// The models, by provider.
#[derive(Debug, Serialize, JsonSchema)]
struct ModelCatalogue {
    models: Vec<ProviderView>,
}

/// The models of one provider.
#[derive(Debug, Serialize, JsonSchema)]
struct ProviderView {
    /// What to call the provider.
    provider: String,
    models: Vec<ModelView>,
}

/// A model.
#[derive(Debug, Serialize, JsonSchema)]
struct ModelView {
    /// What prompts and preferences name it with.
    id: String,
    /// What to call it.
    name: String,
}

impl From<ProviderModels> for ProviderView {
    fn from(offered: ProviderModels) -> Self {
        let model = |model: Model| ModelView { id: model.id, name: model.name };
        Self { provider: offered.provider, models: offered.models.into_iter().map(model).collect() }
    }
}

async fn available(services: State, context: Context, _: NoInput) -> Answer<ModelCatalogue> {
    let models = services.available_models(&context).await?;
    Ok(ModelCatalogue { models: models.into_providers().into_iter().map(Into::into).collect() })
}
