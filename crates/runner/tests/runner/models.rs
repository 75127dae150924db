//! The model that a prompt is for.

use portway_protocol::runner::{FromRunner, RunnerEvent};
use serde_json::{Value, json};

use crate::gateway::{Setup, Stage, prompt_for, read};

/// Answers `initialize` and `session/new`, offering the models `p/a`, which it uses, and `p/b`. Then does what `rest`
/// says, in which `hear` reads a line and notes it in the file `heard`, and `say` writes one.
fn script(rest: &str) -> String {
    format!(
        r#"
hear() {{ read -r line; echo "$line" >> heard; }}
say() {{ echo "$1"; }}
hear
say '{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":1}}}}'
hear
say '{{"jsonrpc":"2.0","id":2,"result":{{"sessionId":"s","configOptions":[{{"id":"model","category":"model","type":"select","currentValue":"p/a","options":[{{"value":"p/a","name":"A"}},{{"value":"p/b","name":"B"}}]}}]}}}}'
{rest}
read -r line
"#
    )
}

/// What the agent heard, without the start.
fn heard(stage: &Stage) -> Vec<Value> {
    let heard = read(&stage.workspace, "heard").unwrap_or_default();
    heard.lines().skip(2).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_prompt_waits_until_its_model_is_used() {
    let rest = r#"
hear
say '{"id":3,"result":{}}'
hear
say '{"id":4,"result":{"stopReason":"end_turn"}}'
hear
say '{"id":5,"result":{"stopReason":"end_turn"}}'
"#;
    let stage = Setup::shell(&script(rest)).start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    for prompt in ["m1", "m2"] {
        gateway.command(prompt_for(prompt, "p/b")).await;
        assert_eq!(gateway.turn().await.end(1), ["complete"]);
    }
    let heard = heard(&stage);
    let methods: Vec<&str> = heard.iter().map(|line| line["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["session/set_config_option", "session/prompt", "session/prompt"]);
    assert_eq!(heard[0]["params"], json!({"sessionId": "s", "configId": "model", "value": "p/b"}));
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_refused_model_is_told_and_the_prompt_goes_on() {
    let rest = r#"
hear
say '{"id":3,"error":{"code":-32602,"message":"no credit"}}'
hear
say '{"id":4,"result":{"stopReason":"end_turn"}}'
"#;
    let stage = Setup::shell(&script(rest)).start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.command(prompt_for("m1", "p/b")).await;
    let switched = gateway.until(|event| matches!(event, RunnerEvent::ModelSwitched { .. })).await;
    let expected = RunnerEvent::ModelSwitched {
        message_id: "m1".to_owned(),
        from_model: "p/b".to_owned(),
        to_model: "p/a".to_owned(),
        reason: "the agent refused it: no credit (-32602)".to_owned(),
    };
    assert_eq!(switched, expected);
    assert_eq!(gateway.turn().await.end(1), ["complete"]);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_prompt_that_is_aborted_meanwhile_never_goes_to_the_agent() {
    let rest = r#"
hear
while [ ! -e go ]; do sleep 0.02; done
say '{"id":3,"result":{}}'
hear
say '{"id":4,"result":{"stopReason":"end_turn"}}'
"#;
    let stage = Setup::shell(&script(rest)).start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.command(prompt_for("m1", "p/b")).await;
    gateway.until(|event| matches!(event, RunnerEvent::AgentStatus { .. })).await;
    gateway.abort("m1").await;
    while gateway.other_frame().await != (FromRunner::Ack { command: 2 }) {}
    std::fs::write(stage.workspace.join("go"), "").unwrap();
    assert_eq!(gateway.turn().await.end(1), ["aborted"]);
    gateway.command(prompt_for("m2", "p/b")).await;
    assert_eq!(gateway.turn().await.end(1), ["complete"]);
    let methods: Vec<String> = heard(&stage).iter().map(|line| line["method"].as_str().unwrap().to_owned()).collect();
    assert_eq!(methods, ["session/set_config_option", "session/prompt"], "the model is used by then");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn options_that_change_are_told() {
    let rest = r#"
say '{"method":"session/update","params":{"sessionId":"other","update":{"sessionUpdate":"config_option_update","configOptions":[{"id":"model","category":"model","currentValue":"x","options":[{"value":"x","name":"X"}]}]}}}'
say '{"method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"config_option_update","configOptions":[{"id":"model","category":"model","currentValue":"c","options":[{"value":"c","name":"C"}]}]}}}'
"#;
    let stage = Setup::shell(&script(rest)).start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    let RunnerEvent::Models { models } = gateway.event().await else {
        panic!("no models");
    };
    assert_eq!((models[0].provider.as_str(), models[0].models[0].id.as_str()), ("Agent", "c"));
    gateway.stop(stage).await;
}
