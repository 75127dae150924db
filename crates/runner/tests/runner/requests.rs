//! What the gateway asks on behalf of somebody who waits.

use std::path::Path;
use std::time::Duration;

use portway_protocol::requests::{RunnerRequest, RunnerResponse};
use portway_protocol::runner::{FromRunner, RunnerEvent, ToRunner};

use crate::gateway::{Gateway, Setup, Stage, read, within};

/// Opens conversations `talk1`, `talk2` and so on. A prompt is answered at once in the first of them; in others the agent
/// first asks for permission, and then says `said` and ends, if it ever does.
fn agent(said: &str) -> Setup {
    Setup::shell(&format!(
        r#"
while read -r line; do
  printf '%s\n' "$line" >> asked.txt
  id=$(printf '%s\n' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
  case $line in
    *'"initialize"'*) echo '{{"id":'$id',"result":{{"protocolVersion":1}}}}' ;;
    *'"session/new"'*) n=$((n+1)); echo '{{"id":'$id',"result":{{"sessionId":"talk'$n'"}}}}' ;;
    *'"session/prompt"'*) case $line in
      *'"talk1"'*) echo '{{"id":'$id',"result":{{"stopReason":"end_turn"}}}}' ;;
      *) prompt=$id
        echo '{{"id":77,"method":"session/request_permission","params":{{"sessionId":"talk2","options":[{{"optionId":"a","name":"A","kind":"allow_once"}}]}}}}' ;;
      esac ;;
    *'"outcome"'*) {said} ;;
  esac
done
"#
    ))
}

const REVIEW: &str = r#"echo '{"method":"session/update","params":{"sessionId":"talk2","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"{\"overallSummary\":\"Fine.\"}"}}}}'; echo '{"id":'$prompt',"result":{"stopReason":"end_turn"}}'"#;

/// Makes the workspace a repository with a new file.
async fn change(folder: &Path) {
    let init = tokio::process::Command::new("git").args(["init", "--quiet"]).current_dir(folder).status();
    assert!(init.await.unwrap().success());
    std::fs::write(folder.join("a.txt"), "one\n").unwrap();
}

async fn ask(gateway: &mut Gateway, body: RunnerRequest) {
    gateway.connection.send(&ToRunner::Request { request_id: "r".to_owned(), body }).await;
}

/// The answer; events are taken in.
async fn answer(gateway: &mut Gateway) -> RunnerResponse {
    loop {
        if let FromRunner::Response { request_id, body } = gateway.other_frame().await {
            assert_eq!(request_id, "r");
            return body;
        }
    }
}

fn code(response: &RunnerResponse) -> &str {
    match response {
        RunnerResponse::Failed { code, .. } => code,
        other => panic!("not failed: {other:?}"),
    }
}

