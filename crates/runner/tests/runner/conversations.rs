//! Conversations that outlive their runner, and agents that want a login.

use std::time::Duration;

use serde_json::Value;

use crate::gateway::{Gateway, Setup, Stage, read};
use portway_protocol::runner::RunnerEvent;

/// What an agent says that can load conversations.
const CAN_LOAD: &str = r#"{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}"#;
/// What an agent says that knows two ways to log in.
const OFFERS: &str = r#"{"protocolVersion":1,"authMethods":[{"id":"key","name":"API key"},{"id":"web"}]}"#;
const LOGIN: &str = r#"{"error":{"code":-32000,"message":"Authentication required"}}"#;
const NEW: &str = r#"{"result":{"sessionId":"fresh"}}"#;

/// A shell script that notes each request in `asked.txt` and answers them in turn with results or errors; `{` and `}` of
/// an answer are left out. What an item begins with before the last line break is said first.
fn agent(initialized: &str, answers: &[&str]) -> Setup {
    let first = format!(r#"{{"result":{initialized}}}"#);
    let steps = std::iter::once(first.as_str()).chain(answers.iter().copied()).enumerate().map(|(index, answer)| {
        let (before, answer) = answer.rsplit_once('\n').unwrap_or(("", answer));
        let body = answer.trim_start_matches('{');
        let id = index + 1;
        format!(
            "read -r line; echo \"$line\" >> asked.txt\n{before}\necho '{{\"jsonrpc\":\"2.0\",\"id\":{id},{body}'\n"
        )
    });
    let steps: String = steps.collect();
    Setup::shell(&format!("{steps}read -r line; echo \"$line\" >> asked.txt; read -r line"))
}

/// Methods and parameters of what the agent was asked so far.
fn asked(stage: &Stage) -> Vec<(String, Value)> {
    let lines = read(&stage.workspace, "asked.txt").unwrap_or_default();
    let requests = lines.lines().map(|line| {
        let mut request: Value = serde_json::from_str(line).unwrap();
        (request["method"].as_str().unwrap().to_owned(), request["params"].take())
    });
    requests.collect()
}

fn methods(stage: &Stage) -> Vec<String> {
    asked(stage).into_iter().map(|(method, _)| method).collect()
}

async fn failed(gateway: &mut Gateway) -> String {
    match gateway.event().await {
        RunnerEvent::Failed { error } => error,
        other => panic!("not failed: {other:?}"),
    }
}

#[tokio::test]
async fn the_conversation_of_an_earlier_runner_is_gone_on_with() {
    let replay = r#"echo '{"method":"session/update","params":{"sessionId":"talk 1","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"said long ago"}}}}'
{"result":{}}"#;
    let said = r#"echo '{"method":"session/update","params":{"sessionId":"talk 1","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"said now"}}}}'
{"result":{"stopReason":"end_turn"}}"#;
    let mut setup = agent(CAN_LOAD, &[replay, said]);
    setup.agent_session = Some("talk 1".to_owned());
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "talk 1");
    gateway.prompt("m1", "go on").await;
    assert_eq!(gateway.turn().await.text(), "said now", "what is replayed is no news");
    let asked = asked(&stage);
    assert_eq!(asked[1].0, "session/load");
    assert_eq!(asked[1].1["sessionId"], "talk 1");
    assert_eq!(asked[1].1["cwd"], stage.workspace.to_str().unwrap());
    assert_eq!(asked[2].1["sessionId"], "talk 1");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn an_agent_that_cannot_load_begins_anew() {
    let mut setup = agent(r#"{"protocolVersion":1}"#, &[NEW]);
    setup.agent_session = Some("talk 1".to_owned());
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "fresh");
    assert_eq!(methods(&stage), ["initialize", "session/new"]);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_conversation_that_was_forgotten_is_begun_anew() {
    let gone = r#"{"error":{"code":-32002,"message":"Resource not found"}}"#;
    let mut setup = agent(CAN_LOAD, &[gone, NEW]);
    setup.agent_session = Some("talk 1".to_owned());
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "fresh");
    assert_eq!(methods(&stage), ["initialize", "session/load", "session/new"]);
    gateway.stop(stage).await;
}

/// Dies of, or hangs at, every conversation that it is to load; works otherwise.
fn fragile(at_load: &str) -> Setup {
    let script = format!(
        r#"
while read -r line; do
  echo "$line" >> asked.txt
  id=$(echo "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
  case $line in
    *initialize*) echo '{{"id":'$id',"result":{CAN_LOAD}}}' ;;
    *session/load*) {at_load} ;;
    *session/new*) echo '{{"id":'$id',"result":{{"sessionId":"fresh"}}}}' ;;
  esac
done
"#
    );
    let mut setup = Setup::shell(&script);
    setup.agent_session = Some("talk 1".to_owned());
    setup
}

