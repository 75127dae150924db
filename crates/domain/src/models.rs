//! The models that an agent can work with, as it told.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::MessageId;
use crate::sessions::MAX_MODEL_CHARS;
use crate::text::keepable;
use crate::tokens::hex;

/// Most models that are kept of one agent.
pub const MAX_MODELS: usize = 500;

/// Most bytes that they have as JSON.
pub const MAX_MODELS_BYTES: usize = 64 * 1024;

/// Longest name of a provider or a model, in characters; longer ones are cut.
const MAX_NAME_CHARS: usize = 200;

/// Bytes of the digest that are kept.
const DIGEST_BYTES: usize = 16;

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// What to ask for it with, such as `provider/model`.
    pub id: String,
    /// What to call it.
    pub name: String,
}

/// The models of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderModels {
    /// What to call the provider.
    pub provider: String,
    /// Its models; never empty in [`AvailableModels`].
    pub models: Vec<Model>,
}

/// The models that an agent offers, by provider, in its own order: at most [`MAX_MODELS`] and [`MAX_MODELS_BYTES`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AvailableModels(Vec<ProviderModels>);

/// Says whether two lists are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelsDigest(String);

/// An agent goes on with another model than it was to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSwitch {
    /// The prompt that it works on.
    pub prompt: MessageId,
    /// The model that it was to use.
    pub from: String,
    /// The one that it uses.
    pub to: String,
    /// Why.
    pub reason: String,
}

impl AvailableModels {
    /// What can be kept of a list. Models that no prompt could name are left out, and those after the bounds.
    #[must_use]
    pub fn kept(offered: impl IntoIterator<Item = ProviderModels>) -> Self {
        let (mut count, mut bytes) = (0, "[]".len());
        let mut kept = Vec::new();
        for ProviderModels { provider, models } in offered {
            let mut provider = ProviderModels { provider: shortened(&provider), models: Vec::new() };
            bytes += json_len(&provider) + 1;
            for model in models.into_iter().filter(|model| is_nameable(&model.id)) {
                let name = if model.name.trim().is_empty() { &model.id } else { &model.name };
                let model = Model { name: shortened(name), id: model.id };
                bytes += json_len(&model) + 1;
                count += 1;
                if count > MAX_MODELS || bytes > MAX_MODELS_BYTES {
                    break;
                }
                provider.models.push(model);
            }
            if !provider.models.is_empty() {
                kept.push(provider);
            }
            if count > MAX_MODELS || bytes > MAX_MODELS_BYTES {
                break;
            }
        }
        Self(kept)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The models by provider.
    #[must_use]
    pub fn providers(&self) -> &[ProviderModels] {
        &self.0
    }

    /// The models by provider, taken out.
    #[must_use]
    pub fn into_providers(self) -> Vec<ProviderModels> {
        self.0
    }

    /// Lists with the same digest are the same.
    #[must_use]
    pub fn digest(&self) -> ModelsDigest {
        let mut hash = Sha256::new();
        let mut add = |kind: u8, text: &str| {
            hash.update([kind]);
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        for provider in &self.0 {
            add(0, &provider.provider);
            for model in &provider.models {
                add(1, &model.id);
                add(2, &model.name);
            }
        }
        ModelsDigest(hex(hash.finalize().get(..DIGEST_BYTES).unwrap_or_default()))
    }
}

fn is_nameable(id: &str) -> bool {
    !id.trim().is_empty() && !id.contains('\0') && id.chars().count() <= MAX_MODEL_CHARS
}

/// The beginning of a name.
fn shortened(name: &str) -> String {
    keepable(name).chars().take(MAX_NAME_CHARS).collect()
}

fn json_len(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX / 2, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, name: &str) -> Model {
        Model { id: id.to_owned(), name: name.to_owned() }
    }

    fn provider(provider: &str, models: Vec<Model>) -> ProviderModels {
        ProviderModels { provider: provider.to_owned(), models }
    }

    #[test]
    fn what_no_prompt_could_name_is_left_out() {
        let long = "m".repeat(MAX_MODEL_CHARS);
        let models = vec![
            model("a/b", " "),
            model("", "none"),
            model("a\0b", "n"),
            model(&long, "n\0"),
            model(&format!("{long}m"), "n"),
        ];
        let kept =
            AvailableModels::kept([provider("p", models), provider("q", vec![]), provider("r", vec![model("", "")])]);
        assert_eq!(kept.providers(), [provider("p", vec![model("a/b", "a/b"), model(&long, "n\u{FFFD}")])]);
        assert!(AvailableModels::kept([provider("p", vec![])]).is_empty());
    }

    #[test]
    fn a_list_has_bounds() {
        let many = |count: usize, name: &str| provider("p", (0..count).map(|n| model(&n.to_string(), name)).collect());
        let count = |kept: &AvailableModels| kept.providers().iter().map(|p| p.models.len()).sum::<usize>();
        let kept = AvailableModels::kept([many(MAX_MODELS - 1, "n"), many(3, "n"), many(1, "n")]);
        assert_eq!(count(&kept), MAX_MODELS);
        // A quotation mark is two bytes as JSON.
        let kept = AvailableModels::kept([many(MAX_MODELS, &"\"".repeat(MAX_NAME_CHARS)), many(1, "n")]);
        let bytes = serde_json::to_vec(&kept).unwrap().len();
        assert!(count(&kept) > 100 && bytes <= MAX_MODELS_BYTES && bytes > MAX_MODELS_BYTES - 1_000, "{bytes}");
        let empty = AvailableModels::kept((0..10_000).map(|_| provider(&"p".repeat(100), vec![])));
        assert!(empty.is_empty());
    }

    #[test]
    fn lists_that_differ_have_other_digests() {
        let lists = [
            vec![],
            vec![provider("p", vec![model("a", "b")])],
            vec![provider("p", vec![model("a", "bc")])],
            vec![provider("p", vec![model("ab", "c")])],
            vec![provider("p", vec![model("a", "b"), model("c", "d")])],
            vec![provider("p", vec![model("a", "b")]), provider("p", vec![model("c", "d")])],
        ];
        let digests: Vec<ModelsDigest> =
            lists.iter().map(|list| AvailableModels::kept(list.clone()).digest()).collect();
        for (index, digest) in digests.iter().enumerate() {
            assert_eq!(digests.iter().position(|other| other == digest), Some(index));
            assert_eq!(*digest, AvailableModels::kept(lists[index].clone()).digest());
        }
        assert_eq!(serde_json::to_string(&digests[1]).unwrap().len(), 2 + 2 * DIGEST_BYTES);
    }
}