async fn was_asked(stage: &Stage, text: &str) {
    within(async {
        while !read(&stage.workspace, "asked.txt").is_some_and(|asked| asked.contains(text)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_conversation_begins_between_turns() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    let first = gateway.ready().await;
    gateway.prompt("p1", "/ask may I?").await;
    let (question, choices) = gateway.question().await;
    ask(&mut gateway, RunnerRequest::NewSession {}).await;
    assert_eq!(code(&answer(&mut gateway).await), "CONFLICT");
    gateway.choose(&question, &choices[0].id).await;
    gateway.turn().await;

    ask(&mut gateway, RunnerRequest::NewSession {}).await;
    assert_eq!(answer(&mut gateway).await, RunnerResponse::Done { result: None });
    let second = gateway.ready().await;
    assert_ne!(first, second);
    assert_eq!(gateway.event().await, RunnerEvent::SessionReset {});
    gateway.prompt("p2", "/say hello").await;
    assert_eq!(gateway.turn().await.text(), "hello");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn an_agent_that_begins_no_new_conversation_goes_on_with_the_old_one() {
    let refusal = r#"{"error":{"code":-32603,"message":"one is enough"}}"#;
    let said = r#"{"result":{"stopReason":"end_turn"}}"#;
    let steps = [r#"{"result":{"protocolVersion":1}}"#, r#"{"result":{"sessionId":"only"}}"#, refusal, said];
    let steps: String = (1..)
        .zip(steps)
        .map(|(id, answer)| {
            let body = answer.trim_start_matches('{');
            format!("read -r line; echo \"$line\" >> asked.txt; echo '{{\"id\":{id},{body}'\n")
        })
        .collect();
    let stage = Setup::shell(&format!("{steps}read -r line")).start().await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "only");
    ask(&mut gateway, RunnerRequest::NewSession {}).await;
    assert_eq!(code(&answer(&mut gateway).await), "INTERNAL_ERROR");
    gateway.prompt("p1", "go on").await;
    gateway.turn().await;
    let asked = read(&stage.workspace, "asked.txt").unwrap();
    assert!(asked.lines().last().unwrap().contains("\"only\""), "{asked}");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn commands_are_those_that_the_agent_announced() {
    let stage = Setup::demo().start().await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    // What was announced is known once a turn is over.
    gateway.prompt("p1", "/say hello").await;
    gateway.turn().await;
    let say = |args: Option<&str>| RunnerRequest::Command { name: "say".to_owned(), args: args.map(str::to_owned) };
    for (args, content) in [(Some("a b"), "/say a b"), (None, "/say")] {
        ask(&mut gateway, say(args)).await;
        assert_eq!(answer(&mut gateway).await, RunnerResponse::Prompt { content: content.to_owned() });
    }
    ask(&mut gateway, RunnerRequest::Command { name: "compact".to_owned(), args: None }).await;
    assert_eq!(code(&answer(&mut gateway).await), "NOT_AVAILABLE");
    ask(&mut gateway, RunnerRequest::Unknown).await;
    assert_eq!(code(&answer(&mut gateway).await), "NOT_AVAILABLE");
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_review_is_allowed_nothing_and_shows_nothing() {
    let stage = agent(REVIEW).start().await;
    change(&stage.workspace).await;
    let mut gateway = stage.gateway().await;
    assert_eq!(gateway.ready().await, "talk1");
    ask(&mut gateway, RunnerRequest::Review {}).await;
    let RunnerResponse::Review { data, of } = answer(&mut gateway).await else {
        panic!("there is no review");
    };
    assert_eq!(data.overall_summary, "Fine.");
    assert!(of.files.iter().any(|file| file.path == "a.txt"));
    let asked = read(&stage.workspace, "asked.txt").unwrap();
    let permission = asked.lines().find(|line| line.contains("\"outcome\"")).unwrap();
    assert!(permission.contains("cancelled"), "{permission}");
    gateway.prompt("p1", "go on").await;
    gateway.turn().await;
    let messages = gateway.events.iter().filter(|event| matches!(event, RunnerEvent::MessageCreate { .. })).count();
    assert_eq!(messages, 0, "{:?}", gateway.events);
    gateway.stop(stage).await;
}

#[tokio::test]
async fn a_prompt_ends_a_review() {
    let stage = agent(":").start().await;
    change(&stage.workspace).await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    ask(&mut gateway, RunnerRequest::Review {}).await;
    was_asked(&stage, "Review the changes").await;
    gateway.prompt("p1", "go on").await;
    let failed = answer(&mut gateway).await;
    assert_eq!(code(&failed), "CONFLICT");
    let RunnerResponse::Failed { of: Some(of), .. } = failed else { panic!("it does not say of what") };
    assert!(!of.files.is_empty());
    gateway.turn().await;
    was_asked(&stage, "session/cancel").await;
    gateway.stop(stage).await;
}

#[tokio::test]
async fn nobody_waits_for_an_agent_that_ended() {
    let stage = agent("exit 3").start().await;
    change(&stage.workspace).await;
    let mut gateway = stage.gateway().await;
    gateway.ready().await;
    ask(&mut gateway, RunnerRequest::Review {}).await;
    assert_eq!(code(&answer(&mut gateway).await), "UNAVAILABLE");
    gateway.stop(stage).await;
}
