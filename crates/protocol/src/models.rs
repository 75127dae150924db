//! The models that an agent offers.

use serde::{Deserialize, Serialize};

/// The models of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderModels {
    /// What to call the provider.
    #[serde(default)]
    pub provider: String,
    /// Its models.
    #[serde(default)]
    pub models: Vec<Model>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// What a prompt names it with, mostly `provider/model`.
    pub id: String,
    /// What to call it; its id if empty.
    #[serde(default)]
    pub name: String,
}
