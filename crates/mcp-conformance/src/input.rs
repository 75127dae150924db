//! What clients are asked for.

use serde_json::{Value, json};

/// Something that a client is asked for while it waits for the answer to its own request.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// What the answer is known by.
    pub(crate) key: &'static str,
    /// What a client has to have for it.
    pub(crate) capability: &'static str,
    /// The method.
    pub(crate) method: &'static str,
    /// Its parameters.
    pub(crate) params: Value,
}

impl Input {
    /// People are asked to fill in a form.
    pub(crate) fn form(key: &'static str, message: &str, schema: Value) -> Self {
        let params = json!({ "message": message, "requestedSchema": schema });
        Self { key, capability: "elicitation", method: "elicitation/create", params }
    }

    /// People are asked to fill in one field, which is a text.
    pub(crate) fn field(key: &'static str, message: &str, field: &str) -> Self {
        let schema = json!({ "type": "object", "properties": { field: { "type": "string" } }, "required": [field] });
        Self::form(key, message, schema)
    }

    /// A model is asked to say something.
    pub(crate) fn sampling(key: &'static str, prompt: &str, max_tokens: u32) -> Self {
        let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
        let params = json!({ "messages": [message], "maxTokens": max_tokens });
        Self { key, capability: "sampling", method: "sampling/createMessage", params }
    }

    /// The client is asked for its roots.
    pub(crate) fn roots(key: &'static str) -> Self {
        Self { key, capability: "roots", method: "roots/list", params: json!({}) }
    }

    /// Whether that can be what a client answers with.
    pub(crate) fn is_answered_by(&self, answer: &Value) -> bool {
        match self.capability {
            "elicitation" => match answer["action"].as_str() {
                Some("accept") => answer["content"].is_object(),
                Some("decline" | "cancel") => true,
                _ => false,
            },
            "sampling" => answer["role"].is_string() && answer["model"].is_string() && !answer["content"].is_null(),
            _ => answer["roots"].as_array().is_some_and(|roots| roots.iter().all(|root| root["uri"].is_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_to_fit_what_was_asked() {
        let form = Input::field("a", "A?", "a");
        assert!(form.is_answered_by(&json!({ "action": "accept", "content": { "a": "1" } })));
        assert!(form.is_answered_by(&json!({ "action": "decline" })));
        let said = json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "b" } });
        let roots = json!({ "roots": [{ "uri": "file:///a" }] });
        assert!(Input::sampling("b", "B?", 1).is_answered_by(&said) && Input::roots("c").is_answered_by(&roots));
        for wrong in [json!(12345), json!(null), json!({ "action": "accept" }), json!({ "action": 1 }), said, roots] {
            assert!(!form.is_answered_by(&wrong), "{wrong}");
        }
        assert!(!Input::roots("c").is_answered_by(&json!({ "roots": [{}] })));
    }
}