#[tokio::test]
async fn an_agent_that_dies_of_loading_begins_anew() {
    let stage = fragile("exit 3").start().await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "fresh");
    assert_eq!(methods(&stage), ["initialize", "session/load", "initialize", "session/new"]);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn an_agent_that_never_finishes_loading_begins_anew() {
    let mut setup = fragile("exec sleep 1000");
    // Only that of the load may pass: an answer within a minute is what the other steps may rely on.
    setup.timing.start = Duration::from_secs(2);
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "fresh");
    assert_eq!(methods(&stage), ["initialize", "session/load", "initialize", "session/new"]);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_login_is_made_with_the_configured_method() {
    let mut setup = agent(OFFERS, &[LOGIN, r#"{"result":{}}"#, NEW]);
    setup.auth_method = Some("key".to_owned());
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "fresh");
    assert_eq!(methods(&stage), ["initialize", "session/new", "authenticate", "session/new"]);
    assert_eq!(asked(&stage)[2].1["methodId"], "key");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_conversation_is_put_into_the_configured_mode() {
    let opened = r#"{"result":{"sessionId":"fresh","modes":{"currentModeId":"auto","availableModes":[{"id":"ask"}]}}}"#;
    let mut setup = agent("{}", &[opened, r#"{"result":{}}"#]);
    setup.mode = Some("ask".to_owned());
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "fresh");
    assert_eq!(methods(&stage), ["initialize", "session/new", "session/set_mode"]);
    assert_eq!(asked(&stage)[2].1, serde_json::json!({"sessionId": "fresh", "modeId": "ask"}));
    gateway.stop(stage).await;
}

/// As Gemini CLI does.
#[tokio::test]
async fn what_is_replayed_after_the_load_is_no_news_either() {
    let said = |text: &str| {
        format!(
            r#"echo '{{"method":"session/update","params":{{"sessionId":"talk 1","update":{{"sessionUpdate":"agent_message_chunk","content":{{"type":"text","text":"{text}"}}}}}}}}'"#
        )
    };
    let set = format!("{}\n{{\"result\":{{}}}}", said("said long ago"));
    let answer = format!("{}\n{{\"result\":{{\"stopReason\":\"end_turn\"}}}}", said("said now"));
    let loaded = r#"{"result":{"modes":{"currentModeId":"ask"}}}"#;
    let mut setup = agent(CAN_LOAD, &[loaded, &set, &answer]);
    setup.agent_session = Some("talk 1".to_owned());
    setup.mode = Some("ask".to_owned());
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    gateway.prompt("m1", "hello").await;
    assert_eq!(gateway.ready().await, "talk 1");
    assert_eq!(gateway.turn().await.text(), "said now");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn without_a_configured_method_the_offered_ones_are_named() {
    let stage = agent(OFFERS, &[LOGIN]).start().await;
    let mut gateway = stage.gateway().await;
    let error = failed(&mut gateway).await;
    for part in ["Authentication required", "key (API key), web", "[agents.NAME].auth_method"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert_eq!(methods(&stage), ["initialize", "session/new"], "nobody is logged in unasked");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_login_that_fails_is_told() {
    let mut setup = agent(OFFERS, &[LOGIN, r#"{"error":{"code":-32602,"message":"no such method: kye"}}"#]);
    setup.auth_method = Some("kye".to_owned());
    let stage = setup.start().await;
    let mut gateway = stage.gateway().await;
    let error = failed(&mut gateway).await;
    assert!(error.contains("no such method: kye") && error.contains("key (API key), web"), "{error}");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_login_that_is_wanted_in_the_middle_is_told() {
    let stage = agent(OFFERS, &[NEW, LOGIN]).start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    gateway.prompt("m1", "hello").await;
    let turn = gateway.turn().await;
    let error = turn.error().unwrap();
    assert!(error.contains("wants a login") && error.contains("key (API key), web"), "{error}");
    assert_eq!(turn.end(1), ["complete"]);
    gateway.stop(stage).await;
}
