//! Prompts, and what completes their arguments.

use portway_api::{McpClient, McpError};
use serde_json::{Map, Value, json};

use crate::Fixtures;
use crate::content;
use crate::dialogue::Turn;
use crate::dialogues;

/// Values for an argument.
const VALUES: [&str; 4] = ["paris", "park", "party", "test"];

/// The prompt that asks its client for something.
const ASKING: &str = "test_input_required_result_prompt";

/// The prompt that comes and goes.
const CHANGING: &str = "test_changing_prompt";

impl Fixtures {
    /// All that are there at the moment.
    pub(crate) fn prompts(&self) -> Vec<Value> {
        let mut prompts = vec![
            prompt("test_simple_prompt", "A prompt without arguments", &[]),
            prompt("test_prompt_with_arguments", "A prompt with two arguments", &["arg1", "arg2"]),
            prompt("test_prompt_with_embedded_resource", "A prompt with a resource in it", &["resourceUri"]),
            prompt("test_prompt_with_image", "A prompt with a picture in it", &[]),
            prompt(ASKING, "A prompt that asks for its context", &[]),
        ];
        if self.changes.has_prompt() {
            prompts.push(prompt(CHANGING, "A prompt that comes and goes", &[]));
        }
        prompts
    }

    /// The result of getting a prompt, if it is one of these.
    pub(crate) async fn prompt(
        &self,
        params: &Map<String, Value>,
        client: &McpClient,
    ) -> Option<Result<Value, McpError>> {
        let name = params.get("name")?.as_str()?;
        if name == ASKING {
            let turn = dialogues::of_prompt().go_on(name, params, client, &self.states).await;
            return Some(turn.map(|turn| match turn {
                Turn::Over(text) => messages(vec![content::text(&text)]),
                Turn::Asking(result) => result,
            }));
        }
        if name == CHANGING && !self.changes.has_prompt() {
            return None;
        }
        Some(said(name, params.get("arguments").unwrap_or(&Value::Null))?.map(messages))
    }
}

/// What a prompt says that needs nothing but its arguments.
fn said(name: &str, arguments: &Value) -> Option<Result<Vec<Value>, McpError>> {
    let argument = |name: &str| {
        let missing = || McpError::invalid_params(format!("the argument {name:?} is missing"));
        arguments[name].as_str().ok_or_else(missing)
    };
    let with_arguments = || {
        let (first, second) = (argument("arg1")?, argument("arg2")?);
        Ok(vec![content::text(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))])
    };
    let with_resource = || {
        let resource =
            content::resource(argument("resourceUri")?, "text/plain", "Embedded resource content for testing.");
        Ok(vec![resource, content::text("Please process the embedded resource above.")])
    };
    Some(match name {
        "test_simple_prompt" => Ok(vec![content::text("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => with_arguments(),
        "test_prompt_with_embedded_resource" => with_resource(),
        "test_prompt_with_image" => Ok(vec![content::image(), content::text("Please analyze the image above.")]),
        CHANGING => Ok(vec![content::text("This prompt is there.")]),
        _ => return None,
    })
}

/// What completes an argument of a prompt or of the template, if it is one of these.
pub(crate) fn complete(params: &Map<String, Value>) -> Option<Value> {
    let (of, argument) = (params.get("ref")?, params.get("argument")?);
    let known: &[&str] = match (of["type"].as_str()?, of["name"].as_str(), of["uri"].as_str()) {
        ("ref/prompt", Some("test_prompt_with_arguments"), _) => &VALUES,
        ("ref/resource", _, Some("test://template/{id}/data")) => &["123"],
        _ => return None,
    };
    let begun = argument["value"].as_str().unwrap_or_default();
    let values: Vec<&&str> = known.iter().filter(|value| value.starts_with(begun)).collect();
    Some(json!({ "completion": { "values": values, "total": values.len(), "hasMore": false } }))
}

fn prompt(name: &str, description: &str, arguments: &[&str]) -> Value {
    let argument =
        |name: &&str| json!({ "name": name, "description": format!("Test argument {name}"), "required": true });
    let arguments: Vec<Value> = arguments.iter().map(argument).collect();
    json!({ "name": name, "description": description, "arguments": arguments })
}

fn messages(content: Vec<Value>) -> Value {
    let messages: Vec<Value> =
        content.into_iter().map(|content| json!({ "role": "user", "content": content })).collect();
    json!({ "messages": messages })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_in_what_a_prompt_says() {
        let said = said("test_prompt_with_arguments", &json!({ "arg1": "a", "arg2": "b" })).unwrap().unwrap();
        assert_eq!(said[0]["text"], "Prompt with arguments: arg1='a', arg2='b'");
        assert_eq!(
            super::said("test_prompt_with_arguments", &json!({ "arg1": "a" })).unwrap().unwrap_err().code,
            -32602
        );
        assert!(super::said("other", &Value::Null).is_none());
    }

    #[test]
    fn an_argument_is_completed_from_its_beginning() {
        let complete = |of: Value, value: &str| {
            let argument = json!({ "name": "arg1", "value": value });
            complete(&Map::from_iter([("ref".to_owned(), of), ("argument".to_owned(), argument)]))
        };
        let prompt = || json!({ "type": "ref/prompt", "name": "test_prompt_with_arguments" });
        assert_eq!(complete(prompt(), "par").unwrap()["completion"]["values"], json!(["paris", "park", "party"]));
        assert_eq!(complete(prompt(), "x").unwrap()["completion"]["total"], 0);
        let template = json!({ "type": "ref/resource", "uri": "test://template/{id}/data" });
        assert_eq!(complete(template, "1").unwrap()["completion"]["values"], json!(["123"]));
        assert_eq!(complete(json!({ "type": "ref/prompt", "name": "other" }), ""), None);
    }
}
