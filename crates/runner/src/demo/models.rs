//! The two models that the demo agent pretends to have.

use serde_json::{Value, json};

use crate::jsonrpc::{INVALID_PARAMS, RpcError};

/// The one that talks more.
pub(super) const LONG: &str = "demo/long";

const SHORT: &str = "demo/short";

/// The model of a conversation; every conversation begins with the short one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model(&'static str);

impl Default for Model {
    fn default() -> Self {
        Self(SHORT)
    }
}

impl Model {
    /// The one that the parameters of `session/set_model` name.
    pub(super) fn named(params: &Value) -> Result<Self, RpcError> {
        let known = [SHORT, LONG].into_iter().find(|known| params["modelId"] == *known);
        known.map(Self).ok_or_else(|| RpcError::new(INVALID_PARAMS, "there is no such model"))
    }

    pub(super) fn id(self) -> &'static str {
        self.0
    }

    /// What a conversation with it says of models.
    pub(super) fn offer(self) -> Value {
        let model =
            |id: &str, name: &str, description: &str| json!({"modelId": id, "name": name, "description": description});
        json!({
            "currentModelId": self.0,
            "availableModels": [
                model(SHORT, "Short", "Pretends to be brief"),
                model(LONG, "Long", "Pretends to have more to say"),
            ],
        })
    }
}
