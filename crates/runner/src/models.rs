//! The models that the agent offers, and which one it is to use.

use portway_protocol::models::{Model, ProviderModels};
use portway_protocol::runner::RunnerEvent;
use serde_json::{Value, json};

use crate::jsonrpc::RpcError;
use crate::phase::Held;
use crate::tools::clip;

/// Most models that are told of.
const MAX_MODELS: usize = 500;

/// Longest id of a model that is told of, in bytes: longer ones cannot be asked for.
const MAX_ID: usize = 255;

/// Longest name of a model, and of what offers it, in bytes.
const MAX_NAME: usize = 200;

/// How a model is called that the agent does not name.
const UNNAMED: &str = "default";

/// The models of a conversation, as the agent told them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Models {
    offered: Vec<Model>,
    current: Option<String>,
    means: Means,
}

/// How the agent is told which model to use.
#[derive(Debug, Clone, PartialEq)]
enum Means {
    /// `session/set_model`.
    SetModel,
    /// `session/set_config_option` with the option of that id.
    Option(String),
}

impl Models {
    /// From the result of `session/new` or `session/load`; `None` when the agent leaves no choice.
    pub(crate) fn decode(result: &Value) -> Option<Self> {
        Self::of_options(&result["configOptions"]).or_else(|| Self::of_models(&result["models"]))
    }

    /// From `configOptions`, whose values may stand in groups.
    fn of_options(options: &Value) -> Option<Self> {
        let is_choice = |option: &&Value| option["category"] == "model" && option["options"].is_array();
        let option = options.as_array()?.iter().find(is_choice)?;
        let values = option["options"].as_array()?.iter().flat_map(|value| match value["options"].as_array() {
            Some(group) => group.iter().collect(),
            None => vec![value],
        });
        let means = Means::Option(option["id"].as_str()?.to_owned());
        Self::new(values.filter_map(|value| model(value, "value")), &option["currentValue"], means)
    }

    fn of_models(models: &Value) -> Option<Self> {
        let offered = models["availableModels"].as_array()?.iter().filter_map(|value| model(value, "modelId"));
        Self::new(offered, &models["currentModelId"], Means::SetModel)
    }

    fn new(offered: impl Iterator<Item = Model>, current: &Value, means: Means) -> Option<Self> {
        let offered: Vec<Model> = offered.take(MAX_MODELS).collect();
        let current = current.as_str().map(str::to_owned);
        (!offered.is_empty()).then_some(Self { offered, current, means })
    }

    fn has(&self, id: &str) -> bool {
        self.offered.iter().any(|model| model.id == id)
    }

    fn request(&self, conversation: &str, model: &str) -> (&'static str, Value) {
        match &self.means {
            Means::SetModel => ("session/set_model", json!({"sessionId": conversation, "modelId": model})),
            Means::Option(id) => {
                ("session/set_config_option", json!({"sessionId": conversation, "configId": id, "value": model}))
            }
        }
    }

    /// By provider: what stands before the first `/` of an id, else the agent.
    fn by_provider(&self, agent: &str) -> Vec<ProviderModels> {
        let mut providers: Vec<ProviderModels> = Vec::new();
        for model in &self.offered {
            let provider = match model.id.split_once('/') {
                Some((provider, _)) if !provider.is_empty() => provider,
                _ => agent,
            };
            match providers.iter_mut().find(|known| known.provider == provider) {
                Some(known) => known.models.push(model.clone()),
                None => providers.push(ProviderModels { provider: provider.to_owned(), models: vec![model.clone()] }),
            }
        }
        providers
    }
}

fn model(value: &Value, key: &str) -> Option<Model> {
    let id = value[key].as_str().filter(|id| !id.is_empty() && id.len() <= MAX_ID)?;
    let name = value["name"].as_str().unwrap_or(id);
    Some(Model { id: id.to_owned(), name: clip(name.to_owned(), MAX_NAME) })
}

