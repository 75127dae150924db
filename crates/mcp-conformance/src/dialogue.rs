//! Asking clients: those with a session while they wait, all others by a result that they answer with another request.

use portway_api::{McpClient, McpError};
use serde_json::{Map, Value, json};

use crate::input::Input;
use crate::state::StateKey;

/// What a feature has to know from its client before it can answer.
pub(crate) struct Dialogue {
    /// What is asked for together, one after the other.
    pub(crate) rounds: Vec<Vec<Input>>,
    /// Whether a client without a session keeps how far it is. Those of more than one round have to.
    pub(crate) has_state: bool,
    /// What is said in the end.
    pub(crate) ending: fn(&Map<String, Value>) -> String,
}

/// Where a dialogue is after a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Turn {
    /// At its end, with that text.
    Over(String),
    /// The client has to answer something, as that result says.
    Asking(Value),
}

impl Dialogue {
    /// Goes on with it as far as it goes. `params` are those of the request.
    pub(crate) async fn go_on(
        &self,
        feature: &str,
        params: &Map<String, Value>,
        client: &McpClient,
        states: &StateKey,
    ) -> Result<Turn, McpError> {
        if client.session().is_some() {
            return self.ask(client).await;
        }
        self.check_capabilities(client)?;
        self.next(feature, params, states)
    }

    /// Asks a client that can be asked.
    async fn ask(&self, client: &McpClient) -> Result<Turn, McpError> {
        let mut answers = Map::new();
        for input in self.rounds.iter().flatten() {
            let answer = client.request(input.capability, input.method, input.params.clone()).await?;
            answers.insert(input.key.to_owned(), checked(input, &answer)?);
        }
        Ok(Turn::Over((self.ending)(&answers)))
    }

    fn check_capabilities(&self, client: &McpClient) -> Result<(), McpError> {
        let missing = self.rounds.iter().flatten().find(|input| !client.supports(input.capability));
        missing.map_or(Ok(()), |input| Err(McpError::missing_capability(input.capability)))
    }

    /// What comes after that request.
    fn next(&self, feature: &str, params: &Map<String, Value>, states: &StateKey) -> Result<Turn, McpError> {
        let (round, mut answers) = self.so_far(feature, params, states)?;
        let given = given(params)?;
        let Some(inputs) = self.rounds.get(round) else { return Ok(Turn::Over((self.ending)(&answers))) };
        for input in inputs {
            let Some(answer) = given.get(input.key) else {
                // Whatever else was answered is asked for once more: it is in no state.
                let (_, answers) = self.so_far(feature, params, states)?;
                return Ok(self.asking(feature, round, &answers, states));
            };
            answers.insert(input.key.to_owned(), checked(input, answer)?);
        }
        if round + 1 < self.rounds.len() {
            return Ok(self.asking(feature, round + 1, &answers, states));
        }
        Ok(Turn::Over((self.ending)(&answers)))
    }

    /// The round that a request is about, and what was answered before.
    fn so_far(
        &self,
        feature: &str,
        params: &Map<String, Value>,
        states: &StateKey,
    ) -> Result<(usize, Map<String, Value>), McpError> {
        let Some(state) = params.get("requestState").filter(|_| self.has_state) else { return Ok((0, Map::new())) };
        let state = state.as_str().ok_or_else(|| McpError::invalid_params("a state is a text"))?;
        let state = states.verify(feature, state)?;
        let round = state["round"].as_u64().and_then(|round| usize::try_from(round).ok()).unwrap_or_default();
        Ok((round, state["answers"].as_object().cloned().unwrap_or_default()))
    }

    fn asking(&self, feature: &str, round: usize, answers: &Map<String, Value>, states: &StateKey) -> Turn {
        let inputs = self.rounds.get(round).into_iter().flatten();
        let requests =
            inputs.map(|input| (input.key.to_owned(), json!({ "method": input.method, "params": input.params })));
        let requests: Map<String, Value> = requests.collect();
        let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
        if self.has_state {
            let state = states.sign(feature, &json!({ "round": round, "answers": answers }));
            result["requestState"] = state.into();
        }
        Turn::Asking(result)
    }
}

/// What the client answers in a request.
fn given(params: &Map<String, Value>) -> Result<Map<String, Value>, McpError> {
    match params.get("inputResponses") {
        None => Ok(Map::new()),
        Some(Value::Object(given)) => Ok(given.clone()),
        Some(_) => Err(McpError::invalid_params("the answers of a client are an object")),
    }
}

fn checked(input: &Input, answer: &Value) -> Result<Value, McpError> {
    if input.is_answered_by(answer) {
        return Ok(answer.clone());
    }
    Err(McpError::invalid_params(format!("this is no answer to {}: {:?}", input.method, input.key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue() -> Dialogue {
        let rounds = vec![vec![Input::field("a", "A?", "a")], vec![Input::field("b", "B?", "b"), Input::roots("c")]];
        Dialogue { rounds, has_state: true, ending: |answers| answers.keys().cloned().collect::<Vec<_>>().join(",") }
    }

    fn next(params: Value) -> Result<Turn, McpError> {
        let Value::Object(params) = params else { panic!() };
        dialogue().next("f", &params, &StateKey::new([1; 32]))
    }

    fn asked(turn: Turn) -> (Vec<String>, String) {
        let Turn::Asking(result) = turn else { panic!("{turn:?}") };
        let keys = result["inputRequests"].as_object().unwrap().keys().cloned().collect();
        (keys, result["requestState"].as_str().unwrap().to_owned())
    }

    fn accepted() -> Value {
        json!({ "action": "accept", "content": {} })
    }

    #[test]
    fn each_round_is_asked_for_once_the_one_before_is_answered() {
        let (keys, first) = asked(next(json!({})).unwrap());
        assert_eq!(keys, ["a"]);
        let (keys, second) =
            asked(next(json!({ "inputResponses": { "a": accepted() }, "requestState": first })).unwrap());
        assert_eq!(keys, ["b", "c"]);
        assert_ne!(first, second);
        let rest = json!({ "b": accepted(), "c": { "roots": [] }, "d": 1 });
        let over = next(json!({ "inputResponses": rest, "requestState": second })).unwrap();
        assert_eq!(over, Turn::Over("a,b,c".to_owned()));
    }

    #[test]
    fn what_is_missing_is_asked_for_again() {
        let (keys, state) = asked(next(json!({ "inputResponses": { "other": accepted() } })).unwrap());
        assert_eq!(keys, ["a"]);
        let (_, second) = asked(next(json!({ "inputResponses": { "a": accepted() }, "requestState": state })).unwrap());
        let half = json!({ "inputResponses": { "b": accepted() }, "requestState": second });
        assert_eq!(asked(next(half).unwrap()), (vec!["b".to_owned(), "c".to_owned()], second));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let (_, state) = asked(next(json!({})).unwrap());
        for wrong in [
            json!({ "inputResponses": null }),
            json!({ "inputResponses": { "a": 12345 } }),
            json!({ "requestState": 1 }),
            json!({ "inputResponses": { "a": accepted() }, "requestState": format!("{state}-TAMPERED") }),
        ] {
            assert_eq!(next(wrong.clone()).unwrap_err().code, -32602, "{wrong}");
        }
    }
}