/// Which model the agent is to use. It outlives the agent's process.
#[derive(Debug, Default)]
pub(crate) struct ModelChoice {
    models: Option<Models>,
    /// What to call the agent.
    agent: String,
    /// What was told last.
    told: Vec<ProviderModels>,
    /// The model that could not be had when that was said last.
    missed: Option<String>,
}

/// A request that makes the agent use another model.
#[derive(Debug, PartialEq)]
pub(crate) struct Wish {
    pub(crate) model: String,
    pub(crate) method: &'static str,
    pub(crate) params: Value,
}

impl ModelChoice {
    /// The agent is up; tells what it offers.
    pub(crate) fn begin(&mut self, models: Option<Models>, agent: String, out: &mut Vec<RunnerEvent>) {
        self.models = models;
        self.agent = clip(agent, MAX_NAME);
        self.told.clear();
        self.tell(out);
    }

    /// The agent says how its options are now. Those that say nothing of models change nothing.
    pub(crate) fn options_changed(&mut self, options: &Value, out: &mut Vec<RunnerEvent>) {
        if let Some(models) = Models::of_options(options) {
            self.models = Some(models);
            self.tell(out);
        }
    }

    fn tell(&mut self, out: &mut Vec<RunnerEvent>) {
        let models = self.models.as_ref().map(|models| models.by_provider(&self.agent)).unwrap_or_default();
        if !models.is_empty() && models != self.told {
            self.told.clone_from(&models);
            out.push(RunnerEvent::Models { models });
        }
    }

    /// What is to be asked of the agent before a prompt that names that model, or none and these preferences. A model
    /// that it does not have is said to be missing, unless that was said before.
    pub(crate) fn wish(
        &mut self,
        conversation: &str,
        message_id: &str,
        (model, preferences): (Option<&str>, &[String]),
        out: &mut Vec<RunnerEvent>,
    ) -> Option<Wish> {
        let models = self.models.as_ref()?;
        let wanted = match model {
            Some(model) if !models.has(model) => {
                self.miss(message_id, model, "the agent does not have it".to_owned(), out);
                return None;
            }
            Some(model) => model,
            None => preferences.iter().find(|preferred| models.has(preferred))?,
        };
        if models.current.as_deref() == Some(wanted) {
            self.missed = None;
            return None;
        }
        let (method, params) = models.request(conversation, wanted);
        Some(Wish { model: wanted.to_owned(), method, params })
    }

    /// The agent answered a wish, or did not in time.
    pub(crate) fn answered(
        &mut self,
        message_id: &str,
        model: String,
        outcome: Result<Value, String>,
        out: &mut Vec<RunnerEvent>,
    ) {
        match outcome {
            Ok(result) => {
                self.missed = None;
                if let Some(models) = self.models.as_mut() {
                    models.current = Some(model);
                }
                self.options_changed(&result["configOptions"], out);
            }
            Err(reason) => self.miss(message_id, &model, reason, out),
        }
    }

    /// The agent answered a wish whose prompt was aborted meanwhile.
    pub(crate) fn settled(&mut self, held: Option<Held>, outcome: Result<Value, RpcError>) {
        if let (Some(models), Some(held), Ok(_)) = (self.models.as_mut(), held, outcome) {
            models.current = Some(held.model);
        }
    }

    /// Nobody knows which model the agent uses.
    pub(crate) fn forget_current(&mut self) {
        if let Some(models) = self.models.as_mut() {
            models.current = None;
        }
    }

    fn miss(&mut self, message_id: &str, model: &str, reason: String, out: &mut Vec<RunnerEvent>) {
        if self.missed.as_deref() == Some(model) {
            return;
        }
        self.missed = Some(model.to_owned());
        let current = self.models.as_ref().and_then(|models| models.current.as_deref());
        out.push(RunnerEvent::ModelSwitched {
            message_id: message_id.to_owned(),
            from_model: model.to_owned(),
            to_model: current.unwrap_or(UNNAMED).to_owned(),
            reason,
        });
    }
}

/// What an agent says that refuses a model.
pub(crate) fn refusal(error: &RpcError) -> String {
    format!("the agent refused it: {error}")
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
